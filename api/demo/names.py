"""Made-up people and places. The towns do not exist; the telephone range is one that regulators keep for fiction."""

from __future__ import annotations

GIVEN = {
    "female": (
        *("Amina", "Birgit", "Chiara", "Dalia", "Esther", "Freya", "Greta", "Hanna", "Ines", "Jana", "Keiko", "Leonie"),
        *("Mira", "Nadia", "Olga", "Paula", "Rosa", "Saskia", "Thandi", "Ulrike", "Vera", "Wanda", "Yara", "Zofia"),
    ),
    "male": (
        *("Anton", "Bruno", "Cem", "Dario", "Emil", "Felix", "Goran", "Hugo", "Ivo", "Jonas", "Kofi", "Lars"),
        *("Marek", "Nils", "Oskar", "Pavel", "Rafael", "Samir", "Tomas", "Uwe", "Viktor", "Wim", "Yusuf", "Zoran"),
    ),
}
FAMILY = (
    *("Abrahams", "Bergström", "Castellani", "Dlamini", "Eriksen", "Fontaine", "Grünwald", "Hartono", "Ivanova"),
    *("Jankowski", "Kaplan", "Lindqvist", "Moreau", "Nakagawa", "Okafor", "Petrescu", "Quiroga", "Rasmussen"),
    *("Sørensen", "Takahashi", "Ursu", "Vandenberg", "Wójcik", "Yildiz", "Zeman", "Aaltonen", "Brandt", "Correia"),
)
STREETS = ("Ash Lane", "Bridge Street", "Canal Road", "Garden Walk", "Harbour Street", "Mill Lane", "Orchard Way")
TOWNS = (("Eastmere", "EM1 4QX"), ("Northwick Bay", "NW7 2LB"), ("Silverford", "SF3 9TR"), ("Tarnholm", "TH5 8JD"))
LANGUAGES = (("en", "English"), ("de", "German"), ("fr", "French"), ("pl", "Polish"), ("tr", "Turkish"))
SPECIALTIES = (("394814009", "General practice"), ("394579002", "Cardiology"), ("394537008", "Pediatric specialty"))


def telephone(number: int) -> str:
    """One of a thousand numbers that connect to nobody."""
    return f"+44 1632 960{number % 1000:03d}"

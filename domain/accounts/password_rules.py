"""Which passwords are taken: NIST SP 800-63B-4 section 3.1.1.2 (https://pages.nist.gov/800-63-4/sp800-63b.html).

Long enough (15 characters alone, 8 beside a second factor), not common, not made of what everybody knows of the account;
no rules of composition, no expiry, and every character counts. What is common is judged after undoing the usual disguises:
case, digits for letters, signs around.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from domain.errors import InvalidFields

LEAST_ALONE, LEAST_WITH_SECOND_FACTOR, LONGEST = 15, 8, 1024
_DISGUISES = str.maketrans("01345789@$!|", "oieastbgasil")
_ROWS = (
    "abcdefghijklmnopqrstuvwxyz",
    "qwertyuiopasdfghjklzxcvbnm",
    "qwertzuiopasdfghjklyxcvbnm",
    "01234567890123456789",
)
_LEAST_LEFT = 4
_ENOUGH_WORDS = 3
_COMMON = """
    password passwort passwd passw0rd motdepasse contrasena senha geheim secret secrets letmein welcome willkommen
    bienvenue admin administrator root superuser master login logon user username guest test testing tester demo
    example sample changeme change default temp temporary qwerty qwertz azerty asdf asdfgh zxcvbn qazwsx iloveyou
    loveyou sunshine princess dragon monkey football baseball basketball soccer hockey batman superman spiderman
    starwars pokemon shadow michael jordan jennifer jessica ashley daniel charlie thomas george robert andrew hunter
    ranger buster tigger pepper ginger cookie cheese chocolate banana summer winter spring autumn monday friday
    january december flower freedom whatever trustno trustnoone nothing access computer internet samsung google
    facebook linkedin microsoft windows iphone killer mustang ferrari porsche mercedes corvette harley yankees
    dallas london berlin paris madrid liverpool chelsea arsenal barcelona hello helloworld world abc xyz love money
    angel lovely babygirl matrix phoenix thunder eagle tiger lion panther jesus christ hospital clinic doctor nurse
    patient medical medicine health healthcare chart vault chartvault ehr emr fhir epic cerner company office work
    home family baby please enter open sesame correcthorsebatterystaple
"""
COMMON = frozenset(_COMMON.split())


def require_fit(password: str, *, least: int, known: Iterable[str] = ()) -> None:
    """Raise `InvalidFields` (`weak_password`) for a password that is too short, common, or made of `known` words."""
    text = unicodedata.normalize("NFKC", password)
    if len(text) < least:
        raise _weak(f"A password has at least {least} characters; a sentence is easy to remember")
    if len(text) > LONGEST:
        raise _weak(f"A password has at most {LONGEST} characters")
    if _is_common(text, known):
        raise _weak("This password is among the first ones somebody would try")


def _is_common(text: str, known: Iterable[str]) -> bool:
    plain = text.casefold()
    if len(set(plain)) < 5 or _is_sequence(plain):
        return True
    context = _longest_first({part for word in known for part in _parts(word) if len(part) >= 3})
    joined = "".join(sign for sign in plain if sign.isalnum())
    forms = (plain, plain.translate(_DISGUISES), joined, joined.translate(_DISGUISES))
    return any(_is_made_of(form, context, _longest_first(COMMON)) for form in forms)


def _is_made_of(text: str, context: Iterable[str], common: Iterable[str]) -> bool:
    """Whether next to nothing is left without these words; three different common ones are a passphrase, which is fine."""
    whole, found = text, 0
    for word in context:
        text = text.replace(word, "\0")
    for word in common:
        if word in text:
            text = text.replace(word, "\0")
            found += 1
    left = "".join(sign for sign in text if sign.isalpha())
    digits = len({sign for sign in text if sign.isdigit()})
    return text != whole and found < _ENOUGH_WORDS and len(left) < _LEAST_LEFT and digits < 2 * _LEAST_LEFT


def _longest_first(words: Iterable[str]) -> list[str]:
    return sorted(words, key=len, reverse=True)


def _is_sequence(text: str) -> bool:
    """Whether most neighbours are neighbours in the alphabet, on the keyboard or among the digits."""
    pairs = [text[at : at + 2] for at in range(len(text) - 1)]
    near = sum(any(pair in row or pair[::-1] in row for row in _ROWS) or pair[0] == pair[1] for pair in pairs)
    return near >= 0.7 * len(pairs)


def _parts(word: str) -> list[str]:
    """A name or address as the words it is made of, and as a whole."""
    plain = unicodedata.normalize("NFKC", word).casefold()
    letters = "".join(sign if sign.isalnum() else " " for sign in plain)
    return [*letters.split(), letters.replace(" ", "")]


def _weak(sentence: str) -> InvalidFields:
    return InvalidFields(sentence, expression="password", reason="weak_password")

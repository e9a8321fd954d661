"""The clinic's own nouns and the rules that span resources; no FHIR JSON here."""

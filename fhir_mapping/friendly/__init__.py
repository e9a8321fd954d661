"""The clinic's nouns as FHIR resources and back: one file per noun, pure."""

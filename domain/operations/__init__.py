"""One FHIR operation each: https://hl7.org/fhir/R4/operations.html"""

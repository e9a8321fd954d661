"""The generic FHIR surface under `/fhir`: https://hl7.org/fhir/R4/http.html"""

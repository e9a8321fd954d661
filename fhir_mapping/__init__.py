"""Everything that knows the shape of FHIR, as pure functions: no I/O, no framework."""

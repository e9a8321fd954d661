"""The benchmark: workloads over HTTP against any FHIR base, every answer checked, ceilings measured beside them.

A figure without its conditions is worth nothing: rounds alternate between us and a peer, calibrations of the bare
database run in between, and a cell with a single wrong answer has no figure at all.
"""

"""The official R4 definitions as compact JSON tables, and the programs that compile them.

The tables are data and are checked in; `python -m fhir_mapping.definitions.compile ARCHIVE` makes them anew.
"""

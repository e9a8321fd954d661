"""The friendly surface, `/api/v1`: camelCase JSON for clinic front ends. How to add an endpoint: `endpoint.py`."""

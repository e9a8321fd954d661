"""What a person may see and do: the matrix of roles, relations, consents and labels, compiled for one request.

`matrix` holds the rules as data, `standing` who somebody is related to now, `consent` what patients permit and deny; `sight`
compiles them into conditions, which are asked of the database in a search and of a plain head everywhere else. One source,
so the two cannot differ. `resolving` puts a sight together at each request.
"""

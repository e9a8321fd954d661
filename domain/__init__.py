"""The rules of the product in plain Python: values, ports and use cases.

Nothing here knows HTTP, MongoDB or a cipher. The standard library and msgspec are the only imports, so that every rule
can be read and tested without starting anything. Layers, lowest first: `errors`, `identity`, `search`, `access`, `audit`,
`revision`, `ports`, `interactions`, `operations`.
"""

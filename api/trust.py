"""The authorities this machine trusts, read once for all that calls out over TLS: reading them takes 20 ms."""

from __future__ import annotations

import ssl
from functools import cache


@cache
def trusted() -> ssl.SSLContext:
    """For connections to servers whose certificate and name are verified. Shared: nobody may change it."""
    return ssl.create_default_context()

"""Time-based one-time codes: RFC 6238 (https://www.rfc-editor.org/rfc/rfc6238), 6 digits, steps of 30 s, one step of drift.

pyotp keeps no memory of what was used: which step a code belongs to is found here, and whoever accepts it stores the step.
"""

from __future__ import annotations

import hmac
from datetime import datetime

import pyotp

ISSUER = "Chartvault"
STEP_SECONDS = 30


class TimedCodes:
    """`domain.accounts.ports.Codes`."""

    def new_secret(self) -> str:
        """160 random bits, as RFC 4226 section 4 recommends."""
        return pyotp.random_base32(32)

    def uri(self, secret: str, name: str) -> str:
        return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=ISSUER)

    def step_of(self, secret: str, code: str, now: datetime) -> int | None:
        """See `domain.accounts.ports.Codes.step_of`. Takes the same time whichever step it is."""
        generator, current = pyotp.TOTP(secret), int(now.timestamp()) // STEP_SECONDS
        given, found = code.encode(), None
        for step in (current - 1, current, current + 1):
            if hmac.compare_digest(generator.generate_otp(step).encode(), given):
                found = step
        return found

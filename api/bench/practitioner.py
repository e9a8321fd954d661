"""A practitioner who can log in, for the cells that measure what access costs: an account and a session of its own."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from api.bench.access import PRACTITIONER
from api.identifiers import new_id
from api.settings import Settings
from api.surfaces import logins
from api.tokens import AccessTokens
from api.wiring import opened
from domain.accounts.account import Account, Credentials

_CLIENT = "chartvault-bench"
_HOURS = 12


async def practitioner_token(settings: Settings) -> str:
    """An access token of a doctor who is `PRACTITIONER`, valid for the run. `settings` name the database."""
    async with opened(settings) as held:
        now, name = datetime.now(UTC), new_id()
        account = Account(
            id=name,
            email=f"{name}@bench.invalid",
            first_name="Bench",
            last_name="Doctor",
            status="ACTIVE",
            roles=("DOCTOR",),
            profiles=(PRACTITIONER,),
            created=now,
            updated=now,
            email_verified=True,
            second_factor=True,
        )
        await held.accounts.add(account, Credentials(account=name))
        proved = time.time()
        login = await logins(settings, held).open_login(
            name, client=_CLIENT, scope="user/*.cruds", authenticated_at=proved, second_factor_at=proved
        )
        return AccessTokens(settings, held.signatures).make(
            subject=name,
            client=_CLIENT,
            scopes="user/*.cruds",
            lifetime_seconds=_HOURS * 3600,
            session=login.session.id,
        )

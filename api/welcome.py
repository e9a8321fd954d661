"""What a person sees when the server is ready: where it is, how to look at it, and a request that works as pasted."""

from __future__ import annotations

import asyncio
import http.client
import os
import sys
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from rich.console import Console

from api.loading.delivery import NotAllowed, ServerLost
from api.running import RunningServer, announce
from api.settings import Settings
from api.tokens import mint
from domain.errors import Unavailable

if TYPE_CHECKING:
    from api.demo.accounts import DemoAccount

_TOKEN_HOURS = 12
_READY_SECONDS = 60.0


def welcome(settings: Settings, *, demo: bool) -> None:
    """Wait until the server can serve, make it known to other commands, and print how to use it.

    A token is only printed in development and over an embedded database: who reads that output could read the token's
    key too. Elsewhere output ends in logs, and nobody gets rights by reading those.
    """
    console = Console(highlight=False, soft_wrap=True)
    local = local_base(settings)
    if not _ready(local):
        console.print(f"The server does not answer yet after {_READY_SECONDS:.0f} s; its log says why.", style="yellow")
        return
    announce(settings.data_dir, RunningServer(os.getpid(), local, settings.fhir_base))
    accounts: list[DemoAccount] = []
    if demo:  # first, so that its requests in the log do not push the token off the screen
        accounts = _load_demo(settings, local, console)
    root = settings.fhir_base.removesuffix("/fhir")
    console.print("\n[bold]Chartvault is ready.[/bold] Stop it with Ctrl-C.\n")
    console.print(f"  FHIR base   {settings.fhir_base}")
    console.print(f"  API docs    {root}/api/docs")
    if settings.smtp_url is None:
        console.print(f"  Letters     {(settings.data_dir / 'mail').absolute()} (set CHARTVAULT_SMTP_URL to send them)")
    console.print(f"  Data        {settings.data_dir.absolute() if settings.embedded else 'CHARTVAULT_MONGODB_URI'}")
    if _may_show_secrets(settings):
        token = mint(settings, scopes="system/*.cruds", lifetime_seconds=_TOKEN_HOURS * 3600, subject="welcome")
        console.print(f"\n  A token with all rights, good for {_TOKEN_HOURS} hours:\n")
        console.print(f"export TOKEN={token}")
        console.print(
            f"curl -H \"Authorization: Bearer $TOKEN\" '{settings.fhir_base}/Patient?_count=2&_pretty=true'\n"
        )
    else:
        console.print("\n  Make a token with: chartvault token\n")
    console.print("  The first administrator: chartvault users add you@example.org --role SUPER_ADMIN\n")
    if accounts:
        console.print(
            "  Demonstration accounts and their passwords, shown this once (staff set up an app at first login):\n"
        )
        for account in accounts:
            console.print(f"  {account.email:30} {account.password}")
    sys.stdout.flush()


def _may_show_secrets(settings: Settings) -> bool:
    """Whether who reads the output could read the keys too."""
    return settings.profile == "development" and settings.embedded


def _load_demo(settings: Settings, local: str, console: Console) -> list[DemoAccount]:
    """Store the synthetic patients and accounts, unless they are there already; the new accounts."""
    from api.demo.accounts import demo_accounts
    from api.demo.load import load_demo

    token = mint(settings, scopes="system/*.cruds", lifetime_seconds=3600, subject="demo", client="chartvault-demo")
    try:
        created = asyncio.run(load_demo(local, token))
        accounts = asyncio.run(demo_accounts(settings.data_dir)) if _may_show_secrets(settings) else []
    except (NotAllowed, ServerLost, Unavailable) as error:
        console.print(f"The demonstration data could not be loaded: {error}", style="yellow")
        return []
    console.print(
        f"{created:,} synthetic resources were loaded." if created else "The synthetic patients are there already."
    )
    return accounts


def local_base(settings: Settings) -> str:
    """The FHIR base as reachable from this machine, whatever clients call it."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104 - compared, not bound
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}/fhir"


def _ready(base: str) -> bool:
    until = time.monotonic() + _READY_SECONDS
    address = urlsplit(base)
    while time.monotonic() < until:
        connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=5)
        try:
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                return True
        except (OSError, http.client.HTTPException):
            pass
        finally:
            connection.close()
        time.sleep(0.05)
    return False

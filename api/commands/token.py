"""`chartvault token`: an access token for scripts and tries, printed alone so that `$(…)` can take it."""

from __future__ import annotations

from typing import Annotated

import typer

from api.commands.options import DataDir, duration_seconds


def token(
    scopes: Annotated[str, typer.Option(help="SMART scopes, separated by spaces.")] = "system/*.cruds",
    ttl: Annotated[str, typer.Option(help="How long it is good for: 90s, 15m, 12h, 7d.")] = "1h",
    subject: Annotated[str, typer.Option(help="Who the audit will name.")] = "cli",
    client: Annotated[str, typer.Option(help="The client the audit will name.")] = "chartvault-cli",
    data_dir: DataDir = None,
) -> None:
    """Print an access token for this installation."""
    from api.environment import load_settings
    from api.tokens import mint

    seconds = duration_seconds(ttl)
    require_known(scopes)
    if not (subject and client):
        raise typer.BadParameter("subject and client may not be empty: the audit names them")
    settings = load_settings(data_dir=data_dir)
    typer.echo(mint(settings, scopes=scopes, lifetime_seconds=seconds, subject=subject, client=client))


def require_known(scopes: str) -> None:
    """Raise `typer.BadParameter` for a scope that grants nothing: nobody wants a token that silently can do less."""
    from domain.access import parse_scopes

    useless = [scope for scope in scopes.split() if not parse_scopes(scope)]
    if useless or not scopes.split():
        what = " ".join(useless) or "an empty scope"
        raise typer.BadParameter(f"{what} grants nothing; write for example system/*.cruds or user/Patient.rs")

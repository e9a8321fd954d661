"""`chartvault clients`: apps and partner systems that may ask for tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
import uvloop

from api.commands.operating import operating, operator_entry
from api.commands.options import DataDir

Many = list[str] | None


def add(
    name: Annotated[str, typer.Argument(help="How people will know it.")],
    scope: Annotated[str, typer.Option(help="The most it may be granted, separated by spaces.")],
    grant: Annotated[
        Many, typer.Option(help="authorization_code (default), refresh_token, client_credentials; repeatable.")
    ] = None,
    proof: Annotated[
        str, typer.Option(help="private_key_jwt, client_secret_basic, client_secret_post, or none for public apps.")
    ] = "none",
    redirect_uri: Annotated[
        Many, typer.Option(help="Where people are sent back to, to the letter; repeatable.")
    ] = None,
    jwks: Annotated[Path | None, typer.Option(help="File with its public keys, a JWK set.")] = None,
    jwks_uri: Annotated[str | None, typer.Option(help="https address of its public keys.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Register a client and print what it needs to know. A secret is shown this once."""
    given: dict[str, Any] = {
        "client_name": name,
        "scope": scope,
        "grant_types": grant or ["authorization_code"],
        "token_endpoint_auth_method": proof,
        "redirect_uris": redirect_uri or [],
    }
    if jwks is not None:
        given["jwks"] = _key_set(jwks)
    if jwks_uri is not None:
        given["jwks_uri"] = jwks_uri
    shown = uvloop.run(_add(given, data_dir))
    typer.echo(msgspec.json.format(msgspec.json.encode(shown), indent=2).decode())


def list_(data_dir: DataDir = None) -> None:
    """Show every client, one line each: id, proof, grants, scopes, name."""
    for line in uvloop.run(_list(data_dir)):
        typer.echo(line)


def remove(
    client_id: Annotated[str, typer.Argument(help="The client_id.")],
    data_dir: DataDir = None,
) -> None:
    """Remove a client and log out everybody who uses it.

    Tokens of backend services that it has already are good for up to five minutes more.
    """
    if not uvloop.run(_remove(client_id, data_dir)):
        typer.echo(f"There is no client {client_id}.", err=True)
        raise typer.Exit(1)
    typer.echo(f"Removed {client_id}.")


def _key_set(path: Path) -> dict[str, Any]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except msgspec.MsgspecError:
        raise typer.BadParameter(f"{path} is not a JWK set") from None


async def _add(given: dict[str, Any], data_dir: DataDir) -> dict[str, Any]:
    from api.oauth.registration import Metadata, new_client, new_secret, shown

    try:
        metadata = msgspec.convert(given, Metadata)
    except msgspec.ValidationError as error:
        raise typer.BadParameter(str(error)) from None
    async with operating(data_dir) as parts:
        client = new_client(metadata, created=parts.parts.clock(), created_by="cli")
        await parts.trail.record(operator_entry(parts, "client-register"))
        secret = new_secret(client)
        await parts.clients.add(client, secret)
        return shown(client, secret)


async def _list(data_dir: DataDir) -> list[str]:
    async with operating(data_dir) as parts:
        clients = await parts.clients.all()
        return [f"{each.id}  {each.proof}  {','.join(each.grants)}  [{each.scope}]  {each.name}" for each in clients]


async def _remove(client_id: str, data_dir: DataDir) -> bool:
    async with operating(data_dir) as parts:
        await parts.trail.record(operator_entry(parts, "client-remove"))
        return await parts.clients.remove(client_id)

"""The command `chartvault`: which commands there are, and how failures end.

Exit codes: 0 done, 1 done with findings or failed, 2 wrong usage, 3 the environment does not allow it (settings,
database, port, keys). An expected failure is one sentence on standard error, never a stack trace.
"""

from __future__ import annotations

import sys
from typing import NoReturn

import typer

from api.commands.bench import bench
from api.commands.blobs import check, init, sweep
from api.commands.clients import add as add_client
from api.commands.clients import list_ as list_clients
from api.commands.clients import remove as remove_client
from api.commands.erase import erase
from api.commands.explain import explain
from api.commands.import_ import import_
from api.commands.keys import reseal, revoke, rotate
from api.commands.knowledge import export as export_tables
from api.commands.knowledge import import_ as import_tables
from api.commands.knowledge import list_ as list_tables
from api.commands.knowledge import retire as retire_tables
from api.commands.serve import serve
from api.commands.token import token
from api.commands.users import add as add_user
from api.commands.users import approve as approve_user
from api.commands.users import disable as disable_user
from api.commands.users import enable as enable_user
from api.commands.users import list_ as list_users
from api.commands.users import reset_mfa
from api.commands.verify import verify
from api.commands.version import version
from api.settings import UnusableSettings
from domain.errors import DomainError, Unavailable

FAILED, UNUSABLE, INTERRUPTED = 1, 3, 130

app = typer.Typer(
    name="chartvault",
    help="A FHIR R4 document store on MongoDB whose database holds only ciphertext, and still answers searches.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def _examples(*lines: str) -> str:
    return "[bold]Examples[/bold]\n\n" + "\n\n".join(lines)


app.command(
    epilog=_examples(
        "chartvault serve --demo",
        "chartvault serve --port 9000 --data-dir /srv/chartvault --workers 2",
        "CHARTVAULT_MONGODB_URI='mongodb://…/?replicaSet=rs0' chartvault serve",
    )
)(serve)
app.command(
    epilog=_examples(
        "chartvault token",
        "chartvault token --scopes 'user/Patient.rs user/Observation.rs' --ttl 15m --subject ana",
        'curl -H "Authorization: Bearer $(chartvault token)" http://127.0.0.1:8000/fhir/Patient',
    )
)(token)
app.command(epilog=_examples("chartvault verify", "chartvault verify --data-dir /srv/chartvault || page-somebody"))(
    verify
)
app.command(epilog=_examples("chartvault explain 'Observation?patient=1&code=8867-4&_sort=-date'"))(explain)
app.command(epilog=_examples("chartvault erase 01a1fa33-4fb8 --reason 'Request of 3 May, ticket 4711'"))(erase)
keys = typer.Typer(help="Replace keys.", no_args_is_help=True)
keys.command(epilog=_examples("chartvault keys rotate"))(rotate)
keys.command(epilog=_examples("chartvault keys reseal 01a1fa33-4fb8"))(reseal)
keys.command(epilog=_examples("chartvault keys revoke"))(revoke)
app.add_typer(keys, name="keys")
clients = typer.Typer(help="Register apps and partner systems.", no_args_is_help=True)
clients.command(
    "add",
    epilog=_examples(
        "chartvault clients add 'Lab' --grant client_credentials --proof private_key_jwt --jwks lab.json "
        "--scope 'system/Observation.cruds'",
        "chartvault clients add 'My Health' --redirect-uri https://app.example/back "
        "--grant authorization_code --grant refresh_token --scope 'openid fhirUser launch/patient patient/*.rs'",
    ),
)(add_client)
clients.command("list", epilog=_examples("chartvault clients list"))(list_clients)
clients.command("remove", epilog=_examples("chartvault clients remove 5NbkXq"))(remove_client)
app.add_typer(clients, name="clients")
users = typer.Typer(help="People who log in.", no_args_is_help=True)
users.command(
    "add",
    epilog=_examples(
        "chartvault users add ana@clinic.example --role SUPER_ADMIN --first-name Ana --last-name Lindqvist",
        "chartvault users add bo@clinic.example --role DOCTOR --profile Practitioner/1 --organization Organization/1",
    ),
)(add_user)
users.command("list", epilog=_examples("chartvault users list --status PENDING_APPROVAL"))(list_users)
users.command("approve", epilog=_examples("chartvault users approve bo@clinic.example"))(approve_user)
users.command("disable", epilog=_examples("chartvault users disable bo@clinic.example"))(disable_user)
users.command("enable", epilog=_examples("chartvault users enable bo@clinic.example"))(enable_user)
users.command("reset-mfa", epilog=_examples("chartvault users reset-mfa bo@clinic.example"))(reset_mfa)
app.add_typer(users, name="users")
knowledge = typer.Typer(help="Tables of the interaction check.", no_args_is_help=True)
knowledge.command("import", epilog=_examples("chartvault knowledge import clinic tables/"))(import_tables)
knowledge.command("export", epilog=_examples("chartvault knowledge export onc tables/"))(export_tables)
knowledge.command("retire", epilog=_examples("chartvault knowledge retire clinic"))(retire_tables)
knowledge.command("list", epilog=_examples("chartvault knowledge list"))(list_tables)
app.add_typer(knowledge, name="knowledge")
blobs = typer.Typer(help="Look after documents.", no_args_is_help=True)
blobs.command(epilog=_examples("chartvault blobs sweep", "chartvault blobs sweep --older-than 1h"))(sweep)
blobs.command(epilog=_examples("chartvault blobs check || page-somebody"))(check)
app.add_typer(blobs, name="blobs")
bucket = typer.Typer(help="Make a bucket ready for documents.", no_args_is_help=True)
bucket.command(
    epilog=_examples(
        "chartvault bucket init", "chartvault bucket init --versioning", "chartvault bucket init --lock-days 30"
    )
)(init)
bucket.callback()(lambda: None)
app.add_typer(bucket, name="bucket")
app.command(
    "import",
    epilog=_examples(
        "chartvault import hospitals.json practitioners.json patients/",
        "chartvault import synthea.tar.zst --jobs 8",
        "chartvault import export.ndjson.gz --base https://fhir.example/fhir --token $TOKEN",
    ),
)(import_)
app.command(
    epilog=_examples(
        "chartvault bench",
        "chartvault bench --cells create,read --connections 16 --json result.json",
        "chartvault bench --base http://127.0.0.1:8000/fhir --token $TOKEN --peer http://127.0.0.1:8103/fhir/R4",
    )
)(bench)
app.command(epilog=_examples("chartvault version"))(version)


def main() -> NoReturn:
    """Run one command and exit with its code."""
    try:
        app()
    except (UnusableSettings, Unavailable) as error:
        _say(error)
        sys.exit(UNUSABLE)
    except OSError as error:  # a folder that cannot be written, a full disk
        _say(f"{error.strerror}: {error.filename}" if error.filename else str(error))
        sys.exit(UNUSABLE)
    except DomainError as error:
        _say(error)
        sys.exit(FAILED)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    sys.exit(0)


def _say(error: Exception | str) -> None:
    typer.echo(f"chartvault: {error}", err=True)


if __name__ == "__main__":
    main()

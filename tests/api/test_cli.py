"""The commands' surface: help, exit codes, messages. `api/cli.py`, `api/commands/{token,version}.py`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer.testing

from api.auth import Authenticator
from api.cli import app, clients, keys
from api.commands.options import duration_seconds
from api.environment import load_settings
from api.trusted_keys import TrustedKeys

PROJECT = Path(__file__).resolve().parents[2]
COMMANDS = [
    f"{prefix}{command.name or getattr(command.callback, '__name__', '')}"
    for prefix, group in (("", app), ("keys ", keys), ("clients ", clients))
    for command in group.registered_commands
]


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "api.cli", *arguments]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("CHARTVAULT_")}
    return subprocess.run(
        command, cwd=PROJECT, env=inherited | environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_examples(command: str) -> None:
    result = typer.testing.CliRunner().invoke(app, [*command.split(), "--help"], env={"COLUMNS": "200"})
    assert result.exit_code == 0
    assert f"chartvault {command}" in result.output.partition("Examples")[2]


async def no_session(*_: object) -> None:
    return None


async def test_a_token_is_printed_alone_and_opens_the_door(tmp_path: Path) -> None:
    result = run("token", "--scopes", "system/Patient.rs", "--ttl", "90s", "--data-dir", str(tmp_path))
    assert (result.returncode, result.stderr) == (0, "")
    token = result.stdout.removesuffix("\n")
    checker = Authenticator(TrustedKeys(load_settings({}, data_dir=tmp_path), None).find, no_session)
    caller = await checker.authenticate(f"Bearer {token}", None)
    assert (caller.subject, caller.client, dict(caller.rights)) == ("cli", "chartvault-cli", {"Patient": {"r", "s"}})


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["token", "--scopes", "system/*.sr"], "system/*.sr grants nothing"),
        (["token", "--scopes", ""], "grants nothing"),
        (["token", "--ttl", "1 week"], "a time such as 90s"),
        (["token", "--ttl", "0s"], "a time such as 90s"),
        (["token", "--subject", ""], "may not be empty"),
        (["serve", "--port", "70000"], "--port"),
        (["sevre"], "No such command"),
    ],
)
def test_wrong_usage_ends_with_2(arguments: list[str], said: str) -> None:
    result = run(*arguments, COLUMNS="200")
    assert result.returncode == 2
    assert said in result.stderr
    assert "Traceback" not in result.stderr


def test_unusable_settings_end_with_3_and_one_sentence() -> None:
    result = run("token", CHARTVAULT_PROT="9")
    assert result.returncode == 3
    assert result.stderr == "chartvault: CHARTVAULT_PROT is not a setting; did you mean CHARTVAULT_PORT?\n"


@pytest.mark.parametrize("command", ["token", "serve", "verify"])
def test_a_data_folder_that_cannot_be_made_ends_with_3_and_its_name(tmp_path: Path, command: str) -> None:
    (tmp_path / "file").touch()
    result = run(command, "--data-dir", str(tmp_path / "file" / "data"))
    assert result.returncode == 3
    assert str(tmp_path / "file") in result.stderr
    assert result.stderr.startswith("chartvault: ")
    assert result.stderr.count("\n") == 1


def test_versions_are_named() -> None:
    result = run("version")
    assert result.returncode == 0
    assert result.stdout.startswith("chartvault ")
    assert "FHIR 4.0.1" in result.stdout


def test_durations_count_in_seconds() -> None:
    assert [duration_seconds(text) for text in ("90s", "15m", "12h", "7d")] == [90, 900, 43200, 604800]
    for bad in ("", "h", "-1h", "1.5h", "366d", "99999999999s"):
        with pytest.raises(typer.BadParameter):
            duration_seconds(bad)

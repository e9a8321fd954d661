"""The container files say what they must; containers cannot be run everywhere."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from api.environment import variable_of
from api.settings import Settings

PROJECT = Path(__file__).resolve().parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((PROJECT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (PROJECT / "deploy" / "Dockerfile").read_text()


def test_the_services_are_the_database_the_bucket_and_the_server() -> None:
    assert set(SERVICES) == {"mongodb", "s3", "api"}
    assert re.fullmatch(r"mongo:8\.\d+(\.\d+)?", SERVICES["mongodb"]["image"])
    assert SERVICES["s3"]["image"] == "chrislusf/seaweedfs:4.47"
    assert SERVICES["api"]["build"]["dockerfile"] == "deploy/Dockerfile"


def test_the_database_is_an_authenticated_replica_set() -> None:
    command = " ".join(SERVICES["mongodb"]["command"])
    assert "--replSet" in command
    assert "--keyFile" in command


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_watched_and_comes_back(name: str) -> None:
    watched = SERVICES[name]["healthcheck"]["test"] if name != "api" else re.search("^HEALTHCHECK", DOCKERFILE, re.M)
    assert watched
    assert SERVICES[name]["restart"] == "unless-stopped"


def test_the_server_waits_for_its_database_and_its_bucket() -> None:
    healthy = {"condition": "service_healthy"}
    assert SERVICES["api"]["depends_on"] == {"mongodb": healthy, "s3": healthy}


def test_the_server_knows_the_address_of_its_database() -> None:
    uri = SERVICES["api"]["environment"]["CHARTVAULT_MONGODB_URI"]
    assert re.fullmatch(r"mongodb://chartvault:\$\{.*\}@mongodb:27017/\?authSource=admin&replicaSet=chartvault", uri)


def test_the_server_knows_its_bucket_which_the_store_makes() -> None:
    environment = SERVICES["api"]["environment"]
    assert environment["CHARTVAULT_BLOB_URL"] == f"s3://{SERVICES['s3']['environment']['S3_BUCKET']}"
    assert environment["CHARTVAULT_BLOB_ENDPOINT"] == "http://s3:8333"
    assert environment["CHARTVAULT_BLOB_ACCESS_KEY"] == SERVICES["s3"]["environment"]["AWS_ACCESS_KEY_ID"]
    assert environment["CHARTVAULT_BLOB_SECRET_KEY"] == SERVICES["s3"]["environment"]["AWS_SECRET_ACCESS_KEY"]


def test_no_secret_has_a_default() -> None:
    """Each `${NAME…}` of a secret is `${NAME:?…}`: Compose stops when it is not set."""
    text = (PROJECT / "docker-compose.yml").read_text()
    found = re.findall(r"(?<!\$)\$\{([A-Z_0-9]+)([^}]*)\}", text)
    secret = [(name, rest) for name, rest in found if re.search("PASSWORD|SECRET|KEY|CREDENTIALS", name)]
    assert secret
    assert [name for name, rest in secret if not rest.startswith(":?")] == []


def test_only_the_server_is_reachable_and_only_from_this_machine() -> None:
    assert [name for name, row in SERVICES.items() if "ports" in row] == ["api"]
    assert all(str(port).startswith("127.0.0.1:") for port in SERVICES["api"]["ports"])


def test_the_server_is_configured_by_settings_that_exist() -> None:
    known = {variable_of(name) for name in Settings.__struct_fields__}
    assert set(SERVICES["api"]["environment"]) <= known
    assert set(re.findall(r"CHARTVAULT_[A-Z_]+", DOCKERFILE)) <= known


def test_every_volume_is_declared() -> None:
    used = {str(volume).partition(":")[0] for row in SERVICES.values() for volume in row.get("volumes", [])}
    assert {name for name in used if not name.startswith((".", "/"))} == set(COMPOSE["volumes"])


def test_the_image_is_pinned_and_runs_without_privileges() -> None:
    assert "FROM python:3.11-slim" in DOCKERFILE
    assert "-c constraints.txt" in DOCKERFILE
    assert re.search(r"^USER (?!root)", DOCKERFILE, re.MULTILINE)

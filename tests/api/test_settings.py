"""Configuration: `api/settings.py`."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.environment import environment_of, load_settings
from api.settings import Settings, UnusableSettings
from api.settings_reference import reference

FIT_FOR_PRODUCTION = {
    "CHARTVAULT_PROFILE": "production",
    "CHARTVAULT_KMS_PROVIDER": "aws",
    "CHARTVAULT_KMS_OPTIONS": '{"key": "arn:aws:kms:eu-west-1:1:key/1", "region": "eu-west-1"}',
    "CHARTVAULT_MONGODB_URI": "mongodb+srv://u:p@cluster.example/",
    "CHARTVAULT_BASE_URL": "https://records.example/fhir/",
}


def test_values_are_converted_and_what_is_given_wins() -> None:
    settings = load_settings({"CHARTVAULT_PORT": "9001", "CHARTVAULT_DATA_DIR": "/there", "HOME": "/"}, workers=3)
    assert (settings.port, settings.data_dir, settings.workers) == (9001, Path("/there"), 3)
    assert load_settings({"CHARTVAULT_PORT": "9001"}, port=9002, host=None).port == 9002


def test_an_empty_variable_means_the_default() -> None:
    assert load_settings({"CHARTVAULT_MONGODB_URI": ""}).embedded


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"CHARTVAULT_PROT": "80"}, r"CHARTVAULT_PROT is not a setting; did you mean CHARTVAULT_PORT\?"),
        ({"CHARTVAULT_XYZZY": "80"}, r"CHARTVAULT_XYZZY is not a setting$"),
        ({"CHARTVAULT_PORT": "http"}, "CHARTVAULT_PORT: Expected `int`"),
        ({"CHARTVAULT_PORT": "0"}, "CHARTVAULT_PORT: Expected `int` >= 1"),
        ({"CHARTVAULT_PROFILE": "prod"}, "CHARTVAULT_PROFILE: Invalid enum value"),
        ({"CHARTVAULT_DATABASE": "a.b"}, "CHARTVAULT_DATABASE"),
        ({"CHARTVAULT_KMS_OPTIONS": "region=eu"}, "CHARTVAULT_KMS_OPTIONS is not a JSON object"),
        ({"CHARTVAULT_BASE_URL": "records.example"}, "CHARTVAULT_BASE_URL"),
        ({"CHARTVAULT_PAGE_SIZE": "2000"}, "larger than CHARTVAULT_MAX_PAGE_SIZE"),
        ({"CHARTVAULT_KEYS_DATABASE": "chartvault"}, "CHARTVAULT_KEYS_DATABASE must differ"),
    ],
)
def test_a_wrong_variable_is_named(environment: dict[str, str], said: str) -> None:
    with pytest.raises(UnusableSettings, match=said):
        load_settings(environment)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("CHARTVAULT_KMS_PROVIDER", "local"),
        ("CHARTVAULT_MONGODB_URI", ""),
        ("CHARTVAULT_MONGODB_URI", "mongodb://u:p@db.example/?replicaSet=rs0"),
        ("CHARTVAULT_MONGODB_URI", "mongodb+srv://u:p@db.example/?tls=false"),
        ("CHARTVAULT_BASE_URL", ""),
        ("CHARTVAULT_BASE_URL", "http://records.example/fhir"),
    ],
)
def test_production_refuses_what_is_only_fit_for_development(variable: str, value: str) -> None:
    assert load_settings(FIT_FOR_PRODUCTION).fhir_base == "https://records.example/fhir"
    with pytest.raises(UnusableSettings, match=f"production refuses this: {variable}"):
        load_settings({**FIT_FOR_PRODUCTION, variable: value})


def test_another_process_gets_the_same_settings_by_its_environment() -> None:
    settings = load_settings({**FIT_FOR_PRODUCTION, "CHARTVAULT_KEY_CACHE_SECONDS": "2.5"})
    assert load_settings(environment_of(settings)) == settings
    assert load_settings({"CHARTVAULT_PORT": "1", **environment_of(Settings())}) == Settings()


def test_a_printed_configuration_shows_no_secret() -> None:
    settings = load_settings({**FIT_FOR_PRODUCTION, "CHARTVAULT_KMS_CREDENTIALS": '{"secretAccessKey": "canary"}'})
    assert "canary" not in repr(settings)
    assert "u:p" not in f"{settings!r} {settings}"


@pytest.mark.parametrize("secret", ["CHARTVAULT_MONGODB_URI", "CHARTVAULT_KMS_CREDENTIALS", "CHARTVAULT_KMS_OPTIONS"])
def test_a_refusal_never_quotes_the_value(secret: str) -> None:
    with pytest.raises(UnusableSettings) as refused:
        load_settings({"CHARTVAULT_PROFILE": "production", secret: "mongodb://u:canary@x/"})
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize(
    ("host", "base"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000/fhir"),
        ("0.0.0.0", "http://localhost:8000/fhir"),
        ("::1", "http://[::1]:8000/fhir"),
    ],
)
def test_links_start_with_the_configured_address(host: str, base: str) -> None:
    assert load_settings({}, host=host).fhir_base == base


def test_every_setting_says_what_it_means() -> None:
    assert [row.variable for row in reference() if not row.meaning.endswith(".")] == []

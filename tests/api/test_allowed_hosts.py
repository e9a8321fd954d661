"""Where calls to addresses that others gave go: never to an address inside, whatever a name resolves to or turns into."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from api.allowed_hosts import AddressRefused, AllowedHosts, UnknownHost


def hosts(setting: str | None, *addresses: str) -> AllowedHosts:
    async def resolve(_host: str, _port: int) -> Sequence[str]:
        if not addresses:
            raise OSError
        return addresses

    return AllowedHosts(setting, resolve)


@pytest.mark.parametrize(
    "inside",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "::1",
        "fe80::1",
        "fc00::1",
        "::ffff:10.0.0.1",
        "64:ff9b::a00:1",
        "224.0.0.1",
    ],
)
async def test_a_name_with_any_address_inside_is_refused(inside: str) -> None:
    with pytest.raises(AddressRefused):
        await hosts(None, inside).address_of("hooks.example.org", 443)
    with pytest.raises(AddressRefused):
        await hosts(None, "93.184.216.34", inside).address_of("hooks.example.org", 443)


async def test_what_is_connected_to_is_what_was_looked_at() -> None:
    assert await hosts(None, "93.184.216.34").address_of("hooks.example.org", 443) == "93.184.216.34"
    assert await hosts("hooks.internal", "10.1.2.3").address_of("hooks.internal", 8443) == "10.1.2.3"
    with pytest.raises(AddressRefused):
        await hosts("hooks.internal", "93.184.216.34").address_of("hooks.example.org", 443)
    with pytest.raises(UnknownHost):
        await hosts(None).address_of("hooks.example.org", 443)


@pytest.mark.parametrize(
    ("setting", "url", "allowed"),
    [
        (None, "https://hooks.example.org/a?b=c", True),
        (None, "http://hooks.example.org/", False),
        (None, "https://10.1.2.3/", False),
        (None, "https://localhost/", False),
        (None, "https://user@hooks.example.org/", False),
        (None, "https://hooks.example.org/#x", False),
        (None, "https://hooks.example.org/\r\nX: y", False),
        ("hooks.internal:8080", "http://hooks.internal:8080/", True),
        ("hooks.internal:8080", "http://hooks.internal:9090/", False),
        ("hooks.internal", "https://hooks.example.org/", False),
        ("hooks.internal", "http://hooks.internal:99999/", False),
    ],
)
def test_an_address_is_looked_at_before_it_is_kept(setting: str | None, url: str, allowed: bool) -> None:
    assert (AllowedHosts(setting).objection_to(url) is None) is allowed

"""Whose word counts about where a request comes from."""

from __future__ import annotations

import pytest

from api.forwarding import Forwarding, networks_of

TRUSTED = Forwarding(networks_of("10.0.0.0/8, 2001:db8::/32"))
PROXY = "10.0.0.1"


@pytest.mark.parametrize(
    ("peer", "headers", "client"),
    [
        ("203.0.113.9", [(b"x-forwarded-for", b"198.51.100.1")], "203.0.113.9"),
        (PROXY, [], PROXY),
        (PROXY, [(b"x-forwarded-for", b"198.51.100.1")], "198.51.100.1"),
        (PROXY, [(b"x-forwarded-for", b"6.6.6.6, 198.51.100.1, 10.9.9.9")], "198.51.100.1"),
        (PROXY, [(b"x-forwarded-for", b"6.6.6.6"), (b"x-forwarded-for", b"198.51.100.1")], "198.51.100.1"),
        (PROXY, [(b"x-forwarded-for", b"10.1.1.1, 10.2.2.2")], "10.1.1.1"),
        (PROXY, [(b"x-forwarded-for", b"198.51.100.1:4711")], "198.51.100.1"),
        (PROXY, [(b"x-forwarded-for", b"6.6.6.6, garbage, 10.9.9.9")], "10.9.9.9"),
        (PROXY, [(b"x-forwarded-for", b"<script>")], PROXY),
        (PROXY, [(b"forwarded", b"for=198.51.100.1;proto=https;by=10.0.0.1")], "198.51.100.1"),
        (PROXY, [(b"forwarded", b'for="[2001:4860::1]:80", for=10.5.5.5')], "2001:4860::1"),
        (PROXY, [(b"forwarded", b"for=_hidden, for=10.5.5.5")], "10.5.5.5"),
        (PROXY, [(b"forwarded", b"for=198.51.100.1"), (b"x-forwarded-for", b"6.6.6.6")], "198.51.100.1"),
        ("::ffff:10.0.0.1", [(b"x-forwarded-for", b"198.51.100.1")], "198.51.100.1"),
        ("2001:db8::5", [(b"x-forwarded-for", b"198.51.100.1")], "198.51.100.1"),
        (None, [(b"x-forwarded-for", b"198.51.100.1")], None),
    ],
)
def test_the_address_is_the_last_one_a_trusted_proxy_saw(
    peer: str | None, headers: list[tuple[bytes, bytes]], client: str | None
) -> None:
    assert TRUSTED.client_of(peer, headers) == client


def test_nobody_is_trusted_unless_configured() -> None:
    assert Forwarding(()).client_of(PROXY, [(b"x-forwarded-for", b"198.51.100.1")]) == PROXY


def test_endless_headers_cost_no_more_than_a_few_hops() -> None:
    header = (b"x-forwarded-for", b", ".join([b"6.6.6.6"] + [b"10.0.0.1"] * 5000))
    assert TRUSTED.client_of(PROXY, [header]) == "10.0.0.1"


def test_what_is_no_network_is_refused() -> None:
    with pytest.raises(ValueError):
        networks_of("10.0.0.0/8, proxy.example.org")

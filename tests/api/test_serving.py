"""Listening: `api/serving.py`. The life of server and workers is shown in `tests/api/commands/test_serve.py`."""

from __future__ import annotations

import socket

import pytest

from api.serving import require_free
from domain.errors import Unavailable


@pytest.mark.parametrize("shared", [False, True])
def test_a_port_in_use_is_refused_even_when_its_owner_would_share_it(shared: bool) -> None:
    with socket.socket() as other:
        if shared:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(Unavailable, match=f"Port {port} on 127.0.0.1 is in use"):
            require_free("127.0.0.1", port)
    require_free("127.0.0.1", port)


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(Unavailable, match=r"Cannot listen on 192\.0\.2\.1:80"):
        require_free("192.0.2.1", 80)

"""Loading the demonstration data into a running server, once.

The last patient is the sign that everything is there: a start that was interrupted is completed by the next one, and what
somebody changed or deleted in a complete demonstration is left alone.
"""

from __future__ import annotations

from api.demo.bundles import demo_bundles
from api.http_client import Client
from api.loading.delivery import deliver
from api.loading.parcels import whole
from domain.errors import Unavailable
from domain.revision import encode


async def load_demo(base: str, token: str, *, patients: int = 20, seed: int = 1) -> int:
    """Store the practice and its patients; returns how many resources were created, 0 when they were there already.

    Raises `Unavailable` when the server refuses any of it.
    """
    bundles = list(demo_bundles(patients, seed))
    last = bundles[-1]["entry"][0]["request"]["url"]
    async with Client(base, headers={"Authorization": f"Bearer {token}"}, connections=1, seconds=120.0) as client:
        if (await client.request("GET", f"/{last}")).status in (200, 410):
            return 0
        created = 0
        for bundle in bundles:
            delivery = await deliver(client, whole(encode(bundle), range(len(bundle["entry"]))))
            if delivery.failures:
                raise Unavailable(f"The demonstration data was refused: {delivery.failures[0].diagnostics}")
            created += delivery.created
        return created

"""The ids this server gives."""

from __future__ import annotations

import os
import time


def new_id() -> str:
    """A UUID of version 7 (RFC 9562 section 5.7): 48 bits of time, the rest random.

    Ids that grow with time are appended at one end of every index instead of all over it.
    """
    stamp = time.time_ns() // 1_000_000
    value = int.from_bytes(os.urandom(10)) | stamp << 80
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

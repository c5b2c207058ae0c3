"""This machine: its clock, and a name for it since its last start."""

from __future__ import annotations

import platform
import time
from pathlib import Path
from typing import Final

MAX_HOST_NAME: Final = 63


def now_ms() -> int:
    """Wall-clock time in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def host_name() -> str:
    """What this machine is called in its network: a name for the device that runs here."""
    return platform.node().partition(".")[0][:MAX_HOST_NAME]


def machine_name() -> bytes:
    """Names this machine since its last start, or empty bytes where the system has no such name."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_bytes().strip()
    except OSError:
        return b""

"""Ports for what is started there again: connections out take theirs from another range, so that nobody
has one by chance meanwhile."""

from __future__ import annotations

import random
import socket

_RANGE = range(10_000, 32_000)
"""Below what Linux, as others, gives to who asks for no port of its own."""


def lasting_port() -> int:
    """A port that nobody has now, neither for TCP nor for UDP."""
    while True:
        port = random.SystemRandom().choice(_RANGE)
        try:
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                with socket.socket(type=kind) as tried:
                    tried.bind(("127.0.0.1", port))
        except OSError:
            continue
        return port

"""Two machines, each behind a NAT of its own, and a third one on the Internet between them.

    ana 192.168.1.2 ── 192.168.1.1 ana-nat 198.51.100.2 ──┐
                                                          world 192.0.2.1
    ben 192.168.1.2 ── 192.168.1.1 ben-nat 203.0.113.2 ───┘

Each is a network namespace of this system, and the NAT is Linux's own (``masquerade``).
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest

NODE: Final = "192.0.2.1"

_MACHINES: Final = """
    set -e
    mount -t tmpfs tmpfs /run
    echo 1 >/proc/sys/net/ipv4/ip_forward
    ip link set lo up
    ip address add 192.0.2.1/32 dev lo
    behind() {
        ip netns add $1
        ip netns add $1-nat
        ip link add $1 type veth peer name wan netns $1-nat
        ip address add $2.1/24 dev $1
        ip link set $1 up
        nsenter --net=/run/netns/$1-nat sh -ec "
            ip link add lan type veth peer name eth netns $1
            ip address add $2.2/24 dev wan
            ip address add 192.168.1.1/24 dev lan
            ip link set wan up
            ip link set lan up
            ip route add default via $2.1
            echo 1 >/proc/sys/net/ipv4/ip_forward"
        nsenter --net=/run/netns/$1 sh -ec "
            ip link set lo up
            ip address add 192.168.1.2/24 dev eth
            ip link set eth up
            ip route add default via 192.168.1.1"
    }
    behind ana 198.51.100
    behind ben 203.0.113
    echo ready
    cat >/dev/null
"""


class Machines:
    """Those of the module's text, while a process holds them."""

    def __init__(self, holder: int) -> None:
        self._holder = str(holder)

    def on(self, name: str) -> list[str]:
        """What to put before a command that runs on one of them."""
        enter = ["nsenter", "--target", self._holder, "--user", "--preserve-credentials", "--mount", "--net"]
        return enter if name == "world" else [*enter, "nsenter", f"--net=/run/netns/{name}"]

    async def nat(self, name: str, kind: str) -> None:
        """Makes what stands before a machine a NAT, and forgets what it did before."""
        masquerade = str(Path(__file__).with_name("masquerade.py"))
        command = [*self.on(f"{name}-nat"), sys.executable, masquerade, kind]
        made = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
        _, words = await made.communicate()
        if made.returncode != 0:
            pytest.skip(f"this system makes no NATs: {words.decode().strip().splitlines()[-1]}")


@asynccontextmanager
async def machines() -> AsyncIterator[Machines]:
    """The machines; skips the test where the system does not make them."""
    try:
        holder = await asyncio.create_subprocess_exec(
            *("unshare", "--user", "--map-root-user", "--net", "--mount", "sh", "-c", _MACHINES),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except FileNotFoundError:
        pytest.skip("this system has no unshare")
    assert holder.stdout is not None
    if await holder.stdout.readline() != b"ready\n":
        _, words = await holder.communicate(b"")
        pytest.skip(f"not permitted or not there: {words.decode().strip()}")
    try:
        yield Machines(holder.pid)
    finally:
        await holder.communicate(b"")

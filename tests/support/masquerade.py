"""Makes a network namespace a NAT by messages to nf_tables: the program ``nft`` is not on every machine.

As a program, that of the namespace it runs in::

    python tests/support/masquerade.py cone|symmetric
"""

from __future__ import annotations

import os
import socket
import struct
import sys
from collections.abc import Iterator

_BATCH_BEGIN, _BATCH_END = 16, 17
_NEW_TABLE, _DELETE_TABLE, _NEW_CHAIN, _NEW_RULE = 0xA00, 0xA02, 0xA03, 0xA06
_NETFILTER, _REQUEST, _ACKNOWLEDGE, _CREATE = 12, 1, 4, 0x400
_IPV4, _SUBSYSTEM, _TABLE = 2, 10, b"t\0"
_LOCAL_IN, _POST_ROUTING, _DROP, _ACCEPT, _RANDOM = 1, 4, 0, 1, 0x10


def _attribute(kind: int, value: bytes | int) -> bytes:
    raw = value if isinstance(value, bytes) else value.to_bytes(4, "big")
    return struct.pack("=HH", len(raw) + 4, kind) + raw + bytes(-len(raw) % 4)


def _message(kind: int, content: bytes, flags: int = 0, resource: int = 0, family: int = _IPV4) -> bytes:
    body = struct.pack(">BBH", family, 0, resource) + content
    return struct.pack("=IHHII", len(body) + 16, kind, flags | _REQUEST, 0, 0) + body


def _chain(name: bytes, type_: bytes, hook: int, priority: int, policy: int) -> bytes:
    where = _attribute(1, hook) + _attribute(2, priority)
    fields = _attribute(1, _TABLE) + _attribute(3, name) + _attribute(4, where) + _attribute(5, policy)
    return _message(_NEW_CHAIN, fields + _attribute(7, type_), _CREATE | _ACKNOWLEDGE)


def _rules(kind: str) -> Iterator[bytes]:
    """``masquerade`` for all that goes through; with ``random`` each destination sees another port.

    What comes unasked is dropped before it is tracked: else it would hold the port that its answer needs.
    """
    table = _attribute(1, _TABLE)
    yield _message(_NEW_TABLE, table, _CREATE | _ACKNOWLEDGE)
    yield _message(_DELETE_TABLE, table, _ACKNOWLEDGE)
    yield _message(_NEW_TABLE, table, _CREATE | _ACKNOWLEDGE)
    yield _chain(b"out\0", b"nat\0", _POST_ROUTING, 100, _ACCEPT)
    yield _chain(b"in\0", b"filter\0", _LOCAL_IN, 0, _DROP)
    flags = _attribute(1, _RANDOM if kind == "symmetric" else 0)
    masquerade = _attribute(1, _attribute(1, b"masq\0") + _attribute(2, flags))
    fields = table + _attribute(2, b"out\0") + _attribute(4, masquerade)
    yield _message(_NEW_RULE, fields, _CREATE | _ACKNOWLEDGE)


def make_nat(kind: str) -> None:
    """Raises OSError where the system refuses."""
    rules = list(_rules(kind))
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETFILTER) as link:
        begin = _message(_BATCH_BEGIN, b"", resource=_SUBSYSTEM, family=0)
        link.send(begin + b"".join(rules) + _message(_BATCH_END, b"", resource=_SUBSYSTEM, family=0))
        for _ in rules:
            number = -struct.unpack_from("=i", link.recv(65536), 16)[0]
            if number:
                raise OSError(number, os.strerror(number))


if __name__ == "__main__":
    make_nat(sys.argv[1])

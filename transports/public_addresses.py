"""Which IP addresses belong to the public network: those a relay may reach for a stranger."""

from __future__ import annotations

import ipaddress
from typing import Final

_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
_NOBODYS: Final = (
    ipaddress.IPv4Network("192.88.99.0/24"),  # 6to4 relays, RFC 7526
    ipaddress.IPv6Network("2002::/16"),  # 6to4: stands for an IPv4 address that may be private
    ipaddress.IPv6Network("2001::/32"),  # Teredo: the same
)


def is_public(text: str) -> bool:
    """Whether ``text`` is an address that anybody on the Internet could reach as well.

    An IPv6 address that only stands for an IPv4 one (mapped, NAT64) is judged by that one.
    """
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            return False
        if address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        elif address in _NAT64:
            address = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if any(address in network for network in _NOBODYS):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved)

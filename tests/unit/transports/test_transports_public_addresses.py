"""Which addresses a relay reaches for a stranger."""

from __future__ import annotations

import pytest

from transports.public_addresses import is_public


@pytest.mark.parametrize(
    "text", ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"]
)
def test_what_anybody_can_reach(text: str) -> None:
    """Addresses of the public network, also where IPv6 stands for them."""
    assert is_public(text)


@pytest.mark.parametrize(
    "text",
    [
        *("127.0.0.1", "127.8.8.8", "::1", "0.0.0.0", "::"),
        *("10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "fc00::1", "fd12::1"),
        *("169.254.169.254", "fe80::1", "fe80::1%eth0", "2606:4700::1111%eth0"),
        *("224.0.0.1", "239.1.1.1", "ff0e::1", "255.255.255.255", "240.0.0.1"),
        *("192.0.2.1", "198.51.100.7", "203.0.113.9", "2001:db8::1", "198.18.0.1"),
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a00:1"),
        *("2002:7f00:1::", "2002:a00:1::1", "2001:0:1::1", "192.88.99.1"),
        *("localhost", "", "1.1.1", "01.1.1.1", "1.1.1.1.", "1.1.1.1:80"),
    ],
)
def test_what_is_nobodys_business(text: str) -> None:
    """Private, local, multicast, reserved, what only stands for such a one, and what is no address."""
    assert not is_public(text)

"""Addresses of nodes as text: ``pgc://<multibase base58btc of the pin>@host:port``."""

from __future__ import annotations

import ipaddress
import re
from typing import Final

from ..errors import RemoteProtocolError, UsageError
from ..ports.transport import Address
from .bases import from_multibase_untrusted, to_multibase

SCHEME: Final = "pgc://"
PIN_LENGTH: Final = 32

_MAX_TEXT: Final = 400
"""A pin has about 45 characters and a DNS name at most 253."""

_LABEL: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)


def format_address(address: Address) -> str:
    """``address`` as text; IPv6 addresses get brackets."""
    host = f"[{address.host}]" if ":" in address.host else address.host
    return f"{SCHEME}{to_multibase(address.pin)}@{host}:{address.port}"


def parse_address(text: str) -> Address:
    """The address that ``text`` names.

    Args:
        text: as a user typed or pasted it; spaces around it are ignored.

    Raises:
        UsageError: it is not an address; the message says which part is wrong.
    """
    text = text.strip()
    if not text.startswith(SCHEME):
        raise _bad("it has to start with 'pgc://'")
    if len(text) > _MAX_TEXT:
        raise _bad("it is too long")
    pin_text, at, place = text.removeprefix(SCHEME).removesuffix("/").partition("@")
    if not at:
        raise _bad("the '@' between the key and the host is missing")
    host_text, colon, port_text = place.rpartition(":")
    if not colon:
        raise _bad("the port is missing after the host")
    return Address(pin=_pin(pin_text), host=_host(host_text), port=_port(port_text))


def _pin(text: str) -> bytes:
    try:
        pin = from_multibase_untrusted(text)
    except RemoteProtocolError as error:
        raise _bad("the key before the '@' is not readable; copy it again") from error
    if len(pin) != PIN_LENGTH:
        raise _bad("the key before the '@' is incomplete; copy it again")
    return pin


def _host(text: str) -> str:
    if text.startswith("[") and text.endswith("]"):
        try:
            return str(ipaddress.IPv6Address(text[1:-1]))
        except ValueError as error:
            raise _bad(f"{text} is not an IPv6 address") from error
    try:
        return str(ipaddress.IPv4Address(text))
    except ValueError:
        pass
    if ":" in text:
        raise _bad("an IPv6 address needs brackets: [2001:db8::1]:8443")
    name = text.lower().removesuffix(".")
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in name.split(".")):
        raise _bad(f"{text!r} is not a host name")
    return name


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 5 and 0 < int(text) < 65536):
        raise _bad("the port has to be a number from 1 to 65535")
    return int(text)


def _bad(reason: str) -> UsageError:
    return UsageError(
        f"This is not the address of a node: {reason}.",
        hint="An address looks like pgc://zKEY@host:port; 'pgc node serve' prints it.",
    )

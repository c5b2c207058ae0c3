"""Checks of decoded values, so that parsers read as the shape they expect."""

from __future__ import annotations

from typing import Any

from ..errors import RemoteProtocolError


def array(value: Any, length: int, what: str) -> list[Any]:
    """``value`` as a list of exactly ``length`` items."""
    if type(value) is not list or len(value) != length:
        raise RemoteProtocolError(f"{what}: expected an array of {length}")
    return value


def many(value: Any, most: int, what: str) -> list[Any]:
    """``value`` as a list of at most ``most`` items."""
    if type(value) is not list or len(value) > most:
        raise RemoteProtocolError(f"{what}: expected an array of at most {most}")
    return value


def blob(value: Any, length: int, what: str) -> bytes:
    """``value`` as exactly ``length`` bytes."""
    if type(value) is not bytes or len(value) != length:
        raise RemoteProtocolError(f"{what}: expected {length} bytes")
    return value


def some_bytes(value: Any, most: int, what: str) -> bytes:
    """``value`` as at most ``most`` bytes."""
    if type(value) is not bytes or len(value) > most:
        raise RemoteProtocolError(f"{what}: expected at most {most} bytes")
    return value


def number(value: Any, least: int, most: int, what: str) -> int:
    """``value`` as an integer in ``least``..``most``."""
    if type(value) is not int or not least <= value <= most:
        raise RemoteProtocolError(f"{what}: expected an integer in {least}..{most}")
    return value


def boolean(value: Any, what: str) -> bool:
    """``value`` as true or false."""
    if type(value) is not bool:
        raise RemoteProtocolError(f"{what}: expected true or false")
    return value


def string(value: Any, most: int, what: str) -> str:
    """``value`` as a string of at most ``most`` code points."""
    if type(value) is not str or len(value) > most:
        raise RemoteProtocolError(f"{what}: expected a string of at most {most} characters")
    return value

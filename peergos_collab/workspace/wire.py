"""The values of the API as CBOR values, for the engine's socket.

A dataclass is an array of its fields, an enum its value; milliseconds with a fraction travel as whole
microseconds, because records have no floats.
"""

from __future__ import annotations

import enum
import types
import typing
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, Final, TypeVar

from ..errors import RemoteProtocolError
from .api import Message

T = TypeVar("T")

_PLAIN: Final = frozenset({str, int, bool, bytes, types.NoneType})


def to_wire(value: Any) -> Any:
    """``value`` as ints, strings, bytes, None and lists."""
    if type(value) in _PLAIN:  # most are, of very many
        return value
    kind: Any = type(value)
    if names := _names(kind):
        return [to_wire(getattr(value, name)) for name in names]
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, float):
        return round(value * 1000)
    if isinstance(value, list | tuple):
        return [to_wire(item) for item in value]
    return value


@cache
def _names(kind: Any) -> tuple[str, ...]:
    """The fields of a dataclass; of any other type none."""
    return tuple(field.name for field in fields(kind)) if is_dataclass(kind) else ()


def from_wire(kind: Any, value: Any) -> Any:
    """The value of type ``kind`` that ``to_wire`` made. Raises RemoteProtocolError."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (list, tuple):
        items = [from_wire(arguments[0], item) for item in _list(value)]
        return items if origin is list else tuple(items)
    if origin in (types.UnionType, typing.Union):
        present = next(argument for argument in arguments if argument is not type(None))
        return None if value is None else from_wire(present, value)
    if is_dataclass(kind):
        return _dataclass(kind, _list(value))
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return kind(value)
    if kind is float and type(value) is int:
        return value / 1000
    if type(value) is not kind:
        raise RemoteProtocolError(f"expected {kind} on the engine's socket")
    return value


def _dataclass(kind: Any, values: list[Any]) -> Any:
    hints = _hints(kind)
    if len(values) != len(hints):
        raise RemoteProtocolError(f"a {kind.__name__} of another version")
    pairs = zip(hints.items(), values, strict=True)
    return kind(**{name: from_wire(hint, value) for (name, hint), value in pairs})


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _list(value: Any) -> list[Any]:
    if type(value) is not list:
        raise RemoteProtocolError("expected an array on the engine's socket")
    return value


def messages_from_wire(value: Any) -> list[Message]:
    messages: list[Message] = from_wire(list[Message], value)
    return messages

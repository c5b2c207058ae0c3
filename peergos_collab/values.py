"""``dataclass`` as in the standard library, for a program that starts often.

The standard one writes and compiles up to eight methods for each class when its module is imported: 0.8 ms
each, and a third of the time that a short command takes. This one reads the fields with the standard one, so
``field``, ``fields``, ``replace`` and ``asdict`` work as ever, and compiles a method when it is first called;
most classes of a short command are never used. What the methods do is the same
(tests/unit/test_values.py), and to a type checker it is the standard one.

It knows the arguments that are used here, no others. ``inspect.signature`` of a class tells its arguments
only after its first use.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from dataclasses import MISSING, Field, FrozenInstanceError, fields
from functools import cache, partial
from reprlib import recursive_repr
from types import CodeType, FunctionType, MemberDescriptorType
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

T = TypeVar("T")

_UNNAMED: Final = "_field_"
"""How fields are called in a pattern, before their number."""

_SET: Final = "set_"
"""How what sets a field of a frozen value is called, before the field's name."""

_OFTEN: Final = 5
"""So many of one kind are worth a method of their own."""

_ORDER: Final = {"__lt__": "<", "__le__": "<=", "__gt__": ">", "__ge__": ">="}


def _value_class(cls: type[T], frozen: bool, slots: bool, eq: bool, order: bool) -> type[T]:
    written = set(cls.__dict__)
    if cls.__dict__.get("__hash__") is None:
        written.discard("__hash__")  # Python sets it to None where only __eq__ was written
    made = dataclasses.dataclass(init=False, repr=False, eq=False, slots=slots)(cls)
    for name, method in _methods(made, frozen, eq, order):
        if name not in written:
            setattr(made, name, method)
    return made


def _methods(made: type[Any], frozen: bool, eq: bool, order: bool) -> Iterator[tuple[str, Any]]:
    """Every method of a value, by name."""
    yield "__init__", _made_later(made, "__init__", partial(_init, made, frozen))
    yield "__repr__", _repr
    if eq:
        yield "__eq__", _made_later(made, "__eq__", partial(_comparison, made, "__eq__", "=="))
        hashed = _made_later(made, "__hash__", partial(_hash, made))
        yield "__hash__", hashed if frozen else None
    if order:
        for name, sign in _ORDER.items():
            yield name, _made_later(made, name, partial(_comparison, made, name, sign))
    if frozen:
        yield "__setattr__", _refuse_to_set
        yield "__delattr__", _refuse_to_delete


def _made_later(made: type[Any], name: str, make: Callable[[], Callable[..., Any]]) -> Callable[..., Any]:
    """A method that puts the one that ``make`` gives in its own place when it is called first."""

    def first_call(self: Any, *values: Any, **named: Any) -> Any:
        method = make()
        setattr(made, name, method)
        return method(self, *values, **named)

    first_call.__name__ = name
    first_call.__qualname__ = f"{made.__qualname__}.{name}"
    return first_call


def _compile(made: type[Any], name: str, source: str) -> Callable[..., Any]:
    known = {f"default_{field.name}": field.default for field in fields(made)}
    known |= {f"make_{field.name}": field.default_factory for field in fields(made)}
    space: dict[str, Any] = {**known, "MISSING": MISSING, **_setters(made)}
    exec(source, space)  # noqa: S102  of names in our own classes, as the standard library does
    return _named_as(made, name, space[name])


def _named_as(made: type[Any], name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    method.__qualname__ = f"{made.__qualname__}.{name}"
    method.__module__ = made.__module__
    return method


def _init(made: type[Any], frozen: bool) -> Callable[..., Any]:
    mine = fields(made)
    first_default = len(mine) - sum(field.default is not MISSING for field in mine)
    plain = all(field.init and not _has_factory(field) for field in mine)
    in_order = all(field.default is not MISSING for field in mine[first_default:])
    if plain and in_order and not hasattr(made, "__post_init__"):
        return _plain_init(made, frozen)
    return _compiled_when_used_often(made, frozen)


def _compiled_when_used_often(made: type[Any], frozen: bool) -> Callable[..., Any]:
    """What a program makes once, such as its engine, has the most fields: compiling costs most there."""
    times = 0

    def init(self: Any, *values: Any, **named: Any) -> None:
        nonlocal times
        times += 1
        if times < _OFTEN:
            given = _by_name(made, values, named)
            if given is not None:
                _set_all(self, given, frozen)
                return
        method = _compile(made, "__init__", _init_source(made, frozen))
        setattr(made, "__init__", method)  # noqa: B010  a type checker would not have it otherwise
        method(self, *values, **named)

    return _named_as(made, "__init__", init)


def _by_name(made: type[Any], values: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Any] | None:
    """Arguments by name; None where they are wrong, which a compiled method says best."""
    asked = {field.name: field for field in fields(made) if field.init}
    given = dict(zip(asked, values, strict=False))
    needed = {name for name, field in asked.items() if field.default is MISSING and not _has_factory(field)}
    wrong = len(values) > len(asked) or not given.keys().isdisjoint(named) or not named.keys() <= asked.keys()
    given.update(named)
    return None if wrong or not needed <= given.keys() else given


def _set_all(value: Any, given: dict[str, Any], frozen: bool) -> None:
    put = object.__setattr__ if frozen else setattr
    for field in fields(value):
        if field.name in given:
            put(value, field.name, given[field.name])
        elif _has_factory(field):
            put(value, field.name, field.default_factory())  # type: ignore[operator]
        elif field.init:
            put(value, field.name, field.default)
    if hasattr(value, "__post_init__"):
        value.__post_init__()


def _plain_init(made: type[Any], frozen: bool) -> Callable[..., Any]:
    mine = fields(made)
    defaults = tuple(field.default for field in mine if field.default is not MISSING)
    code = _init_pattern(len(mine), frozen)
    named = {f"{_UNNAMED}{at}": field.name for at, field in enumerate(mine)}
    named |= {_SET + unnamed: _SET + name for unnamed, name in named.items()}
    code = code.replace(
        co_varnames=tuple(named.get(name, name) for name in code.co_varnames),
        co_names=tuple(named.get(name, name) for name in code.co_names),
    )
    method = FunctionType(code, _setters(made), "__init__", defaults)
    return _named_as(made, "__init__", method)


@cache
def _init_pattern(count: int, frozen: bool) -> CodeType:
    """What sets so many fields: most values need nothing else, and names are put in faster than compiled."""
    names = [f"{_UNNAMED}{at}" for at in range(count)]
    lines = [_set(name, name, frozen) for name in names]
    space: dict[str, Any] = {}
    exec(f"def __init__({', '.join(['self', *names])}):\n" + _block(lines or ["pass"]), space)  # noqa: S102  our own
    code: CodeType = space["__init__"].__code__
    return code


def _init_source(made: type[Any], frozen: bool) -> str:
    parameters = ", ".join(["self", *(_parameter(field) for field in fields(made) if field.init)])
    lines = [_assignment(field, frozen) for field in fields(made) if field.init or _has_factory(field)]
    if hasattr(made, "__post_init__"):
        lines.append("self.__post_init__()")
    return f"def __init__({parameters}):\n" + _block(lines or ["pass"])


def _parameter(field: Field[Any]) -> str:
    if field.default is not MISSING:
        return f"{field.name}=default_{field.name}"
    return f"{field.name}=MISSING" if _has_factory(field) else field.name


def _assignment(field: Field[Any], frozen: bool) -> str:
    name = value = field.name
    if _has_factory(field):
        value = f"make_{name}() if {name} is MISSING else {name}" if field.init else f"make_{name}()"
    return _set(name, value, frozen)


def _set(name: str, value: str, frozen: bool) -> str:
    return f"{_SET}{name}(self, {value})" if frozen else f"self.{name} = {value}"


def _setters(made: type[Any]) -> dict[str, Callable[[Any, Any], None]]:
    """What sets each field of a frozen value. Slots do it themselves: that takes two thirds of the time."""
    return {_SET + field.name: _setter(made, field.name) for field in fields(made)}


def _setter(made: type[Any], name: str) -> Callable[[Any, Any], None]:
    slot = getattr(made, name, None)
    if isinstance(slot, MemberDescriptorType):
        return slot.__set__
    return lambda value, to: object.__setattr__(value, name, to)


def _has_factory(field: Field[Any]) -> bool:
    return field.default_factory is not MISSING


def _comparison(made: type[Any], name: str, sign: str) -> Callable[..., Any]:
    lines = [
        "if other.__class__ is self.__class__:",
        f" return {_compared(made, 'self')} {sign} {_compared(made, 'other')}",
        "return NotImplemented",
    ]
    return _compile(made, name, f"def {name}(self, other):\n" + _block(lines))


def _hash(made: type[Any]) -> Callable[..., Any]:
    source = "def __hash__(self):\n" + _block([f"return hash({_compared(made, 'self')})"])
    return _compile(made, "__hash__", source)


def _compared(made: type[Any], who: str) -> str:
    """Source of the tuple of what counts in comparisons."""
    return "(" + "".join(f"{who}.{field.name}," for field in fields(made) if field.compare) + ")"


def _block(lines: Iterable[str]) -> str:
    return "".join(f" {line}\n" for line in lines)


@recursive_repr()
def _repr(self: Any) -> str:
    shown = (f"{field.name}={getattr(self, field.name)!r}" for field in fields(self) if field.repr)
    return f"{self.__class__.__qualname__}({', '.join(shown)})"


def _refuse_to_set(self: Any, name: str, value: object) -> NoReturn:
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_to_delete(self: Any, name: str) -> NoReturn:
    raise FrozenInstanceError(f"cannot delete field {name!r}")


if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(cls=None, /, *, frozen=False, slots=False, eq=True, order=False):
        """See ``dataclasses.dataclass``."""
        if cls is None:
            return lambda cls: _value_class(cls, frozen, slots, eq, order)
        return _value_class(cls, frozen, slots, eq, order)


__all__ = ["dataclass"]

"""``dataclass`` of this program, beside that of the standard library, which says what is right."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from peergos_collab.values import dataclass

Maker = Callable[..., Any]
BOTH = pytest.mark.parametrize("maker", [dataclass, dataclasses.dataclass], ids=["ours", "standard"])
"""What each test says is true of the standard one too."""


def _point(maker: Maker, **how: bool) -> Any:
    @maker(**how)
    class Point:
        """A value with every sort of field."""

        KIND: ClassVar[str] = "point"
        x: int
        y: int = 2
        notes: list[str] = dataclasses.field(default_factory=list)
        secret: bytes = dataclasses.field(default=b"", repr=False)
        seen: int = dataclasses.field(default=0, compare=False)
        made: dict[str, int] = dataclasses.field(init=False, default_factory=dict, repr=False, compare=False)

    return Point


@BOTH
@pytest.mark.parametrize("slots", [False, True])
@pytest.mark.parametrize("frozen", [False, True])
def test_arguments(maker: Maker, frozen: bool, slots: bool) -> None:
    """By position and by name, with defaults, and a new default where a factory makes it."""
    kind = _point(maker, frozen=frozen, slots=slots)

    point = kind(1)
    assert (point.x, point.y, point.notes, point.secret, point.seen, point.made) == (1, 2, [], b"", 0, {})
    assert kind(1).notes is not point.notes
    assert kind(1).made is not point.made
    point = kind(1, 3, ["a"], seen=4, secret=b"s")
    assert (point.x, point.y, point.notes, point.secret, point.seen) == (1, 3, ["a"], b"s", 4)
    assert hasattr(point, "__dict__") is not slots


@BOTH
@pytest.mark.parametrize("wrong", [{}, {"x": 1, "z": 2}, {"x": 1, "made": {}}], ids=["none", "z", "made"])
def test_wrong_arguments(maker: Maker, wrong: dict[str, Any]) -> None:
    """What is missing, not known or not for the caller is refused, at the first use and at later ones."""
    kind = _point(maker, frozen=True, slots=True)

    for _ in range(2):
        with pytest.raises(TypeError, match=r"Point\.__init__\(\)"):
            kind(**wrong)


@BOTH
@pytest.mark.parametrize("slots", [False, True])
@pytest.mark.parametrize("frozen", [False, True])
def test_plain_values(maker: Maker, frozen: bool, slots: bool) -> None:
    """Values of as many fields share nothing: each has its own names, defaults and errors."""

    @maker(frozen=frozen, slots=slots)
    class Place:
        log: bytes
        seq: int = 7
        _hidden: str = "h"

    @maker(frozen=frozen, slots=slots)
    class Name:
        first: str
        last: str
        titles: tuple[str, ...]

    for _ in range(2):
        place, name = Place(b"a", _hidden="x"), Name("a", titles=(), last="b")
        assert (place.log, place.seq, place._hidden) == (b"a", 7, "x")
        assert (name.first, name.last, name.titles) == ("a", "b", ())
        assert (Place(b"a") == Place(b"a", 7), Place(b"a") == Place(b"b")) == (True, False)
        with pytest.raises(TypeError, match=r"Name\.__init__\(\).* 'titles'"):
            Name("a", "b")
        with pytest.raises(TypeError, match=r"Place\.__init__\(\).* 'first'"):
            Place(b"a", first="a")


@BOTH
@pytest.mark.parametrize("values", [(), (1, 2, [], b"", 0, {}), (1, 2)], ids=["none", "too many", "twice"])
def test_wrong_arguments_by_position(maker: Maker, values: tuple[Any, ...]) -> None:
    """The same for those that are given by position."""
    kind = _point(maker, frozen=True, slots=True)

    for _ in range(2):
        with pytest.raises(TypeError, match=r"Point\.__init__\(\)"):
            kind(*values, **({"y": 2} if values == (1, 2) else {}))


@BOTH
@pytest.mark.parametrize("frozen", [False, True])
def test_every_use_is_as_the_first(maker: Maker, frozen: bool) -> None:
    """With factories and work of its own after it, too, however often one is made; errors as well."""

    @maker(frozen=frozen)
    class Made:
        x: int
        notes: list[int] = dataclasses.field(default_factory=list)
        late: bool = dataclasses.field(init=False, default=False)

        def __post_init__(self) -> None:
            object.__setattr__(self, "late", True)
            self.notes.append(self.x)

    notes = []
    for number in range(12):
        one, other = Made(number), Made(notes=[7], x=number)
        notes.append(one.notes)
        assert (one.notes, other.notes, one.late, other.x) == ([number], [7, number], True, number)
    assert len({id(each) for each in notes}) == 12


@BOTH
def test_repr(maker: Maker) -> None:
    """All fields but the secret ones; a value within itself is cut short."""
    kind = _point(maker, slots=True)

    point = kind(1, secret=b"s")
    name = "_point.<locals>.Point"
    assert repr(point) == f"{name}(x=1, y=2, notes=[], seen=0)"
    point.notes.append(point)
    assert repr(point) == f"{name}(x=1, y=2, notes=[...], seen=0)"


@BOTH
def test_equality(maker: Maker) -> None:
    """Values of one class with equal fields are equal; what does not count in comparisons does not."""
    kind, other = _point(maker, slots=True), _point(maker, slots=True)

    for _ in range(2):
        assert kind(1) == kind(1, seen=7)
        assert kind(1) != kind(2)
        assert kind(1) != other(1)
        assert kind(1).__eq__(1) is NotImplemented
    with pytest.raises(TypeError):
        hash(kind(1))


@BOTH
def test_hash(maker: Maker) -> None:
    """A frozen value is found again in a set; one without equality by identity, as any object."""
    kind = _point(maker, frozen=True, slots=True)

    for _ in range(2):
        assert len({kind(1, 2, ()), kind(1, 2, (), seen=5), kind(2, 2, ())}) == 2
        with pytest.raises(TypeError):
            hash(kind(1))
    plain = _point(maker, frozen=True, eq=False)
    assert plain(1) != plain(1)
    assert len({plain(1), plain(1)}) == 2


@BOTH
def test_order(maker: Maker) -> None:
    """By the fields, from the first on."""
    kind = _point(maker, order=True)

    for _ in range(2):
        assert kind(1, 9) < kind(2, 0)
        assert not kind(1, 2) < kind(1, 2)
        assert kind(1, 2) <= kind(1, 2)
        assert kind(3) > kind(2, 9)
        assert kind(3) >= kind(3)
    with pytest.raises(TypeError):
        kind(1) < 1  # noqa: B015
    with pytest.raises(TypeError):
        _point(maker)(1) < _point(maker)(2)  # noqa: B015


@BOTH
def test_frozen(maker: Maker) -> None:
    """Nothing of a frozen value is set or deleted; of another it is."""
    point = _point(maker, frozen=True, slots=True)(1)

    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field 'x'"):
        point.x = 2
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot delete field 'x'"):
        del point.x
    assert point.x == 1
    free = _point(maker, slots=True)(1)
    free.x = 2
    assert free.x == 2
    with pytest.raises(AttributeError):
        free.nonsense = 1


@BOTH
def test_own_methods_stay(maker: Maker) -> None:
    """What a class says itself is not replaced, and what it wants to do after the fields are set is done."""

    @maker(frozen=True)
    class Own:  # noqa: PLW1641  its hash is that of its fields
        """A value with methods of its own."""

        x: int

        def __post_init__(self) -> None:
            if self.x < 0:
                raise ValueError("negative")

        def __repr__(self) -> str:
            return "own"

        def __eq__(self, other: object) -> bool:
            return True

    @maker(frozen=True)
    class Hashed:
        """A value with a hash of its own."""

        x: int

        def __hash__(self) -> int:
            return 5

    with pytest.raises(ValueError, match="negative"):
        Own(-1)
    assert (repr(Own(1)), Own(1) == 7, hash(Hashed(1))) == ("own", True, 5)
    assert hash(Own(1)) == hash(Own(1)) != hash(Own(2))


@BOTH
def test_the_tools_of_the_standard_library(maker: Maker) -> None:
    """``fields``, ``replace``, ``asdict`` and ``match`` work on it."""
    kind = _point(maker, frozen=True, slots=True)

    assert dataclasses.is_dataclass(kind)
    assert [each.name for each in dataclasses.fields(kind)] == ["x", "y", "notes", "secret", "seen", "made"]
    assert dataclasses.replace(kind(1), y=5) == kind(1, 5)
    assert dataclasses.asdict(kind(1))["notes"] == []
    match kind(1, 7):
        case kind(x, y):
            assert (x, y) == (1, 7)
        case _:
            raise AssertionError


def test_a_method_is_compiled_when_it_is_first_called() -> None:
    """Importing a module compiles nothing for its values; using one compiles what is used, once.

    What fields with factories need is compiled for those only that are made several times.
    """

    @dataclass(frozen=True, slots=True)
    class Plain:
        x: int

    point = _point(dataclass, frozen=True, slots=True)

    def compiled(kind: Any) -> set[str]:
        names = ("__init__", "__eq__", "__hash__")
        return {name for name in names if getattr(kind, name).__code__.co_filename == "<string>"}

    assert compiled(Plain) == compiled(point) == set()
    first = Plain(1)
    assert compiled(Plain) == {"__init__"}
    method = Plain.__init__
    assert first == Plain(1)
    assert compiled(Plain) == {"__init__", "__eq__"}
    assert Plain.__init__ is method
    point(1)
    assert compiled(point) == set()
    points = [point(1) for _ in range(9)]
    assert compiled(point) == {"__init__"}
    method = point.__init__
    assert points[0] == point(1)
    assert point.__init__ is method

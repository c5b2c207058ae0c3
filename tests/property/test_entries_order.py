"""A map of entries is the same on every device: in any causal order, against a plain model."""

from __future__ import annotations

from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from peergos_collab.codec import encode
from peergos_collab.errors import Quarantined, RemoteProtocolError, UsageError
from peergos_collab.files import (
    EntryChange,
    EntryId,
    EntryMap,
    add_node,
    check_name,
    decode_changes_untrusted,
    encode_changes,
    remove,
    remove_node,
    replace_reference,
    set_entry_node,
    set_name,
    show_name,
)
from peergos_collab.files.changes import PutEntry, RemoveEntry, RenameEntry, ReplaceReference, SetEntryNode
from peergos_collab.files.names import is_hostile
from peergos_collab.files.sorted_pages import SortedPages
from peergos_collab.objects.chunks import Chunks
from peergos_collab.objects.payload import Kind
from support.histories import History, Written, author

DEVICES = [author("Ana", device) for device in (1, 2, 3)]

_ID = st.sampled_from([EntryId(bytes([number]) * 16) for number in range(3)])
_NAME = st.sampled_from(["a", "b", "a (2)", "..", "a\u202e", ""])
_TIME = st.integers(0, 5)
_CHANGE: st.SearchStrategy[EntryChange] = st.one_of(
    st.builds(PutEntry, _ID, _NAME, st.sampled_from(["doc", "chat"]), st.binary(max_size=1), _TIME, _TIME),
    st.builds(RenameEntry, _ID, _NAME, _TIME),
    st.builds(lambda key, reference: replace_reference(key, reference, now=1), _ID, st.binary(max_size=1)),
    st.builds(remove, _ID),
    st.builds(add_node, st.sampled_from(["x", "y"])),
    st.builds(remove_node, st.sampled_from(["x", "y"])),
    st.builds(set_name, _NAME),
    st.builds(set_entry_node, st.sampled_from(["x", ""])),
)


@st.composite
def _histories(draw: st.DrawFn) -> History:
    history = History()
    for number in range(draw(st.integers(1, 12))):
        who = draw(st.sampled_from(DEVICES))
        own = [one for one in history.written if one.delivery.author == who]
        after = draw(st.sampled_from([*own, *own[-1:] * 3])) if own else None
        cites = draw(st.lists(st.sampled_from(history.written), max_size=2)) if history.written else []
        changes = draw(st.lists(_CHANGE, min_size=1, max_size=3))
        history.write(
            who,
            lambda lamport, changes=changes: encode_changes(lamport, changes),  # type: ignore[misc]
            log=f"log {number}",
            after=after,
            cites=cites,
            kind=Kind.ENTRIES,
        )
    return history


def _model(history: History) -> Any:
    """docs/spec/entries.md with the whole set in hand: every change in total order, one after the other."""
    entries: dict[EntryId, dict[str, Any]] = {}
    nodes, own_name, entry_node = set[str](), "", ""
    order = sorted(history.written, key=lambda one: (one.lamport, one.delivery.author.device, one.id))
    for change in (change for one in order for change in decode_changes_untrusted(one.delivery.content)[1]):
        match change:
            case PutEntry(key, name, kind, reference, created, _):
                entry = {
                    "name": name,
                    "kind": kind,
                    "reference": reference,
                    "created": created,
                    "there": True,
                }
                entries[key] = entry
            case RenameEntry(key, name, _):
                entries.setdefault(key, {"there": False})["name"] = name
            case ReplaceReference(key, reference, _):
                entries.setdefault(key, {"there": False})["reference"] = reference
            case RemoveEntry(key):
                entries.setdefault(key, {})["there"] = False
            case SetEntryNode(address):
                entry_node = address
            case _ if hasattr(change, "address"):
                (nodes.add if change.on else nodes.discard)(change.address)
            case _:
                own_name = change.name
    there = {
        key: (one["name"], one["kind"], one["reference"], one["created"])
        for key, one in entries.items()
        if one["there"]
    }
    return there, sorted(nodes), own_name, entry_node


def _view(entry_map: EntryMap) -> Any:
    views = entry_map.entries().values()
    there = {view.id: (view.name, view.kind, view.reference, view.created) for view in views}
    return there, entry_map.nodes(), entry_map.name, entry_map.entry_node


def _fold(entry_map: EntryMap, order: list[Written]) -> EntryMap:
    for one in order:
        entry_map.add_untrusted(one.delivery)
    return entry_map


@given(_histories(), st.randoms(use_true_random=False), st.randoms(use_true_random=False))
def test_any_causal_order_gives_what_the_rules_say(history: History, random: Random, other: Random) -> None:
    """Also the names shown are the same, each unique and safe, and no entry is lost among equal names."""
    first = _fold(EntryMap(), history.causal_order(random))
    second = _fold(EntryMap(), history.causal_order(other))

    assert _view(first) == _model(history)
    assert first.entries() == second.entries()
    assert not any(map(is_hostile, first.entries()))


@given(_histories(), st.randoms(use_true_random=False))
def test_storing_and_opening_at_any_point_changes_nothing(history: History, random: Random) -> None:
    """However often: only what changed is stored, and the fold goes on from it."""
    order = history.causal_order(random)
    whole, again = EntryMap(), EntryMap()
    chunks: dict[int, bytes] = {}
    for one in order:
        whole.add_untrusted(one.delivery)
        again.add_untrusted(one.delivery)
        if random.random() < 0.3:
            chunks |= again.dirty_chunks()
            again = EntryMap.from_chunks(chunks.__getitem__) if chunks else again

    assert again.entries() == whole.entries()
    assert _view(_fold(again, order)) == _model(history)


_Name = st.sampled_from([f"{letter}{number}" for letter in "ab" for number in range(100)])


@given(st.lists(st.tuples(_Name, st.booleans()), max_size=400), st.randoms(use_true_random=False))
def test_sorted_pages_are_a_sorted_map(steps: list[tuple[str, bool]], random: Random) -> None:
    """Whatever is put in, taken out and stored between: with pages that are cut, emptied and used again."""
    model: dict[tuple[str, ...], int] = {}
    chunks = Chunks(following=1)
    pages = SortedPages(chunks)
    for number, (name, there) in enumerate(steps * 3):
        key = (name,)
        if there:
            pages.put(key, number)
            model[key] = number
        elif key in model:
            pages.remove(key)
            del model[key]
        if random.random() < 0.02:
            stored = dict(chunks.all())
            opened = Chunks(stored.__getitem__, following=chunks.following)
            again = SortedPages(opened)
            again.restore(pages.head())
            chunks, pages = opened, again
    start = ("a5",)

    assert list(pages.since(())) == sorted(model.items())
    assert list(pages.since(start)) == [item for item in sorted(model.items()) if item[0] >= start]
    assert all(pages.get(key) == value for key, value in model.items())


_LEAF = st.one_of(
    st.none(), st.booleans(), st.integers(-1, 7), st.binary(max_size=17), st.text("a/", max_size=2)
)
_FIELDS = st.lists(st.one_of(_LEAF, st.just(b"i" * 16)), max_size=7)


@given(
    st.one_of(
        st.binary(max_size=99),
        st.lists(_FIELDS, max_size=3).map(lambda changes: encode([1, 1, changes])),
    )
)
def test_any_bytes_are_accepted_or_refused(raw: bytes) -> None:
    """What is accepted encodes to the same bytes again; everything else is refused, and quarantined."""
    entry_map = EntryMap()
    delivery = History().write(DEVICES[0], raw, kind=Kind.ENTRIES).delivery
    try:
        lamport, changes = decode_changes_untrusted(raw)
    except RemoteProtocolError:
        try:
            entry_map.add_untrusted(delivery)
        except Quarantined:
            assert entry_map.next_lamport() == 1
        else:
            raise AssertionError("refused bytes were folded in") from None
    else:
        assert encode_changes(lamport, changes) == raw
        entry_map.add_untrusted(delivery)
        entry_map.entries()


@given(st.text(st.characters(), max_size=40))
def test_every_name_is_allowed_or_escaped(name: str) -> None:
    """Shown names are never empty, and hostile by length at most; an allowed one is shown as it is."""
    try:
        allowed = check_name(name)
    except UsageError:
        allowed = None
    shown = show_name(name)

    assert shown
    if allowed is not None:
        assert show_name(allowed) == allowed
    elif len(shown.encode()) < 255:
        assert not is_hostile(shown)

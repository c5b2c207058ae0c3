"""A chat looks the same on every device: any causal order, compared with a plain model of the rules."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from peergos_collab.chat import (
    ChatEvent,
    Delete,
    Edit,
    Message,
    Pin,
    Reaction,
    ReadMarker,
    Reference,
    Reply,
    Timeline,
    Topic,
    encode_events,
)
from peergos_collab.codec.ids import AccountId, SegmentId
from peergos_collab.errors import Quarantined
from peergos_collab.objects.payload import Author
from support.histories import History, Written, author

PEOPLE = [author("Ana"), author("Ben"), author("Ana", device=2), author("Mod")]


def _may_moderate(who: Author) -> bool:
    return who == PEOPLE[3]


@dataclass
class Model:
    """docs/spec/chat.md with the whole set in hand: every event in total order, one after the other."""

    accepted: dict[SegmentId, tuple[Written, list[ChatEvent]]] = field(default_factory=dict)

    def accepts(self, who: Author, known: list[Written], events: list[ChatEvent]) -> bool:
        past = {one.id for one in known}.union(*(one.past for one in known))
        return all(self._accepts(who, past, event) for event in events)

    def _accepts(self, who: Author, past: set[SegmentId], event: ChatEvent) -> bool:
        if isinstance(event, (Message, Topic)):
            return True
        target = event.target
        if target.segment not in past or target.segment not in self.accepted:
            return False
        written, events = self.accepted[target.segment]
        if target.lamport != written.lamport or not isinstance(events[target.index], (Message, Reply)):
            return False
        own = written.delivery.author.account == who.account
        return own or not (isinstance(event, Edit) or (isinstance(event, Delete) and not _may_moderate(who)))

    def view(self) -> Any:
        shown: dict[Reference, dict[str, Any]] = {}
        topic, markers = "", dict[AccountId, Reference]()
        events = sorted(
            (one.lamport, one.delivery.author.account, one.delivery.seq, one.id, at, event)
            for one, events in self.accepted.values()
            for at, event in enumerate(map(_Unordered, events))
        )
        for lamport, account, _, segment, at, boxed in events:
            match boxed.event:
                case Message(text):
                    shown[Reference(lamport, segment, at)] = _message(text, "")
                case Reply(target, text):
                    shown[Reference(lamport, segment, at)] = _message(text, target.to_text())
                case Edit(target, text) if not shown[target]["deleted"]:
                    shown[target] |= {"text": text, "edited": True}
                case Delete(target):
                    shown[target] |= {"text": "", "edited": False, "deleted": True, "reactions": {}}
                case Reaction(target, emoji, on) if not shown[target]["deleted"]:
                    shown[target]["reactions"][emoji, account] = on
                case Topic(text):
                    topic = text
                case Pin(target, on):
                    shown[target]["pinned"] = on
                case ReadMarker(target):
                    positions = list(shown)
                    old = markers.get(account, target)
                    markers[account] = max(old, target, key=positions.index)
        positions = list(shown)
        read = {account: positions.index(target) for account, target in markers.items()}
        return [(ref.to_text(), *one.values()) for ref, one in shown.items()], topic, read


@dataclass
class _Unordered:
    """Keys before it are unique, so that two of these are never compared."""

    event: ChatEvent


def _message(text: str, reply: str) -> dict[str, Any]:
    return {"text": text, "reply": reply, "edited": False, "deleted": False, "pinned": False, "reactions": {}}


def _view(timeline: Timeline) -> Any:
    messages = [
        (
            one.id,
            one.text,
            one.reply_to,
            one.edited,
            one.deleted,
            one.pinned,
            {(emoji, account) for emoji, accounts in one.reactions for account in accounts},
        )
        for one in timeline.messages(0, len(timeline))
    ]
    read = {who.account: timeline.read_marker(who.account) for who in PEOPLE}
    return messages, timeline.topic, {account: at for account, at in read.items() if at is not None}


def _expected(model: Model) -> Any:
    messages, topic, read = model.view()
    return [(*one[:-1], {key for key, on in one[-1].items() if on}) for one in messages], topic, read


@st.composite
def _events(draw: st.DrawFn, references: list[Reference]) -> ChatEvent:
    text = draw(st.sampled_from(["a", "b", "word two", "ü", "👍"]))
    if not references or draw(st.booleans()):
        return draw(st.sampled_from([Message(text), Message(text), Topic(text)]))
    target, on = draw(st.sampled_from(references)), draw(st.booleans())
    edit, mark = Edit(target, text), ReadMarker(target)
    about = [edit, edit, edit, Reply(target, text), Delete(target), Reaction(target, text, on)]
    return draw(st.sampled_from([*about, mark, mark, Pin(target, on)]))


@st.composite
def _chats(draw: st.DrawFn) -> tuple[History, Model]:
    """Several authors, forks, greetings, wrong Lamport times, targets unseen, missing and not one's own."""
    history, model, references = History(), Model(), list[Reference]()
    busy = draw(st.booleans())  # one person's devices, all about one message that each of them has seen
    for number in range(draw(st.integers(1, 14))):
        who = draw(st.sampled_from(PEOPLE[0:3:2] if busy else PEOPLE))
        own = [one for one in history.written if one.delivery.author == who]
        after = draw(st.sampled_from([*own, *own[-1:] * 3])) if own else None
        cites = draw(st.lists(st.sampled_from(history.written), max_size=3)) if history.written else []
        cites += history.written[:1] if busy else []
        known = [*cites, *([after] if after else [])]
        past = {one.id for one in known}.union(*(one.past for one in known))
        seen = [reference for reference in references if reference.segment in past]
        likely = seen[:2] * 6 + seen + references[:1]  # many events about few messages meet each other
        events = draw(st.lists(_events(likely), min_size=1, max_size=3))
        if busy and not number:
            events = [Message("first"), Message("second")]
        wrong = draw(st.sampled_from([0] * 9 + [1]))
        good = not wrong and model.accepts(who, known, events)
        lamport = 1 + wrong + max((one.lamport for one in known), default=0)
        written = history.write(
            who,
            encode_events(lamport, events),
            log=f"log {number}",
            after=after,
            cites=cites,
            passed_by=bool(wrong),
        )
        if good:
            model.accepted[written.id] = (written, events)
        references += [Reference(lamport, written.id, at) for at in range(len(events))]
    return history, model


def _fold(timeline: Timeline, order: list[Written]) -> set[SegmentId]:
    """Returns what was accepted."""
    accepted = set()
    for one in order:
        try:
            timeline.add_untrusted(one.delivery)
            accepted.add(one.id)
        except Quarantined:
            pass
    return accepted


@given(_chats(), st.randoms(use_true_random=False))
def test_any_causal_order_gives_what_the_rules_say(chat: tuple[History, Model], random: Random) -> None:
    """Verdicts and everything shown are functions of the set of segments, forks and refused ones included."""
    history, model = chat
    timeline = Timeline(_may_moderate)

    assert _fold(timeline, history.causal_order(random)) == set(model.accepted)
    assert _view(timeline) == _expected(model)


@given(_chats(), st.randoms(use_true_random=False))
def test_storing_and_opening_at_any_point_changes_nothing(
    chat: tuple[History, Model], random: Random
) -> None:
    """State in one piece and in chunks comes back equal, and the fold goes on from it."""
    history, model = chat
    order = history.causal_order(random)
    cut = random.randrange(len(order) + 1)
    store: dict[int, bytes] = {}
    first = Timeline(_may_moderate, store.__getitem__)
    _fold(first, order[:cut])
    store.update(first.dirty_chunks() or {})
    whole = Timeline.from_state(first.state(), _may_moderate)

    assert _view(whole) == _view(first)
    assert whole.state() == first.state()
    timelines = [first, whole, *([Timeline.from_chunks(store.__getitem__, _may_moderate)] if store else [])]
    for timeline in timelines:
        _fold(timeline, order[cut // 2 :])  # some again: a segment counts once

        assert _view(timeline) == _expected(model)

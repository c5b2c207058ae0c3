"""Several people edit at once; updates arrive in any causal order; all end equal."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from peergos_collab.documents import Change, Document, merge

PEOPLE = 3
who = st.integers(0, PEOPLE - 1)
place = st.integers(0, 10_000)
pieces = st.lists(
    st.sampled_from(
        ["a", "b ", "\n", "\r\n", "\u2028", "é", "日", "😀", "👩\u200d👩\u200d👧", "🇩🇪", "\x0c", "\x85"]
    ),
    max_size=4,
).map("".join)


class People(RuleBasedStateMachine):
    """Documents, what each wrote after having seen what, and how much of each other they have."""

    def __init__(self) -> None:
        super().__init__()
        self.documents = [Document((1 << 52) + 7 * i + 1) for i in range(PEOPLE)]
        self.copies = [""] * PEOPLE
        self.written: list[list[tuple[bytes, list[int]]]] = [[] for _ in range(PEOPLE)]
        self.seen = [[0] * PEOPLE for _ in range(PEOPLE)]
        for person, document in enumerate(self.documents):
            document.track_undo()
            document.on_update(lambda update, person=person: self.write(person, update))
            document.on_change(lambda change, person=person: self.follow(person, change))

    def write(self, person: int, update: bytes) -> None:
        self.written[person].append((update, list(self.seen[person])))
        self.seen[person][person] += 1

    def follow(self, person: int, change: Change) -> None:
        for start, end, inserted in change.edits:
            copy = self.copies[person]
            self.copies[person] = copy[:start] + inserted + copy[end:]

    def receive(self, person: int, author: int, most: int) -> int:
        """Takes in up to ``most`` updates of an author whose causes are all here, as one merged segment."""
        run = []
        seen = self.seen[person]
        while len(run) < most and seen[author] < len(self.written[author]):
            update, causes = self.written[author][seen[author]]
            if any(seen[other] < causes[other] for other in range(PEOPLE) if other != author):
                break
            run.append(update)
            seen[author] += 1
        if run:
            self.documents[person].apply_untrusted(merge(run), self.documents[author].client)
        return len(run)

    @rule(person=who, at=place, length=st.integers(0, 4), text=pieces)
    def edit(self, person: int, at: int, length: int, text: str) -> None:
        document = self.documents[person]
        start = at % (len(document) + 1)
        document.edit(start, min(start + length, len(document)), text)

    @rule(person=who, places=st.lists(place, min_size=4, max_size=4), text=pieces)
    def edit_many(self, person: int, places: list[int], text: str) -> None:
        document = self.documents[person]
        a, b, c, d = sorted(at % (len(document) + 1) for at in places)
        document.edit_many([(a, b, text), (c, d, text[::-1])])

    @rule(person=who)
    def undo(self, person: int) -> None:
        self.documents[person].undo()

    @rule(person=who)
    def redo(self, person: int) -> None:
        self.documents[person].redo()

    @rule(person=who, author=who, most=st.integers(1, 5))
    def deliver(self, person: int, author: int, most: int) -> None:
        if person != author:
            self.receive(person, author, most)

    @rule(person=who, at=place)
    def point(self, person: int, at: int) -> None:
        document = self.documents[person]
        offset = at % (len(document) + 1)
        anchor = document.anchor(offset)
        # None is allowed: where deleted text imitates a block, an anchor may lead nowhere, never elsewhere.
        assert document.offset_untrusted(anchor) in {offset, None}

    @invariant()
    def in_step(self) -> None:
        """Index, clocks and told changes equal the engine's own account."""
        for document, copy in zip(self.documents, self.copies, strict=True):
            text = document._replica.text()
            assert document.text == document.lines.text() == copy == text
            assert document.lines.count == text.count("\n") + 1
            assert document.lines.byte_length == len(text.encode())
            assert len(document) == len(text)
            assert document.clocks() == document._replica.clocks()

    def teardown(self) -> None:
        pairs = [(person, author) for person in range(PEOPLE) for author in range(PEOPLE) if person != author]
        while sum(self.receive(person, author, 100) for person, author in pairs):
            pass
        first = self.documents[0]
        assert [document.text for document in self.documents] == [first.text] * PEOPLE
        assert Document(5, first.state()).text == first.text
        replayed = Document(5)
        replayed.apply_own(merge([update for written in self.written for update, _ in written]))
        assert replayed.text == first.text


TestPeople = People.TestCase
TestPeople.settings = settings(max_examples=60, stateful_step_count=30)

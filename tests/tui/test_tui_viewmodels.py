"""What screens say, worked out without a screen."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from peergos_collab.errors import NoNode
from peergos_collab.workspace.api import Entry, NodeState, ObjectState, Path, Presence, Role, Status
from support.screen_workspace import DAY, START, FakeChatHandle, said
from tui.viewmodels.entries import lines_of, title_words
from tui.viewmodels.faults import error_words, fault_words
from tui.viewmodels.finding import find_all
from tui.viewmodels.people import COLOURS, Colours, carets, typing_words
from tui.viewmodels.qr import qr_lines
from tui.viewmodels.sharing import warning
from tui.viewmodels.status import (
    bar,
    connection_words,
    pending_words,
    problem_words,
    saved_words,
)
from tui.viewmodels.timeline import Timeline, message_lines, moment

NODE = "pgc://abcdef@node.example:7000"
HERE = ObjectState("notes", "doc", ("here",), 0, Path.OFFLINE, 0)


def status_of(state: ObjectState, *nodes: NodeState) -> Status:
    return Status("account", "device", "Me", nodes, (state,), 0, online=True)


def somebody(name: str, head: int | None = 0, *, anchor: int | None = None, typing: bool = False) -> Presence:
    return Presence(name, name, anchor, head, typing, "webrtc")


# Status


def test_saved_is_said_only_of_what_the_status_lists() -> None:
    """Neither a state without 'here', nor one older than an edit, nor none at all counts as saved."""

    assert saved_words(None) == "saving…"
    assert saved_words(replace(HERE, saved=())) == "saving…"
    assert saved_words(replace(HERE, saved=(NODE,))) == "saving…"
    assert saved_words(HERE, stale=True) == "saving…"
    assert saved_words(HERE) == "saved here"


def test_nodes_are_named_once_they_have_receipted() -> None:
    """One node is named by host and port, several are counted."""

    assert saved_words(replace(HERE, saved=("here", NODE))) == "saved here and on node node.example:7000"
    assert saved_words(replace(HERE, saved=("here", NODE, NODE + "1"))) == "saved here and on 2 nodes"


def test_the_connection_is_named_as_it_is() -> None:
    """Direct, via a node, or offline."""
    words = [connection_words(replace(HERE, connection=path)) for path in Path]

    assert words == ["● direct", "● via node", "○ offline"]


def test_what_only_this_device_has_is_counted() -> None:
    """Pending changes show once there is a node that could take them."""
    two = replace(HERE, pending=2)

    assert (
        pending_words(two, status_of(two, NodeState(NODE, connected=True))) == "2 changes not on a node yet"
    )
    assert pending_words(HERE, status_of(HERE)) == "no node yet"


def test_a_reader_is_told_so_in_the_bar() -> None:
    """The status bar says read only."""
    shown = bar(status_of(HERE), "notes", ["Ann"], stale=False, can_write=False)

    assert "read only" in shown.words()
    assert "with Ann" in shown.words()


def test_entries_show_problems_before_anything_else() -> None:
    """A damaged object says so in the list."""
    state = replace(HERE, problems=("A page of this document is damaged.",))
    entries = [Entry("notes", "doc", 1, START, Role.READER), Entry("Alpha", "chat", 1, START, Role.ADMIN)]
    lines = lines_of(entries, status_of(state))

    assert [line.key for line in lines] == ["Alpha", "notes"]
    assert lines[1].cells[1] == "document, read only"
    assert lines[1].cells[3].startswith("⚠ A page")


def test_removal_is_said_before_damage() -> None:
    """Nothing of an object matters as much."""
    state = replace(HERE, removed="Ana removed you.", problems=("A page of this document is damaged.",))

    assert problem_words(state) == "Ana removed you."
    assert problem_words(replace(state, removed="")) == "A page of this document is damaged."
    assert problem_words(None) == ""


def test_the_title_counts_connected_nodes() -> None:
    """The first line of the list says how many nodes answer."""
    nodes = (NodeState(NODE, connected=True), NodeState("pgc://b@h:1", connected=False))

    assert "1 of 2 nodes connected" in title_words(status_of(HERE, *nodes))


# Errors


def test_an_error_shows_its_message_and_its_hint() -> None:
    """Both, on lines of their own."""

    assert error_words(NoNode()).split("\n") == [NoNode().message, NoNode.hint]


def test_a_fault_names_its_place_and_no_values() -> None:
    """What a variable held could be private, so it is left out."""
    try:
        raise ValueError("secret words")
    except ValueError as fault:
        words = fault_words(fault)

    assert words.startswith("ValueError at test_tui_viewmodels.py:")
    assert "secret" not in words


# Finding


def test_lower_case_finds_both_cases_and_upper_case_only_itself() -> None:
    """As in other editors."""

    assert find_all("Tea tea TEA", "tea").starts == (0, 4, 8)
    assert find_all("Tea tea TEA", "Tea").starts == (0,)


def test_steps_go_round_at_the_ends() -> None:
    """Next after the last is the first, previous before the first is the last."""
    found = find_all("x.x.x", "x")

    assert (found.next(5), found.previous(0)) == (0, 4)
    assert found.words(2) == "2 of 3"
    assert find_all("abc", "z").words(0) == "not found"


@given(st.text("ab"), st.integers(0, 20), st.integers(0, 20))
def test_matches_in_sight_are_those_that_touch_it(text: str, start: int, size: int) -> None:
    """The part drawn is the part a scan of everything would give."""
    found = find_all(text, "ab")
    end = start + size

    assert list(found.between(start, end)) == [at for at in found.starts if at < end and at + 2 > start]


# People


def test_each_person_has_a_colour_of_his_own() -> None:
    """Colours differ while there are enough, and those of people who left are given again."""
    colours = Colours()
    first = carets([somebody(str(number)) for number in range(len(COLOURS))], colours, 10)
    later = carets([somebody("1"), somebody("new")], colours, 10)

    assert len({caret.colour for caret in first}) == len(COLOURS)
    assert later[0].colour == first[1].colour
    assert later[1].colour == first[0].colour


def test_cursors_of_others_stay_inside_the_text() -> None:
    """A false offset cannot reach beyond the document."""
    (caret,) = carets([somebody("x", 10**9, anchor=-5)], Colours(), 7)

    assert (caret.start, caret.end, caret.head) == (0, 7, 7)


def test_typing_notices_name_up_to_three() -> None:
    """More are counted."""
    four = [somebody(name, typing=True) for name in ("Ann", "Ben", "Cid", "Dan")]

    assert typing_words([somebody("Ann")]) == ""
    assert typing_words(four[:1]) == "Ann is typing…"
    assert typing_words(four[:2]) == "Ann and Ben are typing…"
    assert typing_words(four) == "4 people are typing…"


# Sharing


def test_the_share_dialog_says_what_a_link_means() -> None:
    """Role by role, with what it shows and where it can be revoked."""
    for role, can in ((Role.READER, "read it"), (Role.WRITER, "change"), (Role.ADMIN, "give others access")):
        words = warning(role)

        assert words.startswith("Anyone with this link can ")
        assert can in words
        assert "It shows its holder the history and the members' ids. You can revoke it" in words


def test_a_qr_code_that_does_not_fit_is_left_out() -> None:
    """Half of a code is worse than none."""
    link = "pgc://node.example:7000/#" + "x" * 100

    assert qr_lines(link, 20, 10) == []
    assert len({len(line) for line in qr_lines(link, 100, 60)}) == 1


# Chat


def test_messages_of_one_author_share_a_head_and_days_are_marked() -> None:
    """A head line comes with a new author or after a pause, a day line with a new day."""
    first, soon = said("one"), said("two", number=1)
    other, late = said("three", "Ben", number=2), said("four", "Ben", time=START + DAY)

    assert [line.kind for line in message_lines(first, None, 30)] == ["day", "head", "text"]
    assert [line.kind for line in message_lines(soon, first, 30)] == ["text"]
    assert [line.kind for line in message_lines(other, soon, 30)] == ["head", "text"]
    assert [line.kind for line in message_lines(late, other, 30)] == ["day", "head", "text"]


def test_an_impossible_clock_is_no_fault() -> None:
    """A hostile time shows as no date."""

    assert moment(10**30) is None
    assert message_lines(said("x", time=-(10**30)), None, 30)[0].text == "no date"


def test_control_characters_in_messages_become_marks() -> None:
    """Neither escape sequences nor overlong messages reach the terminal."""
    lines = message_lines(said("\x1b[2Jgone\u202e" + "\n" * 5000), None, 30)

    assert lines[2].text == "␛[2Jgone␦"
    assert len(lines) < 500


def chat_of(count: int) -> tuple[Timeline, FakeChatHandle]:
    handle = FakeChatHandle("talk", [said(f"message {number}", number=number) for number in range(count)])
    timeline = Timeline(handle)
    timeline.resize(40, 10)
    return timeline, handle


def test_a_chat_opens_at_its_newest_message_and_follows() -> None:
    """New messages appear at the bottom while one is there."""
    timeline, handle = chat_of(50)
    first = timeline.visible()[-1].text
    handle.receive(said("newest", number=50))

    assert first == "message 49"
    assert timeline.visible()[-1].text == "newest"


def test_a_chat_stays_where_one_reads() -> None:
    """Whoever scrolled up keeps his place, and sees how many came below."""
    timeline, handle = chat_of(50)
    timeline.visible()
    timeline.scroll(-20)
    before = timeline.visible()
    handle.receive(said("newest", number=50))
    timeline.changed()
    same = timeline.visible()
    handle._messages.insert(0, said("late from before", number=99))
    timeline.changed()

    assert same == before
    assert [line.text for line in timeline.visible()[-3:]] == [line.text for line in before[-3:]]
    assert timeline.unread == 2


def test_the_work_for_a_page_does_not_grow_with_the_chat() -> None:
    """A hundred thousand messages are asked for no more than a page at a time."""
    timeline, handle = chat_of(100_000)
    timeline.visible()
    handle.asked = 0
    for _ in range(10):
        timeline.scroll(-9)
        timeline.visible()

    assert handle.asked < 2_000


@given(st.lists(st.integers(-30, 30), max_size=20), st.integers(0, 12))
def test_scrolling_never_leaves_the_chat(steps: list[int], count: int) -> None:
    """After any scrolling there is a full page, or the whole chat."""
    timeline, _ = chat_of(count)
    every = sum(len(timeline._lines(number)) for number in range(count))
    for step in steps:
        timeline.scroll(step)

        assert len(timeline.visible()) == min(10, every)

"""Which mailboxes are read: those of every day on which something may have come."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from peergos_collab.identity.cards import mailbox_key
from peergos_collab.identity.pairs import Pair
from peergos_collab.objects.mail import DAY, day_of
from peergos_collab.workspace import mail_reader
from peergos_collab.workspace.machine import now_ms
from peergos_collab.workspace.mail_reader import DAYS_BACK
from support.homes import Person, world

NODE = f"pgc://{'z' + '2' * 44}@127.0.0.1:1"


@pytest.fixture
async def people(tmp_path: Path) -> AsyncIterator[tuple[Person, Person]]:
    """Ana, who knows Ben and has a node; nobody goes online."""
    from peergos_collab.files.changes import add_node

    async with world(tmp_path) as made:
        ana, ben = await made.person("Ana"), await made.person("Ben")
        await ana.engine.change_profile(add_node(NODE))
        await ana.workspace.add_contact(await ben.workspace.contact_card())
        yield ana, ben


@pytest.fixture
def today(people: tuple[Person, Person]) -> int:
    """The day on which they met: not that on which the tests were collected, where midnight was between."""
    return day_of(now_ms())


def on_day(monkeypatch: pytest.MonkeyPatch, day: int) -> None:
    monkeypatch.setattr(mail_reader, "now_ms", lambda: day * DAY + DAY // 2)


def days(ana: Person, ben: Person) -> dict[int, bool]:
    """The days of Ben's mailboxes that are read, and whether each is held open."""
    own = ana.engine.keys.credentials
    pair = Pair.of(own.account_id, own.user, ben.engine.keys.credentials.account)
    now = day_of(now_ms())
    addresses = {pair.inbox(day).key.public: day for day in range(now - 99, now + 99)}
    wanted = ana.engine.mailroom.reader._wanted()
    found = {addresses[address]: box.hold for (address, _), box in wanted.items() if address in addresses}
    strangers = {address for address, _ in wanted if address not in addresses}
    assert strangers == {mailbox_key(own.user_seed).public}
    return found


def read_to_the_end(ana: Person, ben: Person) -> None:
    ana.engine.mailroom.reader._note_read(ben.engine.keys.credentials.account_id)


async def test_yesterday_today_and_tomorrow(
    people: tuple[Person, Person], today: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clocks differ; today's is held open."""
    on_day(monkeypatch, today)

    assert days(*people) == {today - 1: False, today: True, today + 1: False}


async def test_days_nobody_was_online_are_read_later(
    people: tuple[Person, Person], today: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the last day that was read to its end; however often nothing was read in between."""
    on_day(monkeypatch, today)
    read_to_the_end(*people)
    for later in (3, 9):
        on_day(monkeypatch, today + later)
        assert sorted(days(*people)) == list(range(today - 1, today + later + 2))
    read_to_the_end(*people)

    assert sorted(days(*people)) == [today + 8, today + 9, today + 10]


async def test_no_further_back_than_nodes_keep_mail(
    people: tuple[Person, Person], today: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After half a year there are a month's mailboxes to read, not more."""
    on_day(monkeypatch, today)
    read_to_the_end(*people)
    on_day(monkeypatch, today + 60)

    assert min(days(*people)) == today + 60 - DAYS_BACK


async def test_a_clock_that_went_back(
    people: tuple[Person, Person], today: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Yesterday is read in any case."""
    on_day(monkeypatch, today + 5)
    read_to_the_end(*people)
    on_day(monkeypatch, today)

    assert sorted(days(*people)) == [today - 1, today, today + 1]


async def test_who_is_not_accepted_has_no_mailbox(people: tuple[Person, Person]) -> None:
    """Neither has who was removed."""
    ana, ben = people
    await ana.workspace.remove_contact("Ben")

    assert days(ana, ben) == {}


async def test_so_many_are_held_open(
    people: tuple[Person, Person], today: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond that today's mailbox is polled like those of other days."""
    on_day(monkeypatch, today)
    monkeypatch.setattr(mail_reader, "MOST_HELD", 0)

    assert days(*people) == {today - 1: False, today: False, today + 1: False}

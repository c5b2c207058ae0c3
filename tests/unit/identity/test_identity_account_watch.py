"""Alarms: a log that goes back, a device with two histories, a root announced twice."""

from __future__ import annotations

import random

from peergos_collab.codec import to_multibase
from peergos_collab.identity.account_ops import AddNode
from peergos_collab.identity.account_watch import AccountWatch
from support.accounts import AccountMaker, LogFiller

ANA = AccountMaker(random.Random(8).randbytes)
LAPTOP = ANA.add("first", "laptop")
OLD, NEW = ANA.founded.account, ANA.account(LAPTOP)


def test_logs_of_any_age_are_united() -> None:
    """Records keep the log of their day; that is no reason for an alarm."""
    watch = AccountWatch()

    assert watch.take(NEW) == watch.take(OLD) == []
    assert watch.known[NEW.id] == NEW


def test_who_showed_more_before_is_told() -> None:
    """The alarm names the account. Another source that lags is none."""
    watch = AccountWatch()
    watch.take_newest(NEW, b"node a")
    alarms = watch.take_newest(OLD, b"node a")

    assert [alarm.account for alarm in alarms] == [NEW.id]
    assert to_multibase(NEW.id) in alarms[0].words
    assert watch.take_newest(OLD, b"node b") == []


def test_growth_is_no_alarm() -> None:
    """The same source may show more and more."""
    watch = AccountWatch()

    assert watch.take_newest(OLD, b"a") == watch.take_newest(NEW, b"a") == watch.take_newest(NEW, b"a") == []


def test_what_was_said_earlier_may_come_later() -> None:
    """Letters overtake each other; only a later word with less in it is an alarm."""
    watch = AccountWatch()

    assert watch.take_newest(NEW, b"a", 2) == watch.take_newest(OLD, b"a", 1) == []
    assert len(watch.take_newest(OLD, b"a", 3)) == 1


def test_a_split_history_is_told_once() -> None:
    """Two halves that are each in order make a fork once both are known; it names account and device."""
    one = ANA.account(LAPTOP, ANA.op("laptop", AddNode("pgc://a"), LAPTOP))
    other = ANA.account(LAPTOP, ANA.op("laptop", AddNode("pgc://b"), LAPTOP))
    watch = AccountWatch()

    assert watch.take(one) == []
    alarms = watch.take(other)
    assert [(alarm.account, alarm.device) for alarm in alarms] == [(one.id, ANA.secret("laptop").public.id)]
    assert watch.take(one) == watch.take(other) == []


def test_a_root_announced_twice_is_told() -> None:
    """Whoever has the recovery code besides its owner cannot use it unseen."""
    watch = AccountWatch()
    watch.take(ANA.account(ANA.take_over(salt=b"1")))
    alarms = watch.take(ANA.account(ANA.take_over(salt=b"2")))

    assert [(alarm.account, alarm.device) for alarm in alarms] == [(OLD.id, None)]


def test_more_changes_than_there_is_room_for_are_told_once() -> None:
    """What was known counts, and the account is named; that the code cut them off is no alarm."""
    one, other = (LogFiller(ANA.founded) for _ in range(2))
    one.fill("one")
    other.fill("other")
    watch = AccountWatch()

    assert watch.take(one.account) == []
    alarms = watch.take(other.account)
    assert [alarm.account for alarm in alarms] == [NEW.id]
    assert "more changes than there is room for" in alarms[0].words
    assert watch.known[NEW.id] == one.account
    assert watch.take(other.account) == []
    taken = AccountWatch()
    assert taken.take(ANA.account(ANA.take_over())) == taken.take(one.account) == []

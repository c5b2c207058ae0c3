"""When to give a sign of life and when to miss one."""

from __future__ import annotations

from transports.heartbeat import Heartbeat, Verdict


def wait(heart: Heartbeat, now: float) -> float:
    return now + heart.delay(now)


def test_silence_on_our_side_asks_for_a_ping() -> None:
    """After a second without sending, a ping is due."""
    heart = Heartbeat(10.0)
    now = wait(heart, 10.0)

    assert now == 11.0
    assert heart.tick(now) is Verdict.PING


def test_who_sends_need_not_ping() -> None:
    """Traffic is a sign of life itself."""
    heart = Heartbeat(0.0)
    now = wait(heart, 0.0)
    heart.sent(0.9)

    assert heart.tick(now) is Verdict.FINE
    assert wait(heart, now) == 1.9


def test_three_seconds_without_the_other_are_the_end() -> None:
    """Pings of our own do not count as signs of his life."""
    heart = Heartbeat(0.0)
    verdicts, now = [], 0.0
    while Verdict.LOST not in verdicts:
        now = wait(heart, now)
        verdicts.append(heart.tick(now))
        heart.sent(now)

    assert verdicts == [Verdict.PING, Verdict.PING, Verdict.LOST]
    assert now == 3.0


def test_a_pause_of_our_own_proves_nothing() -> None:
    """A process that stood still for a minute gives the other another three seconds."""
    heart = Heartbeat(0.0)
    wait(heart, 0.0)

    assert heart.tick(60.0) is Verdict.PING

    heart.sent(60.0)
    now = 60.0
    for _ in range(2):
        now = wait(heart, now)
        heart.tick(now)
        heart.sent(now)
    assert heart.tick(wait(heart, now)) is Verdict.LOST
    assert now < 63.0

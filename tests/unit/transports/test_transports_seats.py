"""Who has a seat at a node, and who gives one up."""

from __future__ import annotations

import resource

from transports.seats import Seats, seats_here, whose


def test_no_address_is_limited_while_there_is_room() -> None:
    """An entry node may bring everybody."""
    seats = Seats[int](100)

    assert [seats.take("entry", number) for number in range(100)] == [None] * 100
    assert list(seats) == list(range(100))


def test_who_has_most_makes_room_for_the_others() -> None:
    """A flood from one address keeps nobody out, and ends nothing but its own, newest first."""
    seats = Seats[str](10)
    for number in range(8):
        seats.take("flood", f"flood{number}")
    seats.take("a", "a0")
    seats.take("b", "b0")

    assert seats.take("flood", "flood8") == "flood8"
    assert seats.take("c", "c0") == "flood7"
    assert seats.take("a", "a1") == "flood6"
    assert seats.take("flood", "flood9") == "flood9"
    assert sorted(seats) == ["a0", "a1", "b0", "c0", *(f"flood{number}" for number in range(6))]


def test_among_equals_the_newcomer_waits() -> None:
    """Where all have as many, whoever comes for one more does not push anybody out."""
    seats = Seats[str](4)
    for name in ("a0", "a1", "b0", "b1"):
        seats.take(name[0], name)

    assert seats.take("c", "c0") in ("a1", "b1")
    assert seats.take("b", "b2") == "b2"


def test_the_oldest_may_be_given_up_instead() -> None:
    """Of whoever has most."""
    seats = Seats[str](3, newest=False)
    for name in ("a0", "b0", "b1"):
        seats.take(name[0], name)

    assert seats.take("b", "b2") == "b0"
    assert seats.take("a", "a1") in ("a0", "b1")


def test_a_seat_that_is_left_is_free() -> None:
    """Leaving twice, or without a seat, changes nothing."""
    seats = Seats[str](1)
    seats.take("a", "a0")
    for _ in range(2):
        seats.leave("a", "a0")
    seats.leave("b", "b0")

    assert seats.take("b", "b0") is None
    assert seats.take("b", "b1") == "b1"


def test_one_customer_counts_as_one() -> None:
    """However many addresses of his 2⁶⁴ he comes from."""
    assert whose("2001:db8:1:2:3::4") == whose("2001:db8:1:2::9") == "2001:db8:1:2::/64"
    assert whose("2001:db8:1:3::4") != whose("2001:db8:1:2::4")
    assert whose("fe80::4%eth0") != whose("fe80::5%eth0")
    assert [whose(host) for host in ("192.0.2.1", "::ffff:192.0.2.1", "")] == [
        "192.0.2.1",
        "::ffff:192.0.2.1",
        "",
    ]


def test_open_files_limit_the_seats() -> None:
    """A system that allows few open files allows fewer connections, and some stay for the rest."""
    files, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (400, most))
    try:
        assert (seats_here(4096), seats_here(10)) == (300, 10)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, most))

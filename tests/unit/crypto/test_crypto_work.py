"""Proof of work."""

from __future__ import annotations

from peergos_collab.crypto import Tag, find_nonce, work_done


def test_what_is_found_does_the_work() -> None:
    """The search and the check agree, for each number of bits."""
    for bits in range(11):
        nonce = find_nonce(Tag.MAIL_WORK, b"message", bits, 0, 100_000)

        assert nonce is not None
        assert work_done(Tag.MAIL_WORK, b"message", nonce) >= bits


def test_the_search_finds_the_first() -> None:
    """Nothing with enough work is passed over."""
    done = [work_done(Tag.MAIL_WORK, b"message", n.to_bytes(8, "big")) for n in range(2_000)]
    first = next(n for n, bits in enumerate(done) if bits >= 8)

    assert find_nonce(Tag.MAIL_WORK, b"message", 8, 0, 2_000) == first.to_bytes(8, "big")


def test_the_search_ends_after_its_tries() -> None:
    """256 bits are never found; the search says so and returns."""
    assert find_nonce(Tag.MAIL_WORK, b"message", 256, 0, 10) is None

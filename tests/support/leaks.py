"""What a node may never see, whatever is done: searched for in all that an observer has recorded."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from peergos_collab.codec import decode_untrusted
from peergos_collab.codec.sizes import BUCKETS, padme
from peergos_collab.objects.ephemeral import SIZES as EPHEMERAL_SIZES
from peergos_collab.objects.mail import SIZES as MAIL_SIZES
from peergos_collab.objects.mail import Mail
from peergos_collab.objects.records import CERTIFICATE
from peergos_collab.sync.frames import MAX_FRAME, Frame

from .needles import runs, runs_in
from .observer import Observer

MAIL = (Frame.PUT_MAIL, Frame.OPEN_MAIL, Frame.DROP_MAIL)
DROPS = (Frame.PUT_DROP, Frame.GET_DROP)


def leaks(observer: Observer, *secrets: bytes, cards: frozenset[bytes] = frozenset()) -> list[str]:
    """Each thing that was seen and must not be.

    Args:
        secrets: of which no 8 bytes may be on the wire.
        cards: mailboxes that stand on cards; every other one is a pair's, for one day.
    """
    return [
        *hellos_that_name_somebody(observer),
        *sessions_that_join(observer),
        *lengths_of_their_own(observer),
        *mailboxes_that_stay(observer, cards),
        *(["8 bytes of a secret"] if runs_in(observer.wire, runs(*secrets)) else []),
    ]


def hellos_that_name_somebody(observer: Observer) -> Iterator[str]:
    """A client says nothing in its hello but the version and a nonce, which is never the same."""
    nonces = set()
    for seen in observer.record:
        if seen.inward and seen.frame is Frame.HELLO:
            _, nonce, key, stun = seen.fields
            if key != b"" or stun:
                yield "a hello with something in it"
            if nonce in nonces:
                yield "a nonce that was there before"
            nonces.add(nonce)


def sessions_that_join(observer: Observer) -> Iterator[str]:
    """One mailbox, or one link, or objects: never two of these on one session."""
    on: dict[int, set[object]] = defaultdict(set)
    for seen in observer.record:
        if not seen.inward:
            continue
        if seen.frame is Frame.PUT_MAIL:
            on[seen.session].add(Mail.parse_untrusted(seen.fields[0]).address)
        elif seen.frame in MAIL or seen.frame is Frame.GET_DROP:
            on[seen.session].add(seen.fields[0])
        elif seen.frame is Frame.PUT_DROP:
            body, _ = decode_untrusted(seen.fields[0], MAX_FRAME)
            on[seen.session].add(decode_untrusted(body, MAX_FRAME)[1])
        elif seen.frame is Frame.OPEN:
            on[seen.session].add("objects")
    for things in on.values():
        if len(things) > 1:
            yield "a session that shows what belongs together"


def lengths_of_their_own(observer: Observer) -> Iterator[str]:
    """Sealed things of a length that others of their kind do not have."""
    for seen in observer.record:
        fields = seen.fields
        match seen.frame:
            case Frame.SEGMENTS:
                wrong = any(len(raw) != padme(len(raw)) for raw in fields[1])
            case Frame.RECORDS:
                records = [raw for raw in fields[1] if decode_untrusted(raw, MAX_FRAME)[1] != CERTIFICATE]
                wrong = any(len(raw) not in BUCKETS for raw in records)
            case Frame.PUT_DROP:
                wrong = len(fields[0]) not in BUCKETS
            case Frame.PUT_MAIL:
                wrong = len(decode_untrusted(fields[0], 1 << 17)[2]) not in MAIL_SIZES
            case Frame.EPHEMERAL:
                wrong = any(len(sealed) not in EPHEMERAL_SIZES for _, _, sealed in fields[1])
            case _:
                wrong = False
        if wrong:
            yield f"{seen.frame.name} of a length of its own"


def mailboxes_that_stay(observer: Observer, cards: frozenset[bytes]) -> Iterator[str]:
    """Letters of two days in one mailbox, other than that on a card."""
    days: dict[bytes, set[int]] = defaultdict(set)
    for mail in letters(observer):
        days[mail.address].add(mail.day)
    for address, on in days.items():
        if len(on) > 1 and address not in cards:
            yield "a mailbox that stays the same the next day"


def letters(observer: Observer) -> list[Mail]:
    """All that was put into mailboxes."""
    puts = [seen for seen in observer.record if seen.inward and seen.frame is Frame.PUT_MAIL]
    return [Mail.parse_untrusted(seen.fields[0]) for seen in puts]

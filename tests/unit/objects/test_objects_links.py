"""Share links, their drops, and the capabilities inside."""

from __future__ import annotations

import random
from typing import Any

import pytest

from peergos_collab.codec import decode_untrusted, encode, from_multibase_untrusted, to_multibase
from peergos_collab.codec.ids import EpochId, ObjectId
from peergos_collab.codec.sizes import BUCKETS
from peergos_collab.crypto import BoxPair, Tag
from peergos_collab.errors import BadLink, RemoteProtocolError
from peergos_collab.objects.epoch_keys import EpochKeys, Level
from peergos_collab.objects.links import (
    MAX_COUNTER,
    MAX_NODES,
    Capability,
    Drop,
    Link,
    LinkKeys,
    make_drop,
    make_last_drop,
)
from peergos_collab.objects.principals import PrincipalKind, link_id
from peergos_collab.ports import Address

RANDOM = random.Random(16).randbytes
LINK = Link.generate(Address(RANDOM(32), "node.example", 8443), False, RANDOM)
KEYS = LinkKeys.from_seed(LINK.seed(""))
CAPABILITY = Capability(
    ObjectId(RANDOM(32)), EpochId(RANDOM(32)), EpochKeys(Level.WRITE, RANDOM(32)), 2, "Notes", ("pgc://x",)
)
DROP = make_drop(CAPABILITY, KEYS, 5_000, 7, RANDOM)


def test_a_link_comes_back_from_its_text() -> None:
    """With and without a password; and spaces around it do no harm."""
    for password in (False, True):
        link = Link(LINK.address, LINK.key, password)

        assert Link.parse_untrusted(f" {link.text()}\n") == link


def test_repr_hides_the_key() -> None:
    """A link in an error message or log gives nothing away."""
    assert LINK.text().rpartition("#")[2] not in repr(LINK)
    assert repr(LINK.key) not in repr(LINK)


def test_every_mistyped_character_is_noticed() -> None:
    """Also a cut link, another address' key, and things that are no links."""
    text = LINK.text()
    start = text.index("#") + 2
    other = Link(Address(RANDOM(32), "node.example", 8443), LINK.key, False).text()
    wrong = [text[:at] + ("2" if text[at] != "2" else "3") + text[at + 1 :] for at in range(start, len(text))]
    wrong += [text[:at] for at in range(len(text))]
    wrong += [other.partition("#")[0] + "#" + text.partition("#")[2], "https://example.org/#zabc", ""]
    for attempt in wrong:
        with pytest.raises(BadLink, match="nothing was changed"):
            Link.parse_untrusted(attempt)


@pytest.mark.parametrize(
    ("text", "words"),
    [("https://example.org/#zabc", "begin with"), ("pgc://abc", "ends before"), ("", "begin with")],
)
def test_what_is_wrong_is_said(text: str, words: str) -> None:
    """Another kind of link is told from one that was cut."""
    with pytest.raises(BadLink, match=words):
        Link.parse_untrusted(text)


def test_unknown_flags_are_refused() -> None:
    """A later version's link is not half understood."""
    head, _, secret = LINK.text().partition("#")
    raw = from_multibase_untrusted(secret)
    body = b"\x02" + raw[1:17]
    flagged = head + "#" + to_multibase(body + LINK._checksum(body))
    with pytest.raises(BadLink):
        Link.parse_untrusted(flagged)


def test_a_password_changes_every_key() -> None:
    """Without it the drop is not even found."""
    locked = Link(LINK.address, LINK.key, True)
    right, wrong = (LinkKeys.from_seed(locked.seed(word)) for word in ("right", "wrong"))

    assert len({keys.drop.public for keys in (KEYS, right, wrong)}) == 3
    assert LinkKeys.from_seed(locked.seed("right")).drop == right.drop


def test_a_link_is_a_principal_of_its_own() -> None:
    """Its id is the hash of its keys."""
    assert KEYS.principal.kind is PrincipalKind.LINK
    assert KEYS.principal.id == link_id(KEYS.sign.verify_key, KEYS.box.public_key)
    assert KEYS.principal.id != link_id(KEYS.sign.verify_key, BoxPair.generate(RANDOM).public_key)


def test_a_drop_gives_its_capability_to_the_link_only() -> None:
    """It has an allowed size and is signed; other keys do not open it."""
    drop = Drop.parse_untrusted(DROP.raw)
    found = drop.open(KEYS)

    assert (found.object, found.epoch, found.title, found.nodes) == (
        CAPABILITY.object,
        CAPABILITY.epoch,
        "Notes",
        ("pgc://x",),
    )
    assert found.keys.secret(Level.WRITE) == CAPABILITY.keys.secret(Level.WRITE)
    assert (drop.counter, drop.expires) == (7, 5_000)
    assert len(drop.raw) in BUCKETS
    with pytest.raises(RemoteProtocolError):
        drop.open(LinkKeys.from_seed(Link(LINK.address, RANDOM(16), False).seed("")))


@pytest.mark.parametrize(
    ("at", "value"),
    [(0, 2), (1, b"short"), (2, -1), (2, 2**32 + 1), (3, 2**53 + 1), (4, "text"), (None, None)],
)
def test_a_drop_has_one_form(at: int | None, value: Any) -> None:
    """Version, key, counter, expiry, contents and signature."""
    body, signature = decode_untrusted(DROP.raw, 1 << 14)
    fields = decode_untrusted(body, 1 << 14)
    if at is not None:
        fields[at] = value
        body = encode(fields)
        signature = KEYS.drop.sign(Tag.SIGN_DROP, body)
    else:
        signature = bytes(64)
    raw = encode([body, signature])
    with pytest.raises(RemoteProtocolError):
        Drop.parse_untrusted(raw if len(raw) in BUCKETS else _sized(fields))


def _sized(fields: list[Any]) -> bytes:
    """The same record with a body that makes its size an allowed one."""
    for size in range(800, 1000):
        if type(fields[4]) is bytes:
            fields[4] = bytes(size)
        body = encode(fields)
        raw = encode([body, KEYS.drop.sign(Tag.SIGN_DROP, body)])
        if len(raw) in BUCKETS:
            return raw
    return raw


def test_other_sizes_are_refused() -> None:
    """Lengths of drops tell nothing."""
    body, signature = decode_untrusted(DROP.raw, 1 << 14)
    with pytest.raises(RemoteProtocolError, match="size"):
        Drop.parse_untrusted(encode([body + b"x", signature]))


@pytest.mark.parametrize(
    ("at", "value"),
    [
        (0, 2),
        (1, b"x"),
        (2, b"x"),
        (3, 0),
        (3, 4),
        (4, b"x"),
        (5, 256),
        (6, "x" * 256),
        (7, ["x"] * (MAX_NODES + 1)),
        (7, ["x" * 513]),
        (7, [b"x"]),
        (8, bytes(33)),
    ],
)
def test_a_capability_has_one_form(at: int, value: Any) -> None:
    """Whoever made the link may be hostile."""
    fields = decode_untrusted(CAPABILITY.encode(), 1 << 14)
    fields[at] = value
    with pytest.raises(RemoteProtocolError):
        Capability.decode_untrusted(encode(fields))


def test_the_last_drop_opens_nothing() -> None:
    """It has expired by every clock, nothing can be newer, and no capability is in it."""
    last = make_last_drop(KEYS, RANDOM)

    assert last.public == DROP.public
    assert 0 < last.expires < 1_000
    assert last.counter == MAX_COUNTER
    with pytest.raises(RemoteProtocolError):
        last.open(KEYS)

"""Prune records and objections: their form, who signs them, and who is named by them."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from peergos_collab.codec import decode_untrusted, encode
from peergos_collab.codec.ids import LogId, RecordId
from peergos_collab.crypto import BadSignature, Tag, copen, cseal
from peergos_collab.errors import NoAccess, RemoteProtocolError
from peergos_collab.objects.bindings import NoMember
from peergos_collab.objects.epoch_keys import EpochKeys, Level
from peergos_collab.objects.prunes import MAX_PRUNE, MAX_REPLACED, Prune, Replaced
from support.members import Group

RANDOM = random.Random(45).randbytes
GROUP = Group(["Ana", "Ben", "Eve"], RANDOM)
GROUP.add("Ana", "Ben", Level.WRITE, "Eve")
EPOCHS = {GROUP.first.id: GROUP.first}
NAMED = sorted(Replaced(LogId(RANDOM(32)), 1 + 9 * n, 9 + 9 * n, RANDOM(32)) for n in range(3))


def keys(name: str) -> EpochKeys:
    return GROUP[name].membership.keys[GROUP.first.id]


def issue(by: str, what: Sequence[Replaced] | RecordId = NAMED) -> Prune:
    actor = GROUP[by].maker.actor
    return Prune.issue(GROUP.object, GROUP.first.id, what, keys(by), actor, RANDOM)


PRUNE = issue("Ana")
OBJECTION = issue("Ben", PRUNE.id)


@pytest.mark.parametrize("record", [PRUNE, OBJECTION])
def test_what_is_made_is_read(record: Prune) -> None:
    """With its id, and only after its signature was checked."""
    assert Prune.parse_untrusted(record.raw).verify(EPOCHS) == record
    assert len(record.raw) < 16 << 10


@pytest.mark.parametrize(("record", "name"), [(PRUNE, "Ana"), (OBJECTION, "Ben")])
def test_members_learn_who_made_it(record: Prune, name: str) -> None:
    """The device signs it inside the seal, and the account speaks for itself."""
    author = record.author_untrusted(keys("Ana"), GROUP["Ana"].view)

    assert author.principal == GROUP[name].id
    assert author.name == GROUP[name].maker.actor.name


def test_who_lacks_the_key_learns_nothing_of_him() -> None:
    """It is sealed for members."""
    other = Group(["Zoe"], RANDOM)
    with pytest.raises(RemoteProtocolError):
        PRUNE.author_untrusted(other["Zoe"].membership.keys[other.first.id], GROUP["Ana"].view)


def test_a_writer_makes_none() -> None:
    """He may object."""
    with pytest.raises(NoAccess):
        issue("Ben")


def test_who_is_no_admin_by_now_is_not_believed() -> None:
    """Whatever key he has."""
    claimed = Prune.issue(GROUP.object, GROUP.first.id, NAMED, keys("Ana"), GROUP["Ben"].maker.actor, RANDOM)
    with pytest.raises(NoMember):
        claimed.author_untrusted(keys("Ana"), GROUP["Ana"].view)


def test_who_is_named_by_one_is_named_by_no_other() -> None:
    """The part that says who made it holds for what it says and nothing else."""
    other = issue("Ana", NAMED[:1])
    fields, moved = (decode_untrusted(each.raw, MAX_PRUNE) for each in (other, PRUNE))
    copied = Prune.parse_untrusted(encode([*fields[:5], moved[5], fields[6]]))._prune
    with pytest.raises(RemoteProtocolError):
        copied.author_untrusted(keys("Ana"), GROUP["Ana"].view)


def test_who_reads_it_cannot_have_its_author_say_something_else() -> None:
    """The device signed what it says: sealed anew in another record, that does not hold."""
    said = copen(keys("Ben").content, Tag.PRUNE, PRUNE._sealed, PRUNE._claim)
    fields = decode_untrusted(issue("Ana", NAMED[:1]).raw, MAX_PRUNE)
    sealed = cseal(keys("Ben").content, Tag.PRUNE, said, encode(fields[:5]), RANDOM)
    copied = Prune.parse_untrusted(encode([*fields[:5], sealed, fields[6]]))._prune
    with pytest.raises(BadSignature):
        copied.author_untrusted(keys("Ana"), GROUP["Ana"].view)


@pytest.mark.parametrize("record", [PRUNE, OBJECTION])
@pytest.mark.parametrize("at", [3, 4, 5, 6])
def test_nobody_else_changes_it(record: Prune, at: int) -> None:
    """Its id, and with it the signature, covers all of it."""
    fields = decode_untrusted(record.raw, MAX_PRUNE)
    fields[at] = bytes([fields[at][0] ^ 1]) + fields[at][1:] if type(fields[at]) is bytes else fields[at][:2]
    with pytest.raises(RemoteProtocolError):
        Prune.parse_untrusted(encode(fields)).verify(EPOCHS)


def test_a_readers_key_signs_no_prune_record() -> None:
    """An objection's signature does not make one."""
    prune, objection = (decode_untrusted(each.raw, MAX_PRUNE) for each in (PRUNE, OBJECTION))
    with pytest.raises(RemoteProtocolError):
        Prune.parse_untrusted(encode([*prune[:6], objection[6]])).verify(EPOCHS)


@pytest.mark.parametrize(
    "replaced",
    [
        [],
        [each.fields() for each in reversed(NAMED)],
        [NAMED[0].fields()] * 2,
        [[NAMED[0].log, 0, 9, bytes(32)]],
        [[NAMED[0].log, 9, 8, bytes(32)]],
        [[NAMED[0].log, 1, 3000, bytes(32)]],
        [[NAMED[0].log, 1, 9, b"x"]],
        [[b"log", 1, 9, bytes(32)]],
        [[NAMED[0].log, n + 1, n + 1, bytes(32)] for n in range(MAX_REPLACED + 1)],
        b"short",
        b"",
    ],
)
def test_false_forms(replaced: object) -> None:
    """Each is refused."""
    fields = decode_untrusted(PRUNE.raw, MAX_PRUNE)
    with pytest.raises(RemoteProtocolError):
        Prune.parse_untrusted(encode([*fields[:4], replaced, *fields[5:]]))

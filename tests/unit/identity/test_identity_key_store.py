"""The key store opens with its passphrase, its recovery code or its master key, and with nothing else."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from peergos_collab.codec import decode_untrusted, encode
from peergos_collab.crypto import FLOOR, MasterKey, PasswordParameters
from peergos_collab.errors import Damaged, LocalProtocolError, NewerFormat, PassphraseNeeded, WrongPassphrase
from peergos_collab.identity.key_store import KeyStore
from peergos_collab.identity.recovery_code import RecoveryCode

CHEAP = PasswordParameters(passes=1, memory=1 << 13)
"""What a guess costs in tests only: far below the floor."""

CONTENTS = b"the secrets of this device"
PASSPHRASE = "correct horse"
CODE = RecoveryCode(bytes(range(20)))


def made(passphrase: str | None = PASSPHRASE) -> tuple[KeyStore, bytes]:
    return KeyStore.create(CONTENTS, passphrase, CODE, os.urandom, CHEAP)


def opened(raw: bytes, passphrase: str = PASSPHRASE) -> KeyStore:
    return KeyStore.open_untrusted(raw, passphrase=passphrase, floor=CHEAP)


def test_opens_in_three_ways() -> None:
    """Passphrase, recovery code and master key each give the contents."""
    store, raw = made()

    assert opened(raw).contents == CONTENTS
    assert KeyStore.open_untrusted(raw, recovery=CODE).contents == CONTENTS
    assert KeyStore.open_untrusted(raw, master=store.master).contents == CONTENTS


def test_passphrase_is_normalised() -> None:
    """One passphrase typed in two Unicode forms is one passphrase."""
    _, raw = made("caf\u00e9")

    assert opened(raw, "cafe\u0301").contents == CONTENTS


def test_wrong_keys_are_told() -> None:
    """A wrong passphrase, recovery code or master key is WrongPassphrase, and none is PassphraseNeeded."""
    _, raw = made()

    with pytest.raises(WrongPassphrase):
        opened(raw, "wrong")
    with pytest.raises(WrongPassphrase):
        KeyStore.open_untrusted(raw, recovery=RecoveryCode(bytes(20)))
    with pytest.raises(WrongPassphrase):
        KeyStore.open_untrusted(raw, master=MasterKey(bytes(32)))
    with pytest.raises(PassphraseNeeded):
        KeyStore.open_untrusted(raw)


def test_without_passphrase_the_master_key_opens() -> None:
    """A store without passphrase opens with the master key or the recovery code, and with no passphrase."""
    store, raw = made(None)

    assert KeyStore.open_untrusted(raw, master=store.master).contents == CONTENTS
    assert KeyStore.open_untrusted(raw, recovery=CODE).contents == CONTENTS
    with pytest.raises(WrongPassphrase):
        opened(raw, "")


def test_passphrase_change_makes_a_new_master_key() -> None:
    """After a change the new passphrase and the same recovery code open; old passphrase and master do not."""
    store, _ = made()
    changed, raw = store.change_passphrase("new", os.urandom, CHEAP)

    assert changed.master != store.master
    assert opened(raw, "new").contents == CONTENTS
    assert KeyStore.open_untrusted(raw, recovery=CODE).contents == CONTENTS
    for old in ({"passphrase": PASSPHRASE}, {"master": store.master}):
        with pytest.raises(WrongPassphrase):
            KeyStore.open_untrusted(raw, floor=CHEAP, **old)  # type: ignore[arg-type]


def test_recovery_code_survives_many_changes() -> None:
    """The recovery code opens the store after changes made by whoever opened it from its file."""
    _, raw = made()
    for passphrase in ("one", None, "two"):
        _, raw = KeyStore.open_untrusted(raw, recovery=CODE).change_passphrase(passphrase, os.urandom, CHEAP)

    assert opened(raw, "two").contents == CONTENTS
    assert KeyStore.open_untrusted(raw, recovery=CODE).contents == CONTENTS


def test_contents_change_under_the_same_keys() -> None:
    """New contents keep every way to open the store, and leave the old contents unreadable in it."""
    store, _ = made()
    _, raw = store.with_contents(b"more secrets", os.urandom)

    assert opened(raw).contents == b"more secrets"
    assert KeyStore.open_untrusted(raw, recovery=CODE).contents == b"more secrets"
    assert KeyStore.open_untrusted(raw, master=store.master).contents == b"more secrets"


def test_a_planted_recovery_slot_gains_nothing() -> None:
    """Whoever can write the file cannot make the next passphrase change seal to his own recovery code."""
    _, raw = made()
    thief = RecoveryCode(bytes(20))
    _, foreign = KeyStore.create(b"", None, thief, os.urandom, CHEAP)
    fields, planted = decode_untrusted(raw, 1 << 20), decode_untrusted(foreign, 1 << 20)
    fields[1] = [fields[1][0], planted[1][0]]
    _, after = opened(encode(fields)).change_passphrase("new", os.urandom, CHEAP)

    with pytest.raises(WrongPassphrase):
        KeyStore.open_untrusted(after, recovery=thief)
    assert KeyStore.open_untrusted(after, recovery=CODE).contents == CONTENTS


def test_floor_is_enforced() -> None:
    """A passphrase slot that costs less to guess than the floor is not used, whatever it holds."""
    _, raw = made()

    with pytest.raises(Damaged, match="weaker"):
        KeyStore.open_untrusted(raw, passphrase=PASSPHRASE)
    assert not CHEAP.at_least(FLOOR)


def test_absurd_parameters_are_refused() -> None:
    """A file cannot make opening it take terabytes or years."""
    _, raw = made()
    for index, value in ((1, 1 << 40), (2, 1 << 50), (0, b""), (1, "x")):
        fields = decode_untrusted(raw, 1 << 20)
        slot = fields[1][0]
        slot[1][index] = value
        _recheck(slot)
        with pytest.raises(Damaged):
            opened(encode(fields))


def _recheck(slot: list[object]) -> None:
    from zlib import crc32

    slot[3] = crc32(encode([1, *slot[:3]]))


def test_newer_format_is_told_from_damage() -> None:
    """A file of a later version is NewerFormat; ours with a damaged version is Damaged."""
    _, raw = made()
    fields = decode_untrusted(raw, 1 << 20)

    with pytest.raises(NewerFormat):
        KeyStore.open_untrusted(encode([2, {}, b"whatever"]), passphrase="x")
    with pytest.raises(Damaged):
        KeyStore.open_untrusted(encode([9, *fields[1:]]), passphrase=PASSPHRASE)


def test_every_flipped_bit() -> None:
    """One flipped bit is Damaged, or lies in a slot not used: then it is named and the contents are right."""
    store, raw = made()
    noticed = 0
    for bit in range(len(raw) * 8):
        flipped = bytearray(raw)
        flipped[bit // 8] ^= 1 << bit % 8
        for way in ({"passphrase": PASSPHRASE}, {"recovery": CODE}, {"master": store.master}):
            try:
                found = KeyStore.open_untrusted(bytes(flipped), floor=CHEAP, **way)  # type: ignore[arg-type]
            except Damaged:
                noticed += 1
            else:
                assert (found.contents, len(found.damaged)) == (CONTENTS, 1)

    assert noticed > len(raw) * 8


def test_damaged_slot_is_healed_by_a_passphrase_change() -> None:
    """A damaged recovery slot is reported, stays so with new contents, and is made anew by a change."""
    _, raw = made()
    fields = decode_untrusted(raw, 1 << 20)
    sealed = fields[1][1][2]
    fields[1][1][2] = bytes([sealed[0] ^ 1]) + sealed[1:]
    store = opened(encode(fields))
    _, rewritten = store.with_contents(CONTENTS, os.urandom)
    _, healed = store.change_passphrase(PASSPHRASE, os.urandom, CHEAP)

    assert store.damaged == ("recovery code",)
    assert opened(rewritten).damaged == ("recovery code",)
    with pytest.raises(Damaged):
        KeyStore.open_untrusted(rewritten, recovery=CODE)
    assert KeyStore.open_untrusted(healed, recovery=CODE).damaged == ()


@given(st.binary(max_size=600))
def test_random_bytes_are_damaged(raw: bytes) -> None:
    """Bytes that are no key store are Damaged or NewerFormat."""
    with pytest.raises((Damaged, NewerFormat)):
        opened(raw)


@settings(max_examples=200)
@given(st.data())
def test_changed_files_never_give_wrong_contents(data: st.DataObject) -> None:
    """Whatever is cut or overwritten, a store opens with its contents or raises a documented error."""
    _, raw = _FIXED
    start = data.draw(st.integers(0, len(raw)))
    stop = data.draw(st.integers(start, len(raw)))
    changed = raw[:start] + data.draw(st.binary(max_size=40)) + raw[stop:]
    try:
        found = opened(changed)
    except (Damaged, NewerFormat, WrongPassphrase):
        return

    assert found.contents == CONTENTS


_FIXED = made()


def test_repr_hides_secrets() -> None:
    """Neither contents nor keys are in what a key store or a recovery code prints."""
    store, _ = made()

    for text in (repr(store), repr(CODE), str(CODE)):
        assert CONTENTS.decode() not in text
        assert CODE.show()[:5] not in text
        assert store.master.expose().hex() not in text


def test_too_large_contents_are_refused() -> None:
    """Contents beyond the size limit are refused when written, not when read."""
    with pytest.raises(LocalProtocolError):
        KeyStore.create(bytes(1 << 20), None, CODE, os.urandom, CHEAP)

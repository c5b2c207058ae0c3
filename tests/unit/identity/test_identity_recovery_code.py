"""The recovery code survives paper, handwriting and typing, and mistakes in it are told."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peergos_collab.errors import LocalProtocolError, UsageError
from peergos_collab.identity.recovery_code import RecoveryCode
from peergos_collab.objects.links import LinkKeys

codes = st.binary(min_size=20, max_size=20).map(RecoveryCode)
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


@given(codes)
def test_what_is_shown_is_read_back(code: RecoveryCode) -> None:
    """A code reads back from what was shown, also in small letters, without hyphens, or spaced otherwise."""
    shown = code.show()

    assert RecoveryCode.parse(shown) == code
    assert RecoveryCode.parse(shown.lower().replace("-", "")) == code
    assert RecoveryCode.parse(" " + shown.replace("-", "\n ")) == code
    assert RecoveryCode.parse(shown.replace("0", "O").replace("1", "l")) == code


def test_form_of_a_known_code() -> None:
    """The text form of one code never changes: people keep it on paper for years."""
    assert RecoveryCode(bytes(range(20))).show() == "000GN-40R4C-0M305-E2090-185G1-R38E1-1W81V-24GKR"


def test_where_a_known_code_leads() -> None:
    """The drop of one code never changes either: what is on paper must find the account after years."""
    keys = LinkKeys.from_seed(RecoveryCode(bytes(range(20))).drop_seed())

    assert keys.drop.public.hex().startswith("874fa6dbbe753edd40d807fef7e11d1a68342c511dbadde7")


@given(codes, st.integers(0, 39), st.sampled_from(ALPHABET))
def test_one_wrong_character_is_found_and_its_group_named(code: RecoveryCode, index: int, typed: str) -> None:
    """Any other character in one place is refused, and the message names its group."""
    characters = list(code.show().replace("-", ""))
    if characters[index] == typed:
        return
    characters[index] = typed

    with pytest.raises(UsageError, match=f"Group {index // 5 + 1} "):
        RecoveryCode.parse("".join(characters))


@given(codes, st.integers(0, 38))
def test_exchanged_neighbours_are_found(code: RecoveryCode, index: int) -> None:
    """Two exchanged neighbours in a group are refused."""
    characters = list(code.show().replace("-", ""))
    if index % 5 == 4 or characters[index] == characters[index + 1]:
        return
    characters[index : index + 2] = characters[index + 1], characters[index]

    with pytest.raises(UsageError, match=f"Group {index // 5 + 1} "):
        RecoveryCode.parse("".join(characters))


@given(codes, st.permutations(range(8)))
def test_groups_in_another_order_are_found(code: RecoveryCode, order: list[int]) -> None:
    """Groups read in another order are refused."""
    if order == sorted(order):
        return
    groups = code.show().split("-")

    with pytest.raises(UsageError):
        RecoveryCode.parse("-".join(groups[place] for place in order))


@pytest.mark.parametrize("text", ["", "hello", "00000-" * 8, "🦊" * 40, "U" * 40, "ß" * 40])
def test_other_text_is_refused(text: str) -> None:
    """What is no recovery code at all is a UsageError with a hint."""
    with pytest.raises(UsageError) as caught:
        RecoveryCode.parse(text)

    assert caught.value.hint


def test_a_missing_character_names_its_group() -> None:
    """A group that is too short is named, and not the ones after it."""
    groups = RecoveryCode(os.urandom(20)).show().split("-")
    groups[2] = groups[2][:4]

    with pytest.raises(UsageError, match="Group 3 "):
        RecoveryCode.parse("-".join(groups))


def test_keys_derived_differ() -> None:
    """Slot and next root come from the code, each its own, the same every time."""
    code, other = RecoveryCode(bytes(20)), RecoveryCode(b"\x01" + bytes(19))

    assert code.next_root() == RecoveryCode(bytes(20)).next_root()
    assert code.slot_pair() == RecoveryCode(bytes(20)).slot_pair()
    assert code.next_root() != other.next_root()
    assert code.slot_pair().public_key != other.slot_pair().public_key


def test_a_code_has_20_bytes() -> None:
    """A code of another length is refused at once."""
    with pytest.raises(LocalProtocolError):
        RecoveryCode(bytes(19))

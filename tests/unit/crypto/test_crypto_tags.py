"""The registry of purposes: no two are alike, and no key, hash or signature serves two."""

from __future__ import annotations

import ast
import itertools
from collections import defaultdict
from functools import cache

import pytest

from peergos_collab.crypto import Tag
from support.sources import parsed

USES = {
    "derive": "derive",
    "keyed_hash": "keyed hash",
    "hash256": "hash",
    "agree": "agreement",
    "find_nonce": "work",
    "work_done": "work",
    "cseal": "seal",
    "copen": "seal",
    "sign": "signature",
    "verify": "signature",
}
"""What a tag is passed to, and which kind of use that is."""


def test_tags_are_unique() -> None:
    """Two members with one value would be one purpose; Enum would hide the second as an alias."""
    assert list(Tag.__members__) == [tag.name for tag in Tag]


@pytest.mark.parametrize("tag", Tag)
def test_tags_fit(tag: Tag) -> None:
    """1 to 16 bytes of printable ASCII, so that the padding zeros are never a part of a tag."""
    assert 1 <= len(tag.value) <= 16
    assert tag.value.decode("ascii").isprintable()


def test_no_padded_tag_begins_another() -> None:
    """Tag ‖ message is read in one way only: padded tags have one length and differ."""
    padded = [tag.value.ljust(16, b"\0") for tag in Tag]

    assert {len(each) for each in padded} == {16}
    assert not any(one.startswith(other) for one, other in itertools.permutations(padded, 2))


def test_signature_tags_are_apart() -> None:
    """Tags for signatures, and only they, are named SIGN_… and begin with ``s ``."""
    assert {tag for tag in Tag if tag.name.startswith("SIGN_")} == {
        tag for tag in Tag if tag.value.startswith(b"s ")
    }


@cache
def named() -> frozenset[tuple[str, str, str]]:
    """(Member of Tag, kind of use, module) wherever one is named; no kind where it is no call's argument."""
    found = set()
    for module, _, tree in parsed():
        for node in ast.walk(tree):
            if member := tag_member(node):
                found.add((member, "", module))
            if isinstance(node, ast.Call):
                name = getattr(node.func, "attr", getattr(node.func, "id", ""))
                for argument in [*node.args, *(keyword.value for keyword in node.keywords)]:
                    if member := tag_member(argument):
                        found.add((member, USES.get(name, name), module))
    return frozenset(found)


def tag_uses() -> dict[str, set[str]]:
    """For each member of Tag, what it is used for."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for member, kind, _ in named():
        if kind in USES.values():
            found[member].add(kind)
    return found


def tag_member(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Tag":
        return node.attr
    return ""


def test_the_source_uses_members_that_exist() -> None:
    """No call names a tag that the registry does not have."""
    assert {member for member, _, _ in named()} <= set(Tag.__members__)


def test_signature_tags_only_sign() -> None:
    """No SIGN_… tag derives, hashes or seals, and no other tag signs."""
    for member, kinds in tag_uses().items():
        if member.startswith("SIGN_"):
            assert kinds <= {"signature"}, f"{member} is used for {kinds}"
        else:
            assert "signature" not in kinds, f"{member} is signed under"


def test_a_tag_serves_one_kind_of_use() -> None:
    """What derives a key does not name a record as well, and the other way round."""
    for member, kinds in tag_uses().items():
        assert len(kinds) <= 1, f"{member} is used for {kinds}"


RESERVED: dict[str, str] = {}
"""Members nothing uses yet, with what they are kept for."""

SHARED = {
    "SEAL": "each sealing key comes from a tag of its own",
    "SIGN_PROOF": "one module makes the proofs that the other checks",
}
"""Members that more than one module may name, with the reason that no key serves two purposes."""


def modules_naming() -> dict[str, set[str]]:
    """For each member, the modules that name it."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for member, _, module in named():
        found[member].add(module)
    return found


def test_every_tag_is_used_or_reserved() -> None:
    """A purpose nobody has would be a mistake in the making, and so would a reserved one that is in use."""
    assert {tag.name for tag in Tag} - set(modules_naming()) == set(RESERVED)


def test_a_tag_has_one_home() -> None:
    """One module owns each purpose, so that no second use creeps in unseen."""
    assert {
        name: files for name, files in modules_naming().items() if len(files) > 1 and name not in SHARED
    } == {}

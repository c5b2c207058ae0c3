"""What comes from bytes is verified, or of a type that says that it is not: nothing is verified "later"."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from mypy import api as mypy

from support.sources import parsed

TYPES = {
    "Segment": "peergos_collab.objects.segments",
    "Epoch": "peergos_collab.objects.records",
    "Grant": "peergos_collab.objects.records",
    "Certificate": "peergos_collab.objects.certificates",
    "Prune": "peergos_collab.objects.prunes",
    "SignedOp": "peergos_collab.objects.operations",
    "Receipt": "peergos_collab.sync.receipts",
    "Ephemeral": "peergos_collab.objects.ephemeral",
}
"""What is verified, and where it is made. Each has a form before that, with ``Unverified`` in its name."""

VERIFIED_AT_ONCE = {
    "EpochLink": "peergos_collab.objects.records",
    "Introduced": "peergos_collab.objects.bindings",
    "Letter": "peergos_collab.objects.letters",
    "Drop": "peergos_collab.objects.links",
    "Account": "peergos_collab.identity.account",
    "AccountOp": "peergos_collab.identity.account_ops",
    "ContactCard": "peergos_collab.identity.cards",
    "Greeting": "peergos_collab.identity.greetings",
}
"""The same for what one function parses and verifies, and so has no form before that."""

MADE_ELSEWHERE = {
    (
        "Introduced",
        "peergos_collab.workspace.checkpoint",
    ): "from a checkpoint, sealed with the device's own key",
}

VERIFY: dict[str, tuple[str, ...]] = {
    "signatures in it are checked with keys in it, or given": (
        "identity.account:Account.parse_untrusted",
        "identity.account_ops:AccountOp.parse_untrusted",
        "identity.cards:ContactCard.parse_untrusted",
        "identity.cards:ContactCard.read_untrusted",
        "identity.greetings:Greeting.parse_untrusted",
        "objects.bindings:check_introduction_untrusted",
        "objects.letters:read_letter_untrusted",
        "objects.links:Drop.parse_untrusted",
        "objects.prunes:Prune.author_untrusted",
        "objects.records:EpochLink.parse_untrusted",
        "sync.base_segments:find_base_untrusted",
        "sync.introductions:Introductions.take_untrusted",
        "sync.introductions:Introductions.read_untrusted",
        "sync.introductions:Introductions._verify_carried_untrusted",
        "sync.rights:Rights.take_untrusted",
        "workspace.account_parcel:AccountParcel.decode_untrusted",
        "workspace.history:show_preview_untrusted",
        "workspace.preview:Preview.take_untrusted",
        "workspace.presence:PresenceBook.take_untrusted",
        "workspace.recovery_drop:RecoveryDrop.decode_untrusted",
    ),
    "keys in it are compared with public ones that were verified": (
        "identity.credentials:read_seeds_untrusted",
        "identity.credentials:Credentials.decode_untrusted",
    ),
    "work, checked with a hash": (
        "objects.mail:Mail.parse_untrusted",
        "sync.session_mail:_numbered_untrusted",
        "workspace.mailroom:Mailroom.take_from_neighbour_untrusted",
        "workspace.neighbours:NeighbourLink._take_untrusted",
    ),
    "sealed with a key that only this device has": (
        "identity.key_store:KeyStore.open_untrusted",
        "sync.journal:open_entry_untrusted",
        "workspace.recovery_drop:RecoveryDrop.open_kept_untrusted",
    ),
    "sealed with keys that people compare": (
        "identity.device_meeting:Meeting.open_untrusted",
        "identity.device_meeting:Offering.take_untrusted",
        "identity.device_meeting:Joining.take_untrusted",
        "workspace.linking:Linking._take_untrusted",
        "workspace.new_device:_NewDevice._take_untrusted",
    ),
}
"""Functions that give or use nothing that is not verified, and how they verify."""

NOTHING_TO_VERIFY: dict[str, tuple[str, ...]] = {
    "an encoding: it says nothing about anybody": (
        "codec.bases:from_multibase_untrusted",
        "codec.bases:from_base64url_untrusted",
        "codec.cbor:decode_untrusted",
        "codec.sizes:unpad_untrusted",
        "identity.pair_texts:PairText.read_untrusted",
        "identity.pair_texts:PairText._parse_untrusted",
        "codec.words:from_words_untrusted",
        "crypto.certificates:pin_of_untrusted",
        "objects.payload:_unpack_untrusted",
        "objects.payload:kind_untrusted",
        "sync.frames:decode_frame_untrusted",
        "workspace.socket_frames:read_frame_untrusted",
        "transports.fragments:Outbox.credit_untrusted",
        "transports.fragments:Inbox.fragment_untrusted",
        "transports.session_description:_candidate_untrusted",
        "transports.lan:announcement_untrusted",
        "workspace.near:_call_untrusted",
        "node.stun:answer_untrusted",
        "transports.tunnel_messages:parse_ask_untrusted",
        "transports.tunnel_messages:parse_answer_untrusted",
        "transports.relay:_is_hello_untrusted",
    ),
    "a part of something signed, which whoever parses that verifies": (
        "identity.account_ops:BoxedSeeds.parse_untrusted",
        "objects.back_links:parse_back_links_untrusted",
        "objects.epoch_keys:EpochPublic.parse_untrusted",
        "objects.op_kinds:read_op_untrusted",
        "objects.principals:Principal.parse_untrusted",
        "objects.prunes:Forgets.parse_untrusted",
        "objects.prunes:Replaced.parse_untrusted",
        "sync.session_mail:SessionMail._reader_untrusted",
        "sync.session_mail:_numbers_untrusted",
        "transports.session_description:SessionDescription.parse_untrusted",
    ),
    "what a verified segment holds: its author is verified before a fold is given it": (
        "objects.payload:decode_payload_untrusted",
        "objects.archives:Archive.parse_untrusted",
        "objects.archives:Archive.unpack_untrusted",
        "objects.archives:Archive._open_untrusted",
        "objects.archives:_unzip_untrusted",
        "objects.snapshots:SnapshotPlace.parse_untrusted",
        "objects.snapshots:SnapshotPart.decode_untrusted",
        "objects.snapshots:_end_untrusted",
        "objects.snapshots:join_snapshot_untrusted",
        "sync.snapshots:Snapshots.take_untrusted",
        "sync.snapshots:open_part_untrusted",
        "sync.snapshots:stored_snapshot_untrusted",
        "sync.base_segments:read_base_untrusted",
        "sync.fold:Fold.take_untrusted",
        "sync.fold:Fold.take_base_untrusted",
        "workspace.folds:DocumentFold.take_untrusted",
        "workspace.folds:DocumentFold.take_base_untrusted",
        "workspace.recording:RecordingFold.take_untrusted",
        "workspace.recording:RecordingFold.take_base_untrusted",
        "workspace.folds:ChatFold.take_untrusted",
        "workspace.folds:ChatFold.take_base_untrusted",
        "workspace.folds:EntriesFold.take_untrusted",
        "workspace.folds:EntriesFold.take_base_untrusted",
        "chat.events:decode_events_untrusted",
        "chat.timeline:Timeline.add_untrusted",
        "chat.timeline:_read_untrusted",
        "files.changes:decode_changes_untrusted",
        "files.entries:EntryMap.add_untrusted",
        "documents.anchors:read_anchor_untrusted",
        "documents.received_text:ReceivedText.apply_untrusted",
        "documents.received_text:ReceivedText.take_state_untrusted",
        "documents.indexed_text:IndexedText.offset_untrusted",
        "documents.firewall:check_untrusted",
        "documents.version_names:Naming.decode_untrusted",
        "documents.version_names:naming_in_untrusted",
    ),
    "what this account's own devices wrote into its profile": (
        "identity.contacts:ContactRecord.decode_untrusted",
        "workspace.device_book:DeviceNote.decode_untrusted",
        "workspace.made_links:MadeLink.decode_untrusted",
        "workspace.references:ObjectReference.decode_untrusted",
    ),
    "the sealed letter, which is parsed and verified by read_letter_untrusted": (
        "objects.letters:open_from_stranger_untrusted",
        "objects.letters:open_in_pair_untrusted",
    ),
    "keys that prove and open only what they are the keys of; KeyRing believes them once an epoch's fit": (
        "objects.wraps:unwrap_untrusted",
        "objects.links:Capability.decode_untrusted",
    ),
    "a secret that somebody was given: who has it is who it is for": (
        "objects.links:Link.parse_untrusted",
        "identity.device_code:DeviceCode.read_untrusted",
    ),
    "what a device of this account says that two people compared with: by it sessions are shared, no more": (
        "workspace.known_circles:KnownCircles.read_untrusted",
    ),
    "receipts that are verified once somebody knows the node that they are said to be of": (
        "workspace.told:read_shown_untrusted",
    ),
    "what the other side says to have: by it is decided what to send, and nothing else": (
        "sync.heads:tips_untrusted",
        "sync.packed_places:places_untrusted",
        "sync.packed_places:questions_untrusted",
        "sync.packed_places:ranges_untrusted",
    ),
    "frames: records, segments and letters in them stay bytes until somebody verifies them": (
        "sync.session:Session.receive_untrusted",
        "sync.session_archives:SessionArchives.receive_untrusted",
        "sync.session_collections:SessionCollections.receive_untrusted",
        "sync.session_mail:SessionMail.receive_untrusted",
        "node.shelf:Shelf.receive_untrusted",
        "ports.tunnels:Tunnels.serve_untrusted",
        "transports.tunnels:EntryTunnels.serve_untrusted",
        "transports.peer_connection:PeerConnection.frame_received_untrusted",
        "transports.peer_connection:PeerConnection._frame_untrusted",
    ),
}
"""Functions that give what no signature is on, and why that does no harm."""


Function = ast.FunctionDef | ast.AsyncFunctionDef


def _functions(node: ast.AST, before: str = "") -> Iterator[tuple[str, Function]]:
    for child in ast.iter_child_nodes(node):
        name = before
        if isinstance(child, ast.ClassDef | Function):
            name = f"{before}{child.name}"
            if not isinstance(child, ast.ClassDef):
                yield name, child
            name += "."
        yield from _functions(child, name)


@cache
def _read() -> tuple[dict[str, str], set[tuple[str, str]]]:
    """Every function whose name ends in ``_untrusted``, with what it returns; and which module calls what."""
    parsers: dict[str, str] = {}
    calls: set[tuple[str, str]] = set()
    for module, _, tree in parsed():
        for name, function in _functions(tree):
            if name.endswith("_untrusted"):
                returns = ast.unparse(function.returns or ast.Constant(None))
                parsers[f"{module.removeprefix('peergos_collab.')}:{name}"] = returns
        for call in ast.walk(tree):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name):
                calls.add((module, call.func.id))
    return parsers, calls


def test_foreign_bytes_become_what_is_verified_or_says_that_it_is_not() -> None:
    """A new function for foreign bytes has to say which. One that returns an Unverified type has said so."""
    parsers, _ = _read()
    unverified = {name for name, returns in parsers.items() if "Unverified" in returns}
    told = [name for table in (VERIFY, NOTHING_TO_VERIFY) for names in table.values() for name in names]

    assert sorted(told) == sorted(parsers.keys() - unverified)
    assert len(unverified) == 13


@pytest.mark.parametrize("name", [*TYPES, *VERIFIED_AT_ONCE])
def test_what_is_verified_is_made_by_its_own_module(name: str) -> None:
    """Which has the functions that verify, and those that make and sign."""
    home = {**TYPES, **VERIFIED_AT_ONCE}[name]
    _, calls = _read()
    makers = {module for module, called in calls if called == name and module.startswith("peergos_collab.")}

    assert {maker for maker in makers - {home} if (name, maker) not in MADE_ELSEWHERE} == set()


def _snippet() -> tuple[str, dict[int, str]]:
    """A module that uses what is not verified in each way it must not be, and the error of each line."""
    lines = ["from typing import Any"]
    for name, module in TYPES.items():
        lines.append(f"from {module} import {name}, Unverified{name.removeprefix('Signed')}")
    expected: dict[int, str] = {}

    def add(line: str, error: str = "") -> None:
        lines.append(line)
        if error:
            expected[len(lines)] = error

    for name in TYPES:
        add(f"def want_{name}(it: {name}) -> None: ...")
        add(f"def give_{name}(it: Unverified{name.removeprefix('Signed')}, true: {name}) -> None:")
        add(f"    want_{name}(true)")
        add(f"    want_{name}(it)", "arg-type")
        add(f"    all_of: list[{name}] = [it]", "list-item")
        add("    _ = all_of")
        for use in USES[name]:
            add(f"    _ = true.{use}")
            add(f"    _ = it.{use}", "attr-defined")
    return "\n".join(lines) + "\n", expected


USES = {
    "Segment": ("open", "body", "raw"),
    "Epoch": ("keys", "wraps", "back_links", "parents", "public_link"),
    "Grant": ("wraps", "epoch"),
    "Certificate": ("signature",),
    "Prune": ("replaced", "objects_to", "author_untrusted"),
    "SignedOp": ("op", "author", "level"),
    "Ephemeral": ("content",),
    "Receipt": ("tips", "whole"),
}
"""Of what is verified: what there must be no way to before."""


def test_the_type_checker_finds_what_was_not_verified(tmp_path: Path) -> None:
    """Passed on where something verified is wanted, or looked into, it fails ``make lint``."""
    source, expected = _snippet()
    path = tmp_path / "snippet.py"
    path.write_text(source, "utf-8")
    out, problems, _ = mypy.run(["--strict", "--no-error-summary", str(path)])
    found = {int(line): error for line, error in re.findall(r"snippet\.py:(\d+): error:.*\[([\w-]+)\]", out)}

    assert problems == ""
    assert found == expected

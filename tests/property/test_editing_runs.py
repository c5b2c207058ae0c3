"""Random editing rounds end without a difference; with a fault built in, they find it.

``PGC_EDITING_ROUNDS=N`` runs N rounds instead of a few; ``support.editing_runs`` any number, with a count.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence

import pytest

from peergos_collab.documents import document as document_module
from peergos_collab.documents import replica as replica_module
from peergos_collab.sync.causal_order import CausalOrder
from peergos_collab.sync.replica import Replica
from peergos_collab.workspace.folds import DocumentFold
from support.editing_runs import difference_of
from support.plain_text import PlainText

ROUNDS = int(os.environ.get("PGC_EDITING_ROUNDS", "150"))


def test_no_differences() -> None:
    """Everybody, the stored state and the plain reference end with one text, and nothing is lost."""
    differences = {seed: difference_of(seed) for seed in range(ROUNDS)}

    assert not {seed: found for seed, found in differences.items() if found}


def _counts_characters_for_units(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(document_module, "_units", len)


def _rewrites_line_ends(patch: pytest.MonkeyPatch) -> None:
    edit = replica_module.Replica._edit_by_search

    def rewriting(self: replica_module.Replica, start: int, end: int, text: str) -> bytes:
        return edit(self, start, end, text.replace("\r\n", "\n"))

    patch.setattr(replica_module.Replica, "_edit_by_search", rewriting)


def _undoes_all(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        replica_module.Replica,
        "follow",
        lambda self: self._undo or setattr(self, "_undo", _everybodys_undo(self)),
    )


def _everybodys_undo(replica: replica_module.Replica) -> replica_module.UndoManager:
    undo = replica_module.UndoManager(1_000, replica._steps.time, [], [])
    undo.expand_scope_text(replica._doc, replica._text)  # type: ignore[attr-defined]
    return undo


def _no_causal_order(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(CausalOrder, "_is_applied", lambda self, cite: True)


def _forgets_the_journal(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Replica, "restore_journal", lambda self: None)


def _seals_only_the_last(patch: pytest.MonkeyPatch) -> None:
    def last(self: DocumentFold, changes: Sequence[bytes]) -> bytes:
        return changes[-1]

    patch.setattr(DocumentFold, "combine", last)


def _orders_by_arrival(patch: pytest.MonkeyPatch) -> None:
    """As an engine does that lets replicas differ: seen from here the reference is the other one."""
    patch.setattr(
        PlainText,
        "_place",
        lambda self, new: 1 + [u.id for u in self.units].index(new.left) if new.left else 0,
    )


PLANTED: dict[str, tuple[Callable[[pytest.MonkeyPatch], None], str]] = {
    "counts characters for units": (_counts_characters_for_units, "counts|clocks"),
    "rewrites line ends": (_rewrites_line_ends, "differ|something else"),
    "undoes all": (_undoes_all, "undo took away"),
    "no causal order": (_no_causal_order, "set aside|waits|differ|clocks"),
    "forgets the journal": (_forgets_the_journal, "lost"),
    "seals only the last": (_seals_only_the_last, "set aside|differ|lost|waits"),
    "orders by arrival": (_orders_by_arrival, "plain reference"),
}


@pytest.mark.parametrize("fault", PLANTED)
def test_a_planted_fault_is_found(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With this fault built in one of a few rounds ends in a difference that looks like it."""
    plant, symptom = PLANTED[fault]
    plant(monkeypatch)
    found = next(filter(None, map(difference_of, range(200))), "")

    assert re.search(symptom, found)


@pytest.mark.parametrize(
    "seed",
    [
        7235444,  # what was written behind a character whose author went on was thought to be elsewhere
    ],
)
def test_what_was_a_difference_once_is_none(seed: int) -> None:
    """Each of these rounds has had one."""
    assert not difference_of(seed)

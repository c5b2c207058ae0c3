"""Edits that are made apart, to some state of a document, and merged in like anybody's."""

from __future__ import annotations

import os
from typing import cast

from ..codec.ids import RunId
from ..documents import Document, difference
from ..documents.client_id import client_id
from .folds import DocumentFold
from .open_object import OpenObject


def write_apart(opened: OpenObject, state: bytes, text: str) -> None:
    """Makes a state's text another one, under a run of its own, and merges that into the document.

    Args:
        state: a Yjs state of this document, now or of before.
    """
    run = RunId(os.urandom(16))
    replica = opened.live.replica
    apart = Document(client_id(opened.live.id, replica.author.device, run), state)
    updates: list[bytes] = []
    apart.on_update(updates.append)
    apart.edit_each(difference(apart.text, text))
    for update in updates:
        cast(DocumentFold, opened.fold).take_attached(update)
        opened.live.submit(update, run)

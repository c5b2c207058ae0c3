"""Choosing a passphrase for this device, or none."""

from __future__ import annotations

from typing import Any, Final

from textual.app import ComposeResult
from textual.widgets import Label

from ..widgets.field import Field
from .dialog import Dialog, words

PASSPHRASE: Final = ("passphrase", "again")
"""The fields, in their order."""


def passphrase_fields() -> ComposeResult:
    """Two fields that must agree, and what it means to leave them empty."""
    yield Label("A passphrase for this device (may stay empty)")
    yield Field(id="passphrase", password=True)
    yield Label("The passphrase again")
    yield Field(id="again", password=True)
    yield words("Without one, whoever can read your files can open this home.", classes="note")


def agree(dialog: Dialog[Any]) -> bool:
    """Whether both fields hold the same; says so where they do not."""
    if dialog.field("passphrase") == dialog.field("again"):
        return True
    dialog.show_error("The two passphrases differ. Type both again.")
    dialog.query_one("#passphrase").focus()
    return False

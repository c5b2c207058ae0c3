"""Where an entry node is named before there is a home that could know one."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.widgets import Label

from ..widgets.field import Field


def entry_field() -> ComposeResult:
    """A field ``#entry``; empty goes to the node directly."""
    yield Label("An entry node on the way there (may stay empty)")
    yield Field(id="entry", placeholder="pgc://…@host:port of another operator")

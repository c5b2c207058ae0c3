"""Boxes to tick and to choose from, that show without colours too which of them are on."""

from __future__ import annotations

from textual.widgets import Checkbox, RadioButton

_OFF = " "


class Tick(Checkbox):
    """On or off."""

    @property
    def BUTTON_INNER(self) -> str:  # type: ignore[override]  # noqa: N802  textual's name
        return Checkbox.BUTTON_INNER if self.value else _OFF


class Choice(RadioButton):
    """One of several."""

    @property
    def BUTTON_INNER(self) -> str:  # type: ignore[override]  # noqa: N802  textual's name
        return RadioButton.BUTTON_INNER if self.value else _OFF

"""Private names of Textual: they exist, and only one module uses them."""

from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path

import pytest
import textual

from tui.textual_private import NAMES

TUI = Path(__file__).parents[2] / "tui"


@pytest.mark.parametrize(("owner", "name"), NAMES)
def test_every_private_name_still_exists(owner: str, name: str) -> None:
    """An upgrade of Textual that takes one away fails here, and not on somebody's screen."""
    module, _, kind = owner.partition(":")
    found = getattr(import_module(module), kind)
    source = Path(import_module(module).__file__ or "").read_text(encoding="utf-8")

    assert hasattr(found, name) or f"self.{name}" in source


def test_nobody_else_uses_private_names_of_other_objects() -> None:
    """Outside of that module an underscore is only ever reached through self."""
    guilty = []
    for path in sorted(TUI.rglob("*.py")):
        if path.name == "textual_private.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Attribute)
                and node.attr.startswith("_")
                and not node.attr.startswith("__")
            ):
                own = isinstance(node.value, ast.Name) and node.value.id == "self"
                if not own:
                    guilty.append(f"{path.name}:{node.lineno} {node.attr}")
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("textual._"):
                guilty.append(f"{path.name}:{node.lineno} {node.module}")

    assert guilty == []


def test_textual_is_the_version_the_names_were_read_in() -> None:
    """Minor versions move private names; the pin and this test are raised together."""

    assert textual.__version__.startswith("8.2.")

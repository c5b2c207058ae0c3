"""docs/attacks.md: each attack names tests that exist."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "attacks.md"
ROWS = [
    line for line in PAGE.read_text().splitlines() if line.startswith("|") and not line.startswith("|---")
]
ATTACKS = [row for row in ROWS if not row.endswith("| shown by |")]


@cache
def names_in(module: str) -> set[str]:
    """What a test module defines or sets at its top."""
    found = set()
    for node in ast.parse((TESTS / f"{module}.py").read_text()).body:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                found.add(node.name)
            case ast.Assign(targets=[ast.Name(id=name)]):
                found.add(name)
    return found


@pytest.mark.parametrize("row", ATTACKS, ids=range(len(ATTACKS)))
def test_each_attack_has_its_tests(row: str) -> None:
    """The last column names at least one test; each is there."""
    named = re.findall(r"`([\w/]+)::(\w+)`", row.split("|")[-2])

    assert named
    for module, name in named:
        assert (TESTS / f"{module}.py").exists(), module
        assert name in names_in(module), name

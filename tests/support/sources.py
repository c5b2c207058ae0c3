"""The source of the program, parsed."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

PACKAGES = [
    Path(find_spec(name).submodule_search_locations[0]) for name in ("peergos_collab", "transports", "tui")
]


def parsed() -> Iterator[tuple[str, Path, ast.Module]]:
    """Each module's name, file and tree. Keep what is read from a tree, not the tree: all are 100 MB."""
    for package in PACKAGES:
        for path in sorted(package.rglob("*.py")):
            parts = path.relative_to(package.parent).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            yield name, path, ast.parse(path.read_text("utf-8"))

"""What is secret stands in no ``repr``: so it comes into no message or log by accident."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from support.sources import parsed

SECRET = {"code", "content", "description", "passphrase", "password", "recovery_code", "secret", "seed"}
"""Names of fields that hold keys, what leads to keys, or what was written."""

PLAIN = {"str", "bytes", "bytearray", "str | None", "bytes | None", "tuple[str, ...]"}


def is_value(found: ast.ClassDef) -> bool:
    return any("dataclass" in ast.unparse(decorator) for decorator in found.decorator_list)


def shown(found: ast.ClassDef) -> Iterator[str]:
    """The secret fields of a value class that its ``repr`` shows."""
    if any(isinstance(node, ast.FunctionDef) and node.name == "__repr__" for node in found.body):
        return
    for node in found.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            hidden = node.value is not None and "repr=False" in ast.unparse(node.value)
            if node.target.id in SECRET and ast.unparse(node.annotation) in PLAIN and not hidden:
                yield node.target.id


def test_values_show_nothing_secret() -> None:
    """Of all value classes, by the names of their fields."""
    classes = [
        (f"{name}.{node.name}", list(shown(node)))
        for name, _, tree in parsed()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and is_value(node)
    ]

    assert len(classes) > 100
    assert not {name: fields for name, fields in classes if fields}

"""The README's embedding example runs as printed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from peergos_collab.node import serve_node

README = Path(__file__).parents[2] / "README.md"


async def test_the_embedding_example_runs(tmp_path: Path) -> None:
    """Ana shares a document, Bo writes into it, and Ana reads what he wrote."""
    [example] = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(example, str(README), "exec"), names)  # the example is the thing under test
    node = await serve_node(tmp_path / "node", "127.0.0.1", 0)
    try:
        text = await names["main"](tmp_path, node.address)
    finally:
        await node.close()

    expected = "Shopping: apples"
    assert expected == text

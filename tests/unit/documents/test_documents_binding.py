"""pycrdt's binding, loaded without its package."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "order",
    [
        pytest.param("import pycrdt\nfrom peergos_collab.documents import binding", id="after the package"),
        pytest.param("from peergos_collab.documents import binding\nimport pycrdt", id="before the package"),
    ],
)
def test_a_program_may_use_the_package_too(order: str) -> None:
    """Whichever is imported first, there is one binding, and the package works."""
    code = f"""{order}
from peergos_collab.documents import Document
from pycrdt._pycrdt import Doc
document = Document(1)
document.edit(0, 0, "word")
other = pycrdt.Doc()
other.apply_update(document.state())
print(str(other.get("text", type=pycrdt.Text)), binding.Doc is Doc)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert ran.stdout.split() == ["word", "True"]


def test_where_it_is_missing_that_is_said() -> None:
    """An installation without the compiled part fails with its name, not somewhere inside."""
    code = """if True:
        import sys
        from importlib.machinery import PathFinder
        find = PathFinder.find_spec
        PathFinder.find_spec = lambda name, *rest: None if "_pycrdt" in name else find(name, *rest)
        try:
            import peergos_collab.documents
        except ModuleNotFoundError as error:
            print(error.name)
    """
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert ran.stdout.strip() == "pycrdt._pycrdt"

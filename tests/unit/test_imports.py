"""Who may import what, and what an import costs. Layers are in pyproject.toml, checked by lint-imports."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from itertools import chain

import pytest

import peergos_collab
from peergos_collab import errors
from support.sources import parsed

_IO = ("asyncio", "sched", "select", "selectors", "socket", "socketserver", "sqlite3", "ssl", "subprocess")
_CLOCKS = ("time",)
_CHANCE = ("random", "secrets", "uuid")

FORBIDDEN = {
    "peergos_collab.errors": (*_IO, *_CLOCKS, *_CHANCE),
    "peergos_collab.values": (*_IO, *_CLOCKS, *_CHANCE),
    "peergos_collab.codec": (*_IO, *_CLOCKS, *_CHANCE),
    "peergos_collab.ports": (*_IO, *_CLOCKS, *_CHANCE),
    # ssl is allowed here: contexts and certificates are keys; the sockets they protect are not made here.
    "peergos_collab.crypto": (*(name for name in _IO if name != "ssl"), *_CLOCKS),
    "peergos_collab.identity": (*_IO, *_CLOCKS, *_CHANCE),
    "peergos_collab.objects": (*_IO, *_CLOCKS, *_CHANCE),
    "peergos_collab.sync": (*_IO, *_CLOCKS, *_CHANCE),
    "peergos_collab.documents": (*_IO, *_CLOCKS, *_CHANCE),
    "peergos_collab.chat": (*_IO, *_CLOCKS, *_CHANCE),
    "peergos_collab.files": (*_IO, *_CLOCKS, *_CHANCE),
    "transports": ("sqlite3",),
    "tui": ("socket", "sqlite3"),
}
"""Package -> modules it never imports: the pure ones get bytes, time and chance from outside."""

ONLY_IN = {
    "nacl": ("peergos_collab.crypto",),
    "cryptography": ("peergos_collab.crypto",),
    "hashlib": ("peergos_collab.crypto",),
    "hmac": ("peergos_collab.crypto",),
    "dataclasses.dataclass": ("peergos_collab.values",),
    "pycrdt": ("peergos_collab.documents",),
    "sqlite3": ("peergos_collab.storage", "peergos_collab.testing"),
    "aiortc": ("transports.webrtc",),
    "aioice": ("transports.ice", "transports.reflexive", "transports.webrtc"),
    "av": ("transports.webrtc",),
    "websockets": ("transports",),
    "zeroconf": ("transports.lan",),
    "textual": ("tui",),
    "rich": ("tui",),
}
"""Module -> the only packages that import it."""


def _within(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def _imported(tree: ast.Module, package: str) -> Iterator[str]:
    """Full dotted names, relative imports resolved, those inside functions included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                anchor = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*anchor, base] if base else anchor)
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


@cache
def _modules() -> dict[str, set[str]]:
    """Each module, with what it imports."""
    found = {}
    for module, path, tree in parsed():
        package = module if path.name == "__init__.py" else module.rpartition(".")[0]
        found[module] = set(_imported(tree, package))
    return found


@pytest.mark.parametrize("package", FORBIDDEN)
def test_a_package_never_imports_what_its_row_forbids(package: str) -> None:
    """Pure packages import no I/O, no clock and no chance, not even inside a function."""
    found = [
        f"{module} imports {name}"
        for module, names in _modules().items()
        if _within(module, package)
        for name in names
        for forbidden in FORBIDDEN[package]
        if _within(name, forbidden)
    ]

    assert found == []


@pytest.mark.parametrize("library", ONLY_IN)
def test_a_library_is_imported_only_by_its_owner(library: str) -> None:
    """Each cryptographic, CRDT, network and interface library has one package that knows it."""
    found = [
        module
        for module, names in _modules().items()
        if any(_within(name, library) for name in names)
        and not any(_within(module, owner) for owner in ONLY_IN[library])
    ]

    assert found == []


def test_the_reader_of_imports_sees_every_form() -> None:
    """Plain, aliased, nested and relative imports all count, or the tables above would prove nothing."""
    tree = ast.parse(
        "import a.b as c\ndef f():\n    from ..x import y\n    from . import z\n    import time\n"
    )

    assert set(_imported(tree, "p.q")) == {"a.b", "p.x", "p.x.y", "p.q", "p.q.z", "time"}


@pytest.mark.parametrize("package", sorted({*FORBIDDEN, *chain.from_iterable(ONLY_IN.values())}))
def test_the_tables_name_packages_that_exist(package: str) -> None:
    """A renamed package may not drop out of the tables unnoticed."""
    assert any(_within(module, package) for module in _modules())


def _loaded_after(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint('\\n'.join(sys.modules), file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=200
    )
    return set(done.stderr.split())


def test_importing_the_library_loads_nothing_heavy() -> None:
    """``import peergos_collab`` costs next to nothing: no interface, network, CRDT or database code."""
    heavy = {
        "textual",
        "aiortc",
        "av",
        "websockets",
        "zeroconf",
        "uvloop",
        "pycrdt._pycrdt",
        "nacl",
        "sqlite3",
        "asyncio.base_events",
    }

    assert _loaded_after("import peergos_collab") & heavy == set()


def test_help_loads_nothing_heavy() -> None:
    """``pgc --help`` answers at once, so it loads neither interface, network, CRDT nor crypto code."""
    heavy = {
        "textual",
        "aiortc",
        "av",
        "websockets",
        "zeroconf",
        "uvloop",
        "pycrdt._pycrdt",
        "nacl",
        "sqlite3",
    }
    code = (
        "from peergos_collab.cli import main\n"
        "sys.argv = ['pgc', '--help']\n"
        "try:\n    main()\nexcept SystemExit as stop:\n    assert not stop.code, stop.code"
    )

    assert _loaded_after(code) & heavy == set()


@pytest.mark.parametrize("name", peergos_collab.__all__)
def test_every_public_name_can_be_imported(name: str) -> None:
    """What ``__all__`` promises is there."""
    assert getattr(peergos_collab, name) is not None


def test_every_error_that_leaves_the_library_is_public() -> None:
    """A program that embeds the library can catch each error by a public name."""
    tree = {name for name, value in vars(errors).items() if isinstance(value, type) and name[0] != "_"}

    assert tree - set(peergos_collab.__all__) == {"NotYet", "Quarantined"}  # these stay within it


def test_an_unknown_name_is_an_attribute_error() -> None:
    """Lazy loading keeps the usual behaviour for names that do not exist."""
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        peergos_collab.nonsense  # noqa: B018


def test_dir_lists_every_public_name() -> None:
    """Completion in an editor or a shell finds names before they are loaded."""
    assert set(peergos_collab.__all__) <= set(dir(peergos_collab))

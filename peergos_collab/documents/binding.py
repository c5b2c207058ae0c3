"""pycrdt's binding without the package around it.

That package also offers asynchronous streams, imports anyio for them, and looks through all that is
installed for its own version. That takes longer than the rest of what a document needs, and is not used.
"""

from __future__ import annotations

import sys
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import TYPE_CHECKING, Final

_NAME: Final = "pycrdt._pycrdt"


def _load() -> ModuleType:
    """The compiled module, under the name by which the package finds it, should anybody import that."""
    loaded = sys.modules.get(_NAME)
    if loaded is not None:
        return loaded
    package = find_spec("pycrdt")  # of a package at the top: nothing is imported for it
    spec = PathFinder.find_spec(_NAME, package.submodule_search_locations) if package is not None else None
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError("pycrdt is not installed whole: its compiled part is missing", name=_NAME)
    module = sys.modules[_NAME] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if TYPE_CHECKING:
    from pycrdt._pycrdt import (
        Doc,
        Subscription,
        Text,
        TransactionEvent,
        UndoManager,
        decode_sticky_index,
        merge_updates,
    )
else:
    _binding = _load()
    Doc = _binding.Doc
    Subscription = _binding.Subscription
    Text = _binding.Text
    TransactionEvent = _binding.TransactionEvent
    UndoManager = _binding.UndoManager
    decode_sticky_index = _binding.decode_sticky_index
    merge_updates = _binding.merge_updates

__all__ = [
    "Doc",
    "Subscription",
    "Text",
    "TransactionEvent",
    "UndoManager",
    "decode_sticky_index",
    "merge_updates",
]

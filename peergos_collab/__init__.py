"""Local-first, end-to-end encrypted collaboration: documents and chats that merge without a server's help.

Everything public is here. A program embeds the engine so::

    from peergos_collab import open_workspace

Names load on first use, so that importing this package costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .errors import (
        BadCard,
        BadCode,
        BadLink,
        Conflict,
        Damaged,
        DiskFull,
        HistoryIncomplete,
        LinkEnded,
        LocalProtocolError,
        NewerFormat,
        NoAccess,
        NoNode,
        NotFound,
        Offline,
        PassphraseNeeded,
        PeergosCollabError,
        Refused,
        RemoteProtocolError,
        TimedOut,
        UsageError,
        WrongPassphrase,
        WrongPin,
    )
    from .workspace import open_workspace
    from .workspace.api import (
        ChatHandle,
        DocumentHandle,
        Entry,
        Event,
        Member,
        Message,
        NodeState,
        ObjectState,
        Options,
        Path,
        Presence,
        Role,
        Status,
        Unsubscribe,
        Workspace,
    )

    __version__: str

_ERRORS = (
    "BadCard",
    "BadCode",
    "BadPairText",
    "BadLink",
    "Conflict",
    "Damaged",
    "DiskFull",
    "HistoryIncomplete",
    "LinkEnded",
    "LocalProtocolError",
    "NewerFormat",
    "NoAccess",
    "NoNode",
    "NotFound",
    "Offline",
    "PassphraseNeeded",
    "PeergosCollabError",
    "Refused",
    "RemoteProtocolError",
    "TimedOut",
    "UsageError",
    "WrongPassphrase",
    "WrongPin",
)
_API = (
    "ChatHandle",
    "DocumentHandle",
    "Entry",
    "Event",
    "Member",
    "Message",
    "NodeState",
    "ObjectState",
    "Options",
    "Path",
    "Presence",
    "Role",
    "Status",
    "Unsubscribe",
    "Workspace",
)
_HOMES = {
    "open_workspace": ".workspace",
    **dict.fromkeys(_ERRORS, ".errors"),
    **dict.fromkeys(_API, ".workspace.api"),
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        value: Any = version("peergos-collab")
    elif name in _HOMES:
        value = getattr(import_module(_HOMES[name], __name__), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


__all__ = [
    "BadCard",
    "BadCode",
    "BadPairText",
    "BadLink",
    "ChatHandle",
    "Conflict",
    "Damaged",
    "DiskFull",
    "DocumentHandle",
    "Entry",
    "Event",
    "HistoryIncomplete",
    "LinkEnded",
    "LocalProtocolError",
    "Member",
    "Message",
    "NewerFormat",
    "NoAccess",
    "NoNode",
    "NodeState",
    "NotFound",
    "ObjectState",
    "Offline",
    "Options",
    "PassphraseNeeded",
    "Path",
    "PeergosCollabError",
    "Presence",
    "Refused",
    "RemoteProtocolError",
    "Role",
    "Status",
    "TimedOut",
    "Unsubscribe",
    "UsageError",
    "Workspace",
    "WrongPassphrase",
    "WrongPin",
    "__version__",
    "open_workspace",
]

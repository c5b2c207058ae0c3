"""Every error this project raises on purpose, in one tree.

    PeergosCollabError
    ├── LocalProtocolError        you called us wrongly
    ├── RemoteProtocolError       a peer, a node or the disk sent bytes that break the rules
    ├── UsageError                exit 2
    │   ├── BadLink
    │   ├── BadCard
    │   └── BadCode
    ├── NotFound                  exit 3
    ├── NoAccess                  exit 4
    │   ├── WrongPassphrase
    │   ├── PassphraseNeeded
    │   └── LinkEnded
    ├── Offline                   exit 5
    │   ├── NoNode
    │   └── TimedOut
    ├── Damaged                   exit 6
    │   └── DiskFull
    ├── Refused                   exit 7
    │   └── WrongPin
    ├── Conflict                  exit 8
    ├── NewerFormat               exit 1
    └── Quarantined               never leaves the library: a record set aside with its author's name

An error says what happened (its message), what that means for the user's data, and what to do
next (``hint``). ``code`` and ``exit_code`` are API: scripts rely on them.
"""

from __future__ import annotations

from typing import ClassVar


class PeergosCollabError(Exception):
    """Something went wrong; no data was changed."""

    code: ClassVar[str] = "unexpected"
    exit_code: ClassVar[int] = 1
    hint: str = ""

    def __init__(self, message: str = "", *, hint: str = "") -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())
        if hint:
            self.hint = hint

    @property
    def message(self) -> str:
        return str(self)


class LocalProtocolError(PeergosCollabError):
    """This program used the library in a way that is not allowed; nothing was changed."""

    code = "local_protocol"


class RemoteProtocolError(PeergosCollabError):
    """Bytes from outside break the rules of the format; they were not used."""

    code = "remote_protocol"
    exit_code = 7
    hint = "Nothing of yours is affected. If this repeats, the other side is faulty or hostile."


class UsageError(PeergosCollabError):
    """The command was not understood; nothing was changed."""

    code = "usage"
    exit_code = 2


class BadLink(UsageError):
    """This is not a complete share link; nothing was changed."""

    code = "bad_link"
    hint = "Copy the whole link again, from 'pgc://' to its last character."


class BadCard(UsageError):
    """This is not a complete contact card; nothing was changed."""

    code = "bad_card"
    hint = "Copy the whole card again, from 'pgc-card:' to its last character, or ask for a new one."


class BadCode(UsageError):
    """This is not a complete code for linking a device; nothing was changed."""

    code = "bad_code"
    hint = "Read it again from the other device; 'pgc device link' there shows a new one."


class BadPairText(UsageError):
    """This is not a complete text for connecting two people; nothing was changed."""

    code = "bad_pair_text"
    hint = "Copy it again, from 'pgc-pair:' to its last character, or begin anew with 'pgc pair'."


class NotFound(PeergosCollabError):
    """There is nothing of that name here."""

    code = "not_found"
    exit_code = 3
    hint = "'pgc ls' lists what is here."


class NoAccess(PeergosCollabError):
    """You have no access to this, or not enough of it; nothing was changed."""

    code = "no_access"
    exit_code = 4


class WrongPassphrase(NoAccess):
    """The passphrase does not open this home; nothing was changed."""

    code = "wrong_passphrase"
    hint = "Try again, or set a new one with the recovery code: 'pgc key recover'."


class PassphraseNeeded(NoAccess):
    """This home is locked with a passphrase, and none was given."""

    code = "passphrase_needed"
    hint = "Give --passphrase-file FILE, or set PGC_PASSPHRASE_FILE."


class LinkEnded(NoAccess):
    """The link has expired or was withdrawn; what you already have stays yours."""

    code = "link_ended"
    hint = "Ask whoever shared it for a new link."


class Offline(PeergosCollabError):
    """Nobody could be reached; your data is safe on this device and goes out later."""

    code = "offline"
    exit_code = 5
    hint = "Nothing is lost: what is here goes out as soon as it can."


class HistoryIncomplete(Offline):
    """The text is here, and not yet all of how it came about."""

    code = "history_incomplete"
    hint = "'pgc sync' fetches the rest, as far as a node or a peer that has it is reached."


class NoNode(Offline):
    """This account has no node yet, so nothing can be stored away from this device."""

    code = "no_node"
    hint = "Add one with 'pgc node add ADDRESS', or run your own: 'pgc node serve'."


class TimedOut(Offline):
    """It was not finished in time; nothing is lost and it goes on at the next try."""

    code = "timed_out"


class Damaged(PeergosCollabError):
    """Stored data is damaged; what is affected is named, everything else goes on."""

    code = "damaged"
    exit_code = 6
    hint = "'pgc sync' fetches again what a node or a peer still has."


class DiskFull(Damaged):
    """The disk is full; the last changes were not saved."""

    code = "disk_full"
    hint = "Make room; then go on."


class Refused(PeergosCollabError):
    """The other side refused; your copy here is unchanged."""

    code = "refused"
    exit_code = 7


class WrongPin(Refused):
    """The node shows another certificate than its address names; nothing was sent to it."""

    code = "wrong_pin"
    hint = "Somebody may be in between, or the node was set up anew. Ask its operator for the address."


class Conflict(PeergosCollabError):
    """Something of that name is already there; nothing was changed."""

    code = "conflict"
    exit_code = 8


class NewerFormat(PeergosCollabError):
    """A later version of this program wrote this; it is whole, and nothing was changed."""

    code = "newer_format"
    hint = "Update peergos-collab on this device."


class Quarantined(PeergosCollabError):
    """A member's record breaks the rules; it was set aside with its author's name."""

    code = "quarantined"
    exit_code = 7


class NotYet(Quarantined):
    """It builds on something that is not here.

    ``missing`` names it, in the terms of whoever raises this.
    """

    def __init__(self, message: str = "", *, hint: str = "", missing: tuple[int, int] = (0, 0)) -> None:
        super().__init__(message, hint=hint)
        self.missing = missing

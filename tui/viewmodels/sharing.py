"""What sharing allows, by contact and by link, in plain words."""

from __future__ import annotations

from peergos_collab.workspace.api import Contact, Role

from .contacts import person

CAN = {
    Role.READER: "read it",
    Role.WRITER: "read and change it",
    Role.ADMIN: "read and change it, and give others access",
}
ROLES = (Role.READER, Role.WRITER, Role.ADMIN)
SINCE = ("with all that was written before", "from now on, with the text as it is")
"""What a contact gets of a document's past."""

DAY = 86_400_000
LASTING: tuple[tuple[str, int | None], ...] = (
    ("never", None),
    ("after a day", DAY),
    ("after a week", 7 * DAY),
)
"""When a link ends: the words, and milliseconds from now. Who joined before stays in."""


NOT_YOURS_TO_SHARE = "Only an admin can share this. Ask whoever shared it with you."
_WHOLE = 400
_BEGINNING = 180
LINK_IN_A_FILE = "Whoever gets the picture has the link."


def warning(role: Role) -> str:
    """What handing out a link means."""
    return (
        f"Anyone with this link can {CAN[role]}. It shows its holder the history and the members' ids. "
        "You can revoke it in the list of members."
    )


def contact_words(contact: Contact, role: Role, *, from_now: bool = False) -> str:
    """What sharing with somebody means, and what one does not know of him."""
    name = person(contact.name)
    can = f"{name} can {CAN[role]}, history included."
    if from_now:
        can = (
            f"{name} can {CAN[role]}, and sees nothing that was written before now but the text as it is. "
            "The names of members they do see."
        )
    if contact.changed:
        return f"{can} ⚠ Their keys changed since you verified them: compare words first (p, then v)."
    if not contact.verified:
        return f"{can} You have not verified yet that this is {name}."
    return can


def beginning(text: str) -> str:
    """As much of a text to be given away as tells what it is: all of it is copied, nobody reads it."""
    return text if len(text) <= _WHOLE else f"{text[:_BEGINNING]}… ({len(text):,} characters)"


def shared_words(name: str, role: Role) -> str:
    """Said once it is on its way."""
    return (
        f"{person(name)} gets it, as {role.value}: it appears on their list, at once or when they are back."
    )

"""What sharing allows, by contact and by link, in plain words, and a picture for a phone's camera."""

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


def shared_words(name: str, role: Role) -> str:
    """Said once it is on its way."""
    return (
        f"{person(name)} gets it, as {role.value}: it appears on their list, at once or when they are back."
    )


_BORDERS = (2, 1)
"""Light modules around a code, from what cameras like to what most of them still take."""


def qr_lines(text: str, columns: int, rows: int) -> list[str]:
    """A QR code in half blocks, dark on light, with the least redundancy; empty where it does not fit."""
    import segno

    code = segno.make(text, error="l", boost_error=False, micro=False)
    for border in _BORDERS:
        matrix = [list(row) for row in code.matrix_iter(border=border)]
        if len(matrix) % 2:
            matrix.append([0] * len(matrix[0]))
        if len(matrix[0]) <= columns and len(matrix) // 2 <= rows:
            return _half_blocks(matrix)
    return []


def too_small_words(text: str, columns: int, rows: int) -> str:
    """What a code needs that does not fit, so that nobody tries in vain."""
    import segno

    size = segno.make(text, error="l", boost_error=False, micro=False).symbol_size(border=_BORDERS[-1])[0]
    return (
        f"The QR code needs a window of {size} × {(size + 1) // 2} characters, this one has "
        f"{columns} × {rows}: make it larger or its letters smaller, or copy the text."
    )


def _half_blocks(matrix: list[list[int]]) -> list[str]:
    blocks = {(0, 0): " ", (1, 0): "▀", (0, 1): "▄", (1, 1): "█"}
    return [
        "".join(blocks[int(bool(top)), int(bool(bottom))] for top, bottom in zip(*pair, strict=True))
        for pair in zip(matrix[::2], matrix[1::2], strict=True)
    ]

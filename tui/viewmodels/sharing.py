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


def contact_words(contact: Contact, role: Role) -> str:
    """What sharing with somebody means, and what one does not know of him."""
    name = person(contact.name)
    can = f"{name} can {CAN[role]}, history included."
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


def qr_lines(link: str, columns: int, rows: int) -> list[str]:
    """A QR code in half blocks, dark on light; empty where it does not fit."""
    import segno

    matrix = [list(row) for row in segno.make(link, error="l", micro=False).matrix_iter(border=2)]
    if len(matrix) % 2:
        matrix.append([0] * len(matrix[0]))
    if len(matrix[0]) > columns or len(matrix) // 2 > rows:
        return []
    blocks = {(0, 0): " ", (1, 0): "▀", (0, 1): "▄", (1, 1): "█"}
    return [
        "".join(blocks[int(bool(top)), int(bool(bottom))] for top, bottom in zip(*pair, strict=True))
        for pair in zip(matrix[::2], matrix[1::2], strict=True)
    ]

"""The devices of an account, as lines of text, and what linking one more means."""

from __future__ import annotations

from rich.cells import cell_len

from peergos_collab.workspace.api import Device, DeviceRemoval

from .cells import shown
from .contacts import title_of
from .moments import day

NAME = 32
_NAMED = 3


def device_name(name: str) -> str:
    """A name a device gives itself, made safe to show, never empty."""
    return shown(name.strip(), NAME) or "a device without a name"


def device_lines(devices: list[Device]) -> list[str]:
    """Name, and since when, in columns; this device says so."""
    names = [device_name(device.name) for device in devices]
    widest = max(map(cell_len, names), default=0)
    lines = []
    for name, device in zip(names, devices, strict=True):
        here = "this one" if device.me else ""
        lines.append(f"{name}{' ' * (widest - cell_len(name))}  {_since(device)}  {here}".rstrip())
    return lines


def _since(device: Device) -> str:
    added = day(device.added)
    return f"since {added}" if added else ""


def digit_words(digits: str) -> str:
    """Digits in two groups, for reading out."""
    middle = (len(digits) + 1) // 2
    return f"{digits[:middle]} {digits[middle:]}".strip()


def word_lines(words: tuple[str, ...]) -> str:
    """The words of a code, four to a line."""
    return "\n".join(" ".join(words[at : at + 4]) for at in range(0, len(words), 4))


def compare_words(other: str) -> str:
    return (
        f"Does {other} show the same digits? Look before you answer: if it shows others, somebody is in "
        "between and would get everything in this account."
    )


def linked_words(device: Device) -> str:
    return f"{device_name(device.name)} is a device of this account now. It fetches everything by itself."


def removal_words(device: Device) -> str:
    """Asked before a device is removed: what it can do and what it cannot."""
    name = device_name(device.name)
    return (
        f"Remove {name} from your account?\n\nWhat {name} already has it keeps; nothing can take that back. "
        "What is written from now on, by you or others, gets new keys which it does not have, and what it "
        "writes is refused by everyone. It cannot come back: it would be linked anew.\n\nIt knows the links "
        "you have made. If somebody else may have it, end them too."
    )


def removed_words(removal: DeviceRemoval) -> str:
    """Said once it is done: what is still to come, and what stays open to it."""
    said = [f"{device_name(removal.name)} is removed."]
    if removal.waiting:
        objects = (
            "One object still waits" if removal.waiting == 1 else f"{removal.waiting} objects still wait"
        )
        said.append(f"{objects} for new keys, which come as soon as possible.")
    if removal.by_link:
        named = ", ".join(title_of(path) for path in removal.by_link[:_NAMED])
        more = f" and {len(removal.by_link) - _NAMED} more" if len(removal.by_link) > _NAMED else ""
        said.append(f"It knows links that open {named}{more}: until those end it can still come in.")
    return " ".join(said)


OWN = "This is the device you are at. Remove it from another one of yours."
JOINED = "This is one of your devices now. What is in your account is being fetched."
REFUSED = "The two devices did not show the same digits. Nothing was changed on either."
EXPLAINED = (
    "Every device of yours has everything, contacts and history included, under keys of its own. Linking "
    "one changes nothing for the people you share with."
)

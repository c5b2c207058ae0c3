"""The devices of an account, as lines of text, and what linking one more means."""

from __future__ import annotations

from rich.cells import cell_len

from peergos_collab.workspace.api import Device

from .cells import shown
from .moments import day

NAME = 32


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


JOINED = "This is one of your devices now. What is in your account is being fetched."
REFUSED = "The two devices did not show the same digits. Nothing was changed on either."
EXPLAINED = (
    "Every device of yours has everything, contacts and history included, under keys of its own. Linking "
    "one changes nothing for the people you share with."
)
EMPTY = "This is the only one."

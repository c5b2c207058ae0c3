"""Searches what the tour left on the node's disk and inside the tunnels, and shows that the search works."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from ...codec import from_multibase_untrusted
from ...errors import RemoteProtocolError
from ...values import dataclass
from .cast import TourFailed
from .recorder import frames_in
from .scan import Scanner, files_below

INSIDE: Final = {"node": "TLS", "webrtc": "DTLS"}


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was searched: (name, count) of frames, bytes of frames and of the store, runs looked for."""

    frames: tuple[tuple[str, int], ...]
    frame_bytes: int
    store_bytes: int
    runs: int


def look_for_secrets(place: Path, secrets: Iterable[str], innocent: bytes) -> Evidence:
    """Searches the node's files and logs and all recorded frames below ``place``.

    Raises:
        TourFailed: something readable was found, or the search itself is blind.
    """
    hidden = [form for secret in secrets for form in _forms(secret)]
    scanner, store_scanner = Scanner(hidden), Scanner(hidden, innocent)
    _check_sight(scanner, hidden)
    stored = 0
    for path, content in [*files_below(place / "node"), *_logs(place)]:
        stored += len(content)
        _refuse(store_scanner.find(content), f"the node's file {path.name!r}")
    counts: dict[str, int] = {}
    total = 0
    for path in sorted(place.glob("*-frames/frames-*")):
        inside = INSIDE.get(path.name.removeprefix("frames-"), path.name)
        for frame in frames_in(path):
            _refuse(scanner.find(frame), f"a frame inside {inside}")
            counts[inside] = counts.get(inside, 0) + 1
            total += len(frame)
    if not total or not stored:
        raise TourFailed("Nothing was recorded, so nothing is proved.")
    return Evidence(tuple(sorted(counts.items())), total, stored, len(scanner))


def _forms(secret: str) -> list[bytes]:
    """A text as UTF-8, and an id also as the bytes it stands for."""
    forms = [secret.encode("utf-8")]
    try:
        forms.append(from_multibase_untrusted(secret))
    except RemoteProtocolError:
        pass
    return forms


def _logs(place: Path) -> list[tuple[Path, bytes]]:
    return [(path, path.read_bytes()) for path in sorted(place.glob("node*.log"))]


def _check_sight(scanner: Scanner, hidden: list[bytes]) -> None:
    """Every secret is found when it lies in the middle of noise; otherwise finding none says nothing."""
    noise = bytes(range(255, 0, -1))
    for secret in hidden:
        if len(secret) >= 8 and scanner.find(noise + secret + noise) is None:
            raise TourFailed("The search does not find what is there, so nothing is proved.")


def _refuse(found: bytes | None, where: str) -> None:
    if found is not None:
        raise TourFailed(
            f"{where} holds something readable: {found!r}.", hint="This is a fault of the program."
        )

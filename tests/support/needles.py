"""Searching bytes for whatever must not be in them: any 8 bytes of a name, a text or an id."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from peergos_collab.codec import to_multibase

RUN: Final = 8


def runs(*secrets: bytes) -> set[bytes]:
    """Every run of 8 bytes."""
    return {secret[at : at + RUN] for secret in secrets for at in range(len(secret) - RUN + 1)}


def runs_in(data: bytes, needles: set[bytes]) -> set[bytes]:
    """Those of the needles that are anywhere in the data."""
    return {data[at : at + RUN] for at in range(len(data) - RUN + 1)} & needles


def found(files: Iterable[Path], needles: set[bytes]) -> set[bytes]:
    """Those of the needles that lie anywhere in the files."""
    return {needle for file in files for needle in runs_in(file.read_bytes(), needles)}


def forms(id_: bytes) -> list[bytes]:
    """An id as it is, and as people and logs write it."""
    return [id_, id_.hex().encode(), id_.hex().upper().encode(), to_multibase(id_).encode()[1:]]

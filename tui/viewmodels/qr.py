"""A text as a picture for a phone's camera: drawn in a terminal, or as a file."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from segno import QRCode

_SIDE = 1000
"""About as many dots on each side of a picture."""

_BORDERS = (2, 1)
"""Light modules around a code, from what cameras like to what most of them still take."""


def qr_lines(text: str, columns: int, rows: int) -> list[str]:
    """A QR code in half blocks, dark on light, with the least redundancy; empty where it does not fit."""
    code = _made(text)
    for border in _BORDERS:
        matrix = [list(row) for row in code.matrix_iter(border=border)]
        if len(matrix) % 2:
            matrix.append([0] * len(matrix[0]))
        if len(matrix[0]) <= columns and len(matrix) // 2 <= rows:
            return _half_blocks(matrix)
    return []


def too_small_words(text: str, columns: int, rows: int) -> str:
    """What a code needs that does not fit, so that nobody tries in vain."""
    size = _made(text).symbol_size(border=_BORDERS[-1])[0]
    return (
        f"The QR code needs a window of {size} × {(size + 1) // 2} characters, this one has "
        f"{columns} × {rows}. Make it larger or its letters smaller, save the code as a picture (ctrl+s), or "
        "copy the text."
    )


def picture(text: str, *, svg: bool) -> bytes:
    """A QR code as an SVG or PNG file, large enough for a camera in front of a screen."""
    code, out = _made(text), BytesIO()
    scale = max(4, _SIDE // code.symbol_size()[0])
    code.save(out, kind="svg" if svg else "png", scale=scale, light="white")
    return out.getvalue()


def _made(text: str) -> QRCode:
    import segno

    return segno.make(text, error="l", boost_error=False, micro=False)


def _half_blocks(matrix: list[list[int]]) -> list[str]:
    blocks = {(0, 0): " ", (1, 0): "▀", (0, 1): "▄", (1, 1): "█"}
    return [
        "".join(blocks[int(bool(top)), int(bool(bottom))] for top, bottom in zip(*pair, strict=True))
        for pair in zip(matrix[::2], matrix[1::2], strict=True)
    ]

"""A start without the collector of garbage.

What is imported and opened stays until the end: hundreds of thousands of objects, which the collector would
look through again and again meanwhile, and find nothing. That was a tenth of what a command takes.
"""

from __future__ import annotations

import gc


def begin() -> None:
    """From here to ``over`` nothing is collected."""
    gc.disable()


def over() -> None:
    """Collects again, and never looks through what the start made. Does nothing without ``begin``."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()

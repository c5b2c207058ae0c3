"""``pgc demo``: a node and two people on this machine, with everything real, and a proof of what they saw."""

from .command import demo

__all__ = ["demo"]

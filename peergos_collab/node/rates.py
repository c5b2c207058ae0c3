"""How often one session may do what costs others something."""

from __future__ import annotations

from ..values import dataclass


@dataclass(slots=True)
class Rate:
    """At most ``most`` times in each span of ``span`` ms."""

    most: int
    span: int
    _begun: int = -1
    _count: int = 0

    def exceeded(self, now: int) -> bool:
        """Counts one more, at ``now`` in ms, and says whether that is too many."""
        if self._begun != now // self.span:
            self._begun, self._count = now // self.span, 0
        self._count += 1
        return self._count > self.most

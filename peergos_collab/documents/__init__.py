"""Text documents: Yjs updates folded into a text with lines, behind a firewall.

The only package that imports pycrdt. ``documents.client_id`` derives the client id of a run.
"""

from .difference import difference
from .document import Document
from .edits import MOST_EDITS, Change, Edit
from .firewall import LIMITS, OWN_LIMITS, UpdateLimits, UpdateSummary, check_untrusted
from .indexed_text import Shown
from .lines import LineIndex
from .neighbours import prove
from .past import Past, Stretch
from .received_text import NotTogether
from .replica import merge

__all__ = [
    "LIMITS",
    "MOST_EDITS",
    "OWN_LIMITS",
    "Change",
    "Document",
    "Edit",
    "LineIndex",
    "NotTogether",
    "Past",
    "Shown",
    "Stretch",
    "UpdateLimits",
    "UpdateSummary",
    "check_untrusted",
    "difference",
    "merge",
    "prove",
]

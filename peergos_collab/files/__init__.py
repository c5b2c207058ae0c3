"""Maps of entries: the account's profile now, folders later."""

from .changes import (
    EntryChange,
    EntryId,
    add_node,
    decode_changes_untrusted,
    encode_changes,
    put_entry,
    remove,
    remove_node,
    rename,
    replace_reference,
    set_entry_node,
    set_name,
)
from .entries import EntryMap, EntryView
from .names import check_name, show_name

__all__ = [
    "EntryChange",
    "EntryId",
    "EntryMap",
    "EntryView",
    "add_node",
    "check_name",
    "decode_changes_untrusted",
    "encode_changes",
    "put_entry",
    "remove",
    "remove_node",
    "rename",
    "replace_reference",
    "set_entry_node",
    "set_name",
    "show_name",
]

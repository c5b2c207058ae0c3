"""How much a home or node takes on disk."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from pathlib import Path


def stored_bytes(home: Path, *, in_use: bool = False) -> int:
    """Size of the database with its WAL moved into it, worked out on a copy: it may be in use.

    ``in_use``: without the pages that nothing is on, and that what is written next is put on.
    """
    with tempfile.TemporaryDirectory(prefix="pgc-bench-") as folder:
        size = 0
        for path in home.glob("*.db"):
            copy = Path(folder, path.name)
            for suffix in ("-wal", ""):
                source = path.with_name(path.name + suffix)
                if source.exists():
                    shutil.copy(source, copy.with_name(copy.name + suffix))
            connection = sqlite3.connect(copy, isolation_level=None)
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            if in_use:
                ((free,),) = connection.execute("PRAGMA freelist_count")
                ((page,),) = connection.execute("PRAGMA page_size")
                size -= free * page
            connection.close()
            size += copy.stat().st_size
    return size

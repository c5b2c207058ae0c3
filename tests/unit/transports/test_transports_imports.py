"""What importing a transport loads."""

from __future__ import annotations

import subprocess
import sys


def test_heavy_libraries_are_loaded_on_first_use() -> None:
    """Listing the transports costs no media library, no TLS library and no interface."""
    program = (
        "import sys, transports.webrtc, transports.websocket;"
        "print([m for m in ('aiortc', 'aioice', 'av', 'cryptography', 'textual') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)

    assert run.stdout.strip() == "[]"

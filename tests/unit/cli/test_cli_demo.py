"""The parts of the tour: what is typed, how it is timed, and that the search sees what it must."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peergos_collab.cli.demo.cast import TourFailed
from peergos_collab.cli.demo.evidence import look_for_secrets
from peergos_collab.cli.demo.latency import delays, percentiles
from peergos_collab.cli.demo.recorder import FrameLog, RecordedConnection, frames_in
from peergos_collab.cli.demo.scan import Scanner
from peergos_collab.cli.demo.trace import BESIDE_THE_CHECKOUT, OWN_TEXT, apply_patches, load_script
from peergos_collab.codec import to_multibase
from peergos_collab.errors import UsageError
from peergos_collab.testing.transport import memory_pair


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """What a tour leaves that holds nothing readable."""
    (tmp_path / "node").mkdir()
    (tmp_path / "node" / "store").write_bytes(bytes(range(256)))
    (tmp_path / "node.log").write_text("started\n")
    (tmp_path / "ana-frames").mkdir()
    log = FrameLog(tmp_path / "ana-frames")
    log.add("node", bytes(range(255, 0, -1)))
    log.add("webrtc", b"\0" * 100)
    log.close()
    return tmp_path


SECRETS = ["A title of a draft", "Benedikt Osei", to_multibase(b"account id, 32 bytes of a hash..")]


def test_nothing_readable(place: Path) -> None:
    """Counts what was searched."""
    evidence = look_for_secrets(place, SECRETS, b"")

    assert evidence.frames == (("DTLS", 1), ("TLS", 1))
    assert evidence.frame_bytes == 355
    assert evidence.store_bytes == 264
    assert evidence.runs > 50


@pytest.mark.parametrize("secret", [b"itle of ", b"dikt Ose", SECRETS[2][5:13].encode(), b"32 bytes"])
@pytest.mark.parametrize("where", ["node/store", "node/sub/more", "node.log", "node-again.log", "frames"])
def test_one_run_anywhere_is_found(secret: bytes, where: str, place: Path) -> None:
    """Eight bytes of a title, a name, an id as text or an id as bytes, in a file, a log or a frame."""
    if where == "frames":
        log = FrameLog(place / "ana-frames")
        log.add("webrtc", b"\x01\x02" + secret + b"\x03")
        log.close()
    else:
        (place / where).parent.mkdir(exist_ok=True)
        (place / where).write_bytes(b"\xff" * 9 + secret)

    with pytest.raises(TourFailed, match="readable"):
        look_for_secrets(place, SECRETS, b"")


def test_seven_bytes_are_no_proof(place: Path) -> None:
    """A shorter run may be chance."""
    (place / "node" / "store").write_bytes(b"\xffitle of\xff")

    look_for_secrets(place, SECRETS, b"")


def test_frames_do_not_run_together(place: Path) -> None:
    """The end of one frame and the begin of the next are no run."""
    log = FrameLog(place / "ana-frames")
    log.add("node", b"itle")
    log.add("node", b" of ")
    log.close()

    look_for_secrets(place, SECRETS, b"")


def test_what_an_unused_store_holds_is_innocent(place: Path) -> None:
    """A word of the database's own that is in the text too proves nothing; in a frame it still does."""
    (place / "node" / "store").write_bytes(b"CREATE TABLE draft of a title")
    secrets = ["this draft of a title"]

    look_for_secrets(place, secrets, b"CREATE TABLE draft of a title")
    with pytest.raises(TourFailed):
        look_for_secrets(place, secrets, b"")


@pytest.mark.parametrize("gone", ["ana-frames/frames-*", "node/*"])
def test_nothing_recorded_proves_nothing(gone: str, place: Path) -> None:
    """Without frames, or without a store, the tour fails instead of finding nothing."""
    for path in [*place.glob(gone), *(place.glob("*.log") if gone.startswith("node") else [])]:
        path.unlink()

    with pytest.raises(TourFailed, match="nothing is proved"):
        look_for_secrets(place, SECRETS, b"")


@given(st.binary(max_size=60), st.binary(min_size=8, max_size=40), st.binary(max_size=60), st.data())
def test_scanner(before: bytes, secret: bytes, after: bytes, data: st.DataObject) -> None:
    """Any eight bytes of any secret are found between any others."""
    start = data.draw(st.integers(0, len(secret) - 8))

    assert Scanner([secret]).find(before + secret[start : start + 8] + after) is not None


async def test_recorded_connections_write_down_both_ways(tmp_path: Path) -> None:
    """What is sent and received passes unchanged, and lies in the log of the connection's kind."""
    log = FrameLog(tmp_path)
    inner, other = memory_pair()
    connection = RecordedConnection(inner, log)
    connection.send(b"there")
    assert await other.receive() == b"there"
    other.send(b"and back")
    assert await connection.receive() == b"and back"
    await connection.close()
    await other.close()
    log.close()

    file = tmp_path / f"frames-{inner.kind}"
    assert list(frames_in(file)) == [b"there", b"and back"]
    assert connection.channel == inner.channel


def test_our_own_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no trace is, our text is typed, character by character."""
    monkeypatch.setattr("peergos_collab.cli.demo.trace.BESIDE_THE_CHECKOUT", tmp_path / "none")
    script = load_script(None, 1_500)

    assert script.text == OWN_TEXT
    assert len(script.patches) == len(OWN_TEXT) > 500


def test_the_real_trace() -> None:
    """A slice of the recorded session leads to the text that applying it gives."""
    if not BESIDE_THE_CHECKOUT.exists():
        pytest.skip("no trace: automerge-paper is not beside the repository")
    script = load_script(None, 500)

    assert script.source == "automerge-paper"
    assert script.text.startswith("\\documentclass")
    assert apply_patches("", list(script.patches)) == script.text


@pytest.mark.parametrize("packed", [False, True])
def test_a_trace_of_ones_own(packed: bool, tmp_path: Path) -> None:
    """With or without gzip, beginning with its start content."""
    trace = {
        "startContent": "ab",
        "txns": [{"patches": [[2, 0, "c"], [0, 1, ""]]}, {"patches": [[0, 0, "x"]]}],
    }
    raw = json.dumps(trace).encode()
    (tmp_path / "mine.json").write_bytes(gzip.compress(raw) if packed else raw)
    script = load_script(tmp_path / "mine.json", 100)

    assert script.text == "xbc"
    assert script.source == "mine"


@pytest.mark.parametrize(
    "raw",
    [b"", b"{}", b"[]", b"\x1f\x8bbroken", b'{"startContent":"","txns":[{"patches":[[5,0,"x"]]}]}', b"\xff"],
)
def test_what_is_no_trace(raw: bytes, tmp_path: Path) -> None:
    """Usage, naming the file."""
    (tmp_path / "no trace").write_bytes(raw)

    with pytest.raises(UsageError, match="no trace"):
        load_script(tmp_path / "no trace", 10)


def test_delays() -> None:
    """The time to the first change that has the edit's clock; deletions are left out."""
    ms = 1_000_000
    written = [(10, 0), (11, 100 * ms), (11, 150 * ms), (12, 200 * ms), (14, 300 * ms), (15, 400 * ms)]
    arrived = [(10, 1 * ms), (11, 103 * ms), (11, 153 * ms), (14, 305 * ms)]

    assert delays(written, arrived) == [3.0, 105.0, 5.0]


def test_percentiles_of_both_directions() -> None:
    """One distribution of all that was timed; none where nothing was."""
    ana = {"written": [(n, 0) for n in range(101)], "arrived": []}
    ben = {"written": [], "arrived": [(n, n * 1_000_000) for n in range(101)]}

    assert percentiles([ana, ben]).fields() == {"count": 100, "p50": 51.0, "p90": 91.0, "p99": 100.0}
    assert percentiles([ben, ben]).fields()["count"] == 0
    assert percentiles([ben, ben]).line() == "nothing was timed"

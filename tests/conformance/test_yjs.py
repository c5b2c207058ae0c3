"""A real JavaScript Yjs reads what Document writes, and writes what Document reads."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from peergos_collab.documents import Document

SCRIPT = """
const Y = require("yjs");
const { state, client } = JSON.parse(require("fs").readFileSync(0, "utf8"));
const doc = new Y.Doc();
doc.clientID = client;
Y.applyUpdate(doc, Buffer.from(state, "base64"));
const text = doc.getText("text");
const read = text.toString();
const before = Y.encodeStateVector(doc);
doc.transact(() => { text.insert(text.length, "\\u{1F600} from JavaScript"); text.delete(0, 1); });
const out = (bytes) => Buffer.from(bytes).toString("base64");
const answer = { read, wrote: text.toString(), update: out(Y.encodeStateAsUpdate(doc, before)),
                 state: out(Y.encodeStateAsUpdate(doc)), pending: doc.store.pendingStructs !== null };
process.stdout.write(JSON.stringify(answer));
"""
TEXT = "Aé日😀👩‍👩‍👧 \r\nline\u2028same line\x0c\x85 end\n"


@pytest.fixture(scope="module")
def yjs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with node_modules/yjs in it."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("node and npm are not installed")
    place = tmp_path_factory.mktemp("yjs")
    install = [npm, "install", "yjs@13", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline"]
    try:
        subprocess.run(install, cwd=place, check=True, capture_output=True, timeout=45)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        pytest.skip("the npm package yjs could not be fetched")
    (place / "exchange.js").write_text(SCRIPT)
    return place


def exchange(yjs: Path, state: bytes, client: int) -> dict[str, str | bool | bytes]:
    """Lets Yjs read a state and edit it."""
    order = json.dumps({"state": base64.b64encode(state).decode(), "client": client})
    ran = subprocess.run(
        ["node", "exchange.js"], cwd=yjs, input=order.encode(), capture_output=True, check=True, timeout=200
    )
    answer = json.loads(ran.stdout)
    return {
        **answer,
        "update": base64.b64decode(answer["update"]),
        "state": base64.b64decode(answer["state"]),
    }


def edited() -> Document:
    document = Document(0x1F_FFFF_FFFF_FFFF)
    document.edit(0, 0, TEXT)
    document.edit(3, 4, "")
    document.edit(3, 3, "🇩🇪")
    document.edit_many([(0, 1, ""), (2, 2, "x")])
    document.track_undo()
    document.edit(0, 2, "gone")
    document.undo()
    return document


def test_yjs_reads_our_state(yjs: Path) -> None:
    """Yjs shows exactly our text, with nothing left pending."""
    document = edited()
    answer = exchange(yjs, document.state(), 7)

    assert answer["read"] == document.text
    assert answer["pending"] is False


def test_we_read_what_yjs_writes(yjs: Path) -> None:
    """An update that Yjs made passes the firewall under its own client id, and its state opens here."""
    document = edited()
    answer = exchange(yjs, document.state(), 7)
    assert isinstance(answer["update"], bytes)
    assert isinstance(answer["state"], bytes)
    document.apply_untrusted(answer["update"], 7)

    assert document.text == answer["wrote"]
    assert Document(9, answer["state"]).text == answer["wrote"]

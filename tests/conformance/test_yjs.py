"""Real JavaScript Yjs, of today and of 2020, reads what Document writes, and writes what Document reads.

What it writes beyond plain text is refused with the documented error, whoever made it and when.
"""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from peergos_collab.documents import OWN_LIMITS, Document, check_untrusted
from peergos_collab.errors import Quarantined

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
VERSIONS = {"yjs": "13", "first": "13.0.0", "old": "13.3.0", "next": "14.0.0-1"}
"""Under which name which version is installed. ``old`` brings the bytes of its compatibility tests."""

TEXTS = """
const Y = require(process.argv[2]);
const one = new Y.Doc(), two = new Y.Doc();
one.clientID = 11; two.clientID = 12;
let seed = 7;
const draw = (end) => (seed = (seed * 48271) % 2147483647) % end;
const pieces = ["a", "word ", "\\r\\n", "\\u2028", "é", "日本", "\\u{1F600}", "\\n"];
for (let round = 0; round < 60; round++) {
  for (const doc of [one, two]) {
    const text = doc.getText("text");
    const codes = Array.from(text.toString());
    const at = codes.slice(0, draw(codes.length + 1)).join("").length;
    const next = Array.from(text.toString().slice(at))[0];
    doc.transact(() => {
      if (next && draw(2)) text.delete(at, next.length);
      text.insert(at, pieces[draw(pieces.length)]);
    });
  }
  if (round % 5 === 4) {
    Y.applyUpdate(two, Y.encodeStateAsUpdate(one, Y.encodeStateVector(two)));
    Y.applyUpdate(one, Y.encodeStateAsUpdate(two, Y.encodeStateVector(one)));
  }
}
const state = Buffer.from(Y.encodeStateAsUpdate(two)).toString("base64");
process.stdout.write(JSON.stringify({ text: two.getText("text").toString(), state }));
"""
KINDS = """
const Y = require("yjs");
const made = {};
const make = (name, fill, encode) => {
  const doc = new Y.Doc();
  doc.clientID = 7;
  fill(doc);
  made[name] = Buffer.from((encode || Y.encodeStateAsUpdate)(doc)).toString("base64");
};
const text = (doc) => doc.getText("text");
make("map", (doc) => doc.getMap("text").set("k", "v"));
make("other root", (doc) => doc.getText("notes").insert(0, "x"));
make("values", (doc) => doc.getArray("text").insert(0, [1, { a: [null, undefined, 1n, 1.5] }]));
make("binary", (doc) => doc.getArray("text").insert(0, [new Uint8Array([1, 2])]));
make("nested text", (doc) => doc.getArray("text").insert(0, [new Y.Text("x")]));
make("subdocument", (doc) => doc.getArray("text").insert(0, [new Y.Doc({ guid: "g" })]));
make("xml", (doc) => doc.getXmlFragment("text").insert(0, [new Y.XmlElement("p")]));
make("embed", (doc) => text(doc).insertEmbed(0, { image: "x" }));
make("format", (doc) => text(doc).insert(0, "x", { bold: true }));
make("attribute", (doc) => text(doc).setAttribute("a", "b"));
make("GC", (doc) => { const a = doc.getArray("text"); a.insert(0, [new Y.Text("x")]); a.delete(0, 1); });
make("V2", (doc) => text(doc).insert(0, "x"), Y.encodeStateAsUpdateV2);
make("Skip", (doc) => text(doc).insert(0, "x"), () => {
  const updates = [], doc = new Y.Doc();
  doc.clientID = 7;
  doc.on("update", (update) => updates.push(update));
  for (const letter of "abc") doc.getText("text").insert(doc.getText("text").length, letter);
  return Y.mergeUpdates([updates[0], updates[2]]);
});
process.stdout.write(JSON.stringify(made));
"""
REASONS = {
    "map": "key of a map", "other root": "elsewhere", "values": "nested values", "binary": "binary content",
    "nested text": "nested shared type", "subdocument": "subdocument", "xml": "nested shared type",
    "embed": "embed", "format": "formatting", "attribute": "key of a map", "GC": "GC struct", "V2": "refused",
    "Skip": "Skip",
}  # fmt: skip
TEXT = "Aé日😀👩‍👩‍👧 \r\nline\u2028same line\x0c\x85 end\n"


@pytest.fixture(scope="module")
def yjs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with node_modules/yjs in it."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("node and npm are not installed")
    place = tmp_path_factory.mktemp("yjs")
    versions = [f"{name}@npm:yjs@{version}" for name, version in VERSIONS.items()]
    install = [npm, "install", *versions, "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline"]
    try:
        subprocess.run(install, cwd=place, check=True, capture_output=True, timeout=45)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        pytest.skip("the npm package yjs could not be fetched")
    (place / "exchange.js").write_text(SCRIPT)
    (place / "texts.js").write_text(TEXTS)
    (place / "kinds.js").write_text(KINDS)
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


def answer_of(yjs: Path, *script: str) -> dict[str, str]:
    ran = subprocess.run(["node", *script], cwd=yjs, capture_output=True, check=True, timeout=200)
    answer: dict[str, str] = json.loads(ran.stdout)
    return answer


@pytest.mark.parametrize("version", VERSIONS)
def test_texts_of_any_version(yjs: Path, version: str) -> None:
    """A text that two wrote at once with that version passes the firewall whole, and is the same here."""
    answer = answer_of(yjs, "texts.js", version)
    state = base64.b64decode(answer["state"])
    document = Document(9)
    document.apply_own(state)

    assert document.text == answer["text"]
    assert document.prove()
    assert Document(9, state).text == answer["text"]


def test_all_that_is_no_plain_text(yjs: Path) -> None:
    """Each other kind of content, and each other form of update, is refused by its name; nothing changes."""
    made = answer_of(yjs, "kinds.js")

    assert made.keys() == REASONS.keys()
    for kind, reason in REASONS.items():
        document = Document(9)
        for take in (document.apply_own, lambda raw, document=document: document.apply_untrusted(raw, 7)):  # type: ignore[misc]
            with pytest.raises(Quarantined, match=reason):
                take(base64.b64decode(made[kind]))
        assert (document.text, document.clocks()) == ("", {})


def test_documents_of_2020(yjs: Path) -> None:
    """The documents that Yjs tests its compatibility with hold arrays, maps and formats: all are refused."""
    source = (yjs / "node_modules" / "old" / "tests" / "compatibility.tests.js").read_text()
    documents = [base64.b64decode(raw) for raw in re.findall(r"oldDoc = '([^']+)'", source)]

    assert len(documents) == 3
    for raw in documents:
        with pytest.raises(Quarantined, match=r"plain text only|elsewhere|key of a map"):
            check_untrusted(raw, None, {}, OWN_LIMITS)

"""The tour itself: who does what in which order, and what that proves."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from ...values import dataclass
from ..output import narrate, print_result
from ..settings import Settings
from .cast import Actor, Cast, TourFailed
from .evidence import Evidence, look_for_secrets
from .latency import Percentiles, percentiles
from .trace import Script, load_script

ANA: Final = "Ana Lindqvist"
BEN: Final = "Benedikt Osei"
DOCUMENT: Final = "Harbour survey draft"
CHAT: Final = "Harbour survey talk"
BENS_DOCUMENT: Final = "Survey shared by Ana"
BENS_CHAT: Final = "Talk shared by Ana"

MIDDLE: Final = "\n\n———— Benedikt's remarks ————\n"
REMARKS: Final = "I read along from here: the second paragraph is the one I would keep as it stands. "
MORE_REMARKS: Final = "And the numbers at the end deserve a drawing, perhaps two."
TALK: Final = (
    (0, "Good morning Benedikt, the draft is in front of you."),
    (1, "I can see every letter as you type it 👀"),
    (0, "Then let us see whether the node can, too."),
)

PATCHES: Final = 1_500
LIVE: Final = 120
"""Of these, the last are typed at the pace of a quick typist, and timed."""
PACE: Final = 1 / 30
FIND_PATH: Final = 10.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the tour proved."""

    script: Script
    text: str
    messages: int
    paths: dict[str, int]
    latency: Percentiles
    evidence: Evidence

    @property
    def path(self) -> str:
        """The path that most of what was typed at a human pace took."""
        return max(self.paths, key=lambda via: self.paths[via], default="node")


async def take_tour(settings: Settings, trace: Path | None, *, webrtc: bool) -> int:
    """Plays it all in a temporary directory and prints what was proved. Returns the exit code."""
    script = load_script(trace, PATCHES)
    with tempfile.TemporaryDirectory(prefix="pgc-demo-") as made:
        async with Cast(Path(made)) as cast:
            outcome = await _play(settings, cast, Path(made), script, webrtc)
        if not all(actor.ended for actor in cast.actors):
            raise TourFailed("A process of the tour is still there.")
    print_result(settings, _fields(outcome), _lines(outcome))
    return 0


async def _play(settings: Settings, cast: Cast, place: Path, script: Script, webrtc: bool) -> Outcome:
    narrate(settings, "A node starts, and two people who never met it make an account each.")
    node, ana, ben, people = await _enter(cast, place)
    address = (await node.hear())["address"]
    ids = [await person.hear() for person in people]
    node_home = place / "node"
    await node.leave()  # looked at once while nobody has used it, as a baseline
    innocent = b"".join(path.read_bytes() for path in sorted(node_home.rglob("*")) if path.is_file())
    node = await cast.enter("node-again", "node", node_home)
    address = (await node.hear())["address"]

    narrate(settings, f"{ANA} makes a document and a chat, and hands {BEN} a link to each.")
    links = (await ana.tell("make", node=address, document=DOCUMENT, chat=CHAT, text=MIDDLE))["links"]
    await ana.tell("online", webrtc=webrtc)
    await ben.tell("join", links=links, names=[BENS_DOCUMENT, BENS_CHAT])
    await ben.tell("online", webrtc=webrtc)
    await _meet(ana, ben)
    direct = webrtc and (await ben.tell("connected", via="webrtc", timeout=FIND_PATH))["connected"]
    narrate(settings, "They are connected directly." if direct else "They are connected through the node.")

    narrate(settings, f"Ana replays {len(script.patches)} edits of {script.source}; Ben types below.")
    await _type(ana, ben, script)
    for before, (who, text) in enumerate(TALK):
        await people[who].tell("say", chat=(CHAT, BENS_CHAT)[who], text=text, after=before)

    expected = script.text + MIDDLE + REMARKS + MORE_REMARKS
    seen = await asyncio.gather(
        ana.tell("until", document=DOCUMENT, length=len(expected), chat=CHAT, messages=len(TALK)),
        ben.tell("until", document=BENS_DOCUMENT, length=len(expected), chat=BENS_CHAT, messages=len(TALK)),
    )
    _check_equal(seen, expected)
    reports = [await person.tell("report") for person in people]
    await cast.leave()

    narrate(settings, "Now the node's disk and every frame are searched for anything readable.")
    secrets = [expected, ANA, BEN, DOCUMENT, CHAT, BENS_DOCUMENT, BENS_CHAT, *(text for _, text in TALK)]
    secrets += [each[key] for each in ids for key in ("account", "device")]
    evidence = look_for_secrets(place, secrets, innocent)
    return Outcome(script, expected, len(TALK), _paths(reports), percentiles(reports), evidence)


async def _enter(cast: Cast, place: Path) -> tuple[Actor, Actor, Actor, list[Actor]]:
    for directory in ("node", "ana-frames", "ben-frames"):
        (place / directory).mkdir(mode=0o700)
    node = await cast.enter("node", "node", place / "node")
    ana = await cast.enter("ana", "person", place / "ana", ANA, place / "ana-frames")
    ben = await cast.enter("ben", "person", place / "ben", BEN, place / "ben-frames")
    return node, ana, ben, [ana, ben]


async def _meet(ana: Actor, ben: Actor) -> None:
    """Each opens the document, and learns which changes are the other's."""
    opened = await asyncio.gather(
        ana.tell("open", document=DOCUMENT), ben.tell("open", document=BENS_DOCUMENT)
    )
    await asyncio.gather(
        ana.tell("meet", other=opened[1]["client"]), ben.tell("meet", other=opened[0]["client"])
    )


async def _type(ana: Actor, ben: Actor, script: Script) -> None:
    """At first as fast as it goes, then at the pace of people: both at the same time."""
    quick, live = script.patches[:-LIVE], script.patches[-LIVE:]
    await asyncio.gather(
        ana.tell("replay", patches=quick, pause=0), ben.tell("append", text=REMARKS, pause=0)
    )
    await asyncio.gather(ana.tell("rest"), ben.tell("rest"))
    await asyncio.gather(
        ana.tell("replay", patches=live, pause=PACE), ben.tell("append", text=MORE_REMARKS, pause=2 * PACE)
    )


def _check_equal(seen: Sequence[dict[str, Any]], expected: str) -> None:
    ana, ben = seen
    if ana["text"] != expected or ben["text"] != expected:
        raise TourFailed("The two ends do not show the text that was typed.")
    if [each[0] for each in ana["messages"]] != [each[0] for each in ben["messages"]]:
        raise TourFailed("The two ends do not show the same chat.")
    if [each[2] for each in ana["messages"]] != [text for _, text in TALK]:
        raise TourFailed("The chat does not show what was said.")


def _paths(reports: list[dict[str, Any]]) -> dict[str, int]:
    """How many changes and messages arrived on which path."""
    counts: dict[str, int] = {}
    for report in reports:
        for via, count in report["paths"].items():
            counts[via] = counts.get(via, 0) + count
    return counts


def _fields(outcome: Outcome) -> dict[str, Any]:
    return {
        "source": outcome.script.source,
        "edits": len(outcome.script.patches),
        "equal": True,
        "characters": len(outcome.text),
        "messages": outcome.messages,
        "path": outcome.path,
        "paths": outcome.paths,
        "latency_ms": outcome.latency.fields(),
        "frames": dict(outcome.evidence.frames),
        "frame_bytes": outcome.evidence.frame_bytes,
        "store_bytes": outcome.evidence.store_bytes,
        "runs_searched_for": outcome.evidence.runs,
        "found": 0,
    }


def _lines(outcome: Outcome) -> list[str]:
    frames = ", ".join(f"{count} inside {name}" for name, count in outcome.evidence.frames)
    shares = ", ".join(f"{count} changes by {via}" for via, count in sorted(outcome.paths.items()))
    return [
        f"equal     both ends show the same {len(outcome.text)} characters and {outcome.messages} messages",
        f"edits     {len(outcome.script.patches)} of {outcome.script.source}, Ben typing below meanwhile",
        f"path      {outcome.path} ({shares})",
        f"latency   {outcome.latency.line()}",
        f"searched  {outcome.evidence.store_bytes} bytes in the node's store and log; frames: {frames}",
        f"found     none of {outcome.evidence.runs} eight-byte runs of text, names and ids",
        "left      no process, no file",
    ]

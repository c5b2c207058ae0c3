"""Being connected with somebody directly, without a node: two texts go back and forth by another way."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import click

from ..codec.shown import escape_hidden, show_person
from ..errors import BadPairText
from .answers import Answers
from .live import print_events
from .output import narrate, print_json, print_line, show_qr, warn
from .session import opened, run
from .settings import Command, Settings, current, refuse

if TYPE_CHECKING:
    from ..workspace.api import Paired, PairOffer, Workspace

CAREFULLY = (
    "It names nobody and opens nothing; it shows this device's network addresses. Whoever could replace it "
    "on its way could sit in between: send it over something you trust, or compare words afterwards."
)


@click.command(cls=Command)
@click.argument("text", required=False)
@click.option(
    "--for", "seconds", type=click.FloatRange(min=0), metavar="S", help="End S seconds after it began."
)
@click.option(
    "--stun",
    metavar="HOST[:PORT]",
    multiple=True,
    help="Ask this server how a NAT shows this device; it sees your address, and no more.",
)
def pair(text: str | None, seconds: float | None, stun: tuple[str, ...]) -> None:
    """Connect directly with somebody, without a node.

    Without TEXT it prints an offer: send it to the other person, who gives it to 'pgc pair' there and sends
    back what that prints; put that in here as a line on stdin. TEXT '-' reads the offer from stdin. Both are
    contacts then, what they share is in sync, and 'pgc share --with' needs no node. Prints JSON lines until
    interrupted, as 'pgc online' does.
    """
    settings = current()
    if settings.secret_file() == "-":
        refuse("The passphrase cannot come from stdin here: that is where the other's text is read.")
    run(_pair(settings, text, seconds, stun), lasting=True)


async def _pair(settings: Settings, text: str | None, seconds: float | None, stun: tuple[str, ...]) -> None:
    import asyncio  # 'pgc --help' needs no event loop

    from ..workspace.api import Options

    try:
        async with asyncio.timeout(seconds), opened(settings, lasting=True) as workspace:
            await workspace.go_online(Options(lan=True, stun=tuple(f"stun:{server}" for server in stun)))
            events = asyncio.create_task(print_events(workspace, ""))
            try:
                paired = await _connect(settings, workspace, text)
                _show_paired(settings, paired)
                await events
            finally:
                events.cancel()
                await asyncio.gather(events, return_exceptions=True)
    except TimeoutError:
        pass


async def _connect(settings: Settings, workspace: Workspace, text: str | None) -> Paired:
    answers = Answers()
    if text is None:
        offer = await workspace.offer_pairing()
        _show_text(settings, "offer", offer)
        narrate(settings, "Send it to the other person. What comes back goes in here, as one line:")
    else:
        offer = await workspace.answer_pairing(await answers.line() if text == "-" else text)
        _show_text(settings, "answer", offer)
        narrate(settings, "Send it back, and wait until it was put in there.")
    try:
        while True:
            answer = await _answer(answers) if text is None else ""
            try:
                return await workspace.finish_pairing(offer.id, answer)
            except BadPairText as error:  # the offer stays good
                warn(f"{error.message}. {error.hint}")
    finally:
        await workspace.end_pairing(offer.id)


async def _answer(answers: Answers) -> str:
    line = await answers.line()
    if not line:
        raise BadPairText("no answer came, and the offer has ended")
    return line


def _show_text(settings: Settings, event: str, offer: PairOffer) -> None:
    if settings.json:
        print_json({"event": event, "text": offer.text, "expires": offer.expires})
        return
    show_qr(offer.text)
    print_line(offer.text)
    narrate(settings, f"{CAREFULLY} It is good for ten minutes.")


def _show_paired(settings: Settings, paired: Paired) -> None:
    print_json({"event": "paired", **dataclasses.asdict(paired)})
    narrate(settings, f"Connected: {escape_hidden(show_person(paired.name))}.")
    if not paired.verified:
        narrate(settings, "'pgc contact verify' makes sure that it is really this person.")

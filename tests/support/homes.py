"""Nodes and workspaces for end-to-end tests: in this process, or in processes of their own.

As a program, it is such a process::

    python tests/support/homes.py node HOME PORT GRACE     prints its address, serves until stdin ends
    python tests/support/homes.py entry HOME PORT GRACE    the same, and relays, to loopback too
    python tests/support/homes.py engine HOME        answers JSON calls on stdin with JSON on stdout

    call     [id, method, argument …]         of Workspace, or one of ``Child``
    answer   [id, "ok", value] or [id, "error", class name, exit code, message, hint]
    news     [0, kind, value]
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any, Final

from peergos_collab import errors
from peergos_collab.codec.address import format_address
from peergos_collab.documents import Document
from peergos_collab.node import RunningNode, serve_node
from peergos_collab.node.pruning import GRACE_HOURS
from peergos_collab.ports import Address, Connection, Transport
from peergos_collab.ports.installed import installed_tunnels
from peergos_collab.workspace import Options, Role, create_workspace, peers
from peergos_collab.workspace.api import Event
from peergos_collab.workspace.engine import Engine
from peergos_collab.workspace.engine_workspace import EngineWorkspace
from peergos_collab.workspace.folds import DocumentFold
from peergos_collab.workspace.open_object import OpenObject
from peergos_collab.workspace.opening import open_home
from support.ports import lasting_port

ROOT: Final = Path(__file__).resolve().parents[2]
PATIENCE: Final = 60.0
"""Seconds after which something did not happen; far more than a loaded machine needs."""
DIRECT: Final = Options()
RELAYED: Final = Options(webrtc=False)


# -- processes ----------------------------------------------------------------------------------


class _Process:
    """A child process of this program."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    @staticmethod
    async def launch(*arguments: str, on: Sequence[str] = ()) -> asyncio.subprocess.Process:
        """``on``: what to put before the command."""
        environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
        return await asyncio.create_subprocess_exec(
            *on,
            sys.executable,
            str(Path(__file__)),
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=environment,
            limit=1 << 24,
        )

    async def line(self) -> str:
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            return (await self.process.stdout.readline()).decode()

    async def kill(self) -> list[str]:
        """SIGKILL, and the whole lines that were printed before."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGKILL)
        assert self.process.stdout is not None
        rest = (await self.process.stdout.read()).decode()
        await self.process.wait()
        return rest.splitlines() if rest.endswith("\n") else rest.splitlines()[:-1]

    async def stop(self) -> None:
        """Ends it in order."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            async with asyncio.timeout(PATIENCE):
                await self.process.wait()
        except TimeoutError:
            await self.kill()
            raise


class NodeProcess(_Process):
    """A node in a process of its own."""

    address: str
    home: Path
    entry: bool

    @classmethod
    async def start(
        cls, home: Path, port: int = 0, *, entry: bool = False, grace: int = GRACE_HOURS
    ) -> NodeProcess:
        kind, port = "entry" if entry else "node", port or lasting_port()
        node = cls(await cls.launch(kind, str(home), str(port), str(grace)))
        node.home, node.entry = home, entry
        node.address = (await node.line()).strip()
        assert node.address.startswith("pgc://")
        return node

    @property
    def port(self) -> int:
        return int(self.address.rsplit(":", 1)[1])

    async def compacted(self) -> None:
        """See the function of that name."""
        assert self.process.stdin is not None
        self.process.stdin.write(b"\n")
        assert await self.line() == "compacted\n"

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Within the block the process does nothing, as on a machine that sleeps; connections stay open."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    async def again(self) -> NodeProcess:
        """A new process on the same home and port."""
        node = await NodeProcess.start(self.home, self.port, entry=self.entry)
        assert node.address == self.address
        return node


class EngineProcess(_Process):
    """A workspace in a process of its own."""

    @classmethod
    async def start(cls, home: Path, *, on: Sequence[str] = ()) -> EngineProcess:
        engine = cls(await cls.launch("engine", str(home), on=on))
        assert await engine.line() == '[0, "ready", null]\n'
        return engine

    def tell(self, *call: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps([1, *call]).encode() + b"\n")

    async def call(self, *call: Any) -> Any:
        """Calls and waits for the answer; news in between are dropped. Raises what the engine raised."""
        self.tell(*call)
        while True:
            answer = json.loads(await self.line())
            if answer[0] == 1:
                break
        if answer[1] == "error":
            raise getattr(errors, answer[2], AssertionError)(answer[4], hint=answer[5])
        return answer[2]

    async def news(self, kind: str) -> Any:
        """The value of the next news of this kind."""
        while True:
            answer = json.loads(await self.line())
            if answer[:2] == [0, kind]:
                return answer[2]


# -- in this process ------------------------------------------------------------------------------


class Person:
    """Somebody's open workspace."""

    def __init__(self, home: Path, workspace: EngineWorkspace) -> None:
        self.home = home
        self.workspace = workspace

    @property
    def engine(self) -> Engine:
        return self.workspace.engine

    def opened(self, path: str) -> OpenObject:
        return self.engine.find(path)

    def document(self, path: str) -> Document:
        fold = self.opened(path).fold
        assert isinstance(fold, DocumentFold)
        return fold.document

    def text(self, path: str) -> str:
        return self.document(path).text

    def shows(self, path: str, text: str) -> bool:
        """Whether a document is here by now, and holds that."""
        return self.engine.profile.view.find(path) is not None and self.text(path) == text

    def append(self, path: str, text: str) -> None:
        document = self.document(path)
        document.edit(len(document), len(document), text)

    def ways(self, path: str) -> set[str]:
        """Over what an object is connected now."""
        return {via for _, via, _ in self.opened(path).live.links.values()}

    def live_over(self, path: str, via: str) -> bool:
        """Whether heads were compared over such a way, so that what is typed now goes over it."""
        live = self.opened(path).live
        return any(
            way == via
            and live.id in s.channels
            and s.channels[live.id].live
            and s.channels[live.id].caught_up
            for s, way, _ in live.links.values()
        )

    def saved_on(self, path: str, node: str) -> bool:
        return self.opened(path).live.saved_on(node)

    async def problems(self) -> list[str]:
        status = await self.workspace.status()
        found = [f"{state.path}: {problem}" for state in status.objects for problem in state.problems]
        found += [f"{node.address}: {node.problem}" for node in status.nodes if node.problem]
        return (
            found + self.engine.problems + self.engine.objects[self.engine.keys.profile].live.replica.problems
        )


class World:
    """Homes and nodes under one directory; all that is open is closed at the end, and faults are found."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.open_now: list[Person] = []
        self.nodes: list[RunningNode | NodeProcess] = []
        self.faults: list[dict[str, Any]] = []

    def home(self, name: str) -> Path:
        home = self.root / name
        if not home.exists():
            create_workspace(home, name=name, passphrase=None, device_name=name)
        return home

    async def person(self, name: str) -> Person:
        """Opens a home, made if it is not there."""
        workspace = await open_home(self.home(name), None, True)
        assert isinstance(workspace, EngineWorkspace)
        person = Person(self.root / name, workspace)
        self.open_now.append(person)
        return person

    async def close(self, person: Person) -> None:
        self.open_now.remove(person)
        await person.workspace.close()

    async def reopen(self, person: Person) -> Person:
        await self.close(person)
        return await self.person(person.home.name)

    async def crash(self, person: Person) -> None:
        """What SIGKILL leaves behind, in this process: nothing is said, saved or marked as clean."""
        engine = person.engine
        self.open_now.remove(person)
        copy = self.root / f"{person.home.name}.crashed"
        copy_home(person.home, copy)
        await person.workspace.close()
        person.home.rename(self.root / f"{person.home.name}.closed")
        copy.rename(person.home)
        assert engine.home == person.home

    async def node(
        self,
        name: str = "node",
        port: int = 0,
        *,
        entry: bool = False,
        stun: bool = False,
        grace: int = GRACE_HOURS,
    ) -> RunningNode:
        tunnels, port = installed_tunnels(private=True) if entry else None, port or lasting_port()
        node = await serve_node(self.root / name, "127.0.0.1", port, tunnels=tunnels, stun=stun, grace=grace)
        self.nodes.append(node)
        return node

    async def node_process(
        self, name: str = "node", *, entry: bool = False, grace: int = GRACE_HOURS
    ) -> NodeProcess:
        node = await NodeProcess.start(self.root / name, entry=entry, grace=grace)
        self.nodes.append(node)
        return node

    async def pair(
        self, node: str, path: str = "notes", text: str = "", *, role: Role = Role.WRITER
    ) -> tuple[Person, Person]:
        """Ana, who made a document, and Ben, who joined it through a link."""
        ana, ben = await self.person("Ana"), await self.person("Ben")
        await ana.workspace.add_node(node)
        await ana.workspace.new_document(path, text)
        await ben.workspace.join(await ana.workspace.share_link(path, role))
        return ana, ben

    def note_fault(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.faults.append(context)

    async def end(self) -> None:
        for person in list(self.open_now):
            await self.close(person)
        for node in self.nodes:
            if isinstance(node, NodeProcess):
                await node.kill()
            else:
                await node.close()


@contextlib.asynccontextmanager
async def world(root: Path) -> AsyncIterator[World]:
    """See ``World``. An exception that nobody handled in some task fails the test."""
    made = World(root)
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(made.note_fault)
    try:
        yield made
    finally:
        await made.end()
    assert made.faults == [], made.faults


async def until(
    happened: Callable[[], bool], *people: Person, seconds: float = PATIENCE, what: str = ""
) -> None:
    """Returns once something is true; it is asked again whenever something happened at one of ``people``."""
    queues = [person.engine.news.subscribe() for person in people]
    try:
        async with asyncio.timeout(seconds):
            while not happened():
                await _anything(people, queues)
    except TimeoutError:
        told = [f"{person.home.name}: {await person.problems()}" for person in people]
        raise AssertionError(f"did not happen within {seconds:g} s: {what}; {told}") from None
    finally:
        for person, queue in zip(people, queues, strict=True):
            person.engine.news.unsubscribe(queue)


async def _anything(people: tuple[Person, ...], queues: list[asyncio.Queue[Event]]) -> None:
    loop = asyncio.get_running_loop()
    waiters = [loop.create_future() for _ in people]
    for person, waiter in zip(people, waiters, strict=True):
        person.engine.news._waiters.append(waiter)
    gets = [loop.create_task(queue.get()) for queue in queues]
    try:
        await asyncio.wait([*waiters, *gets], return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one in (*waiters, *gets):
            one.cancel()
        await asyncio.gather(*gets, return_exceptions=True)


async def online(path: str, options: Options, *people: Person) -> None:
    """All go online, and returns once they are connected over the node, and directly where they may be."""
    for person in people:
        await person.workspace.go_online(options)
    for via in ("node", "webrtc") if options.webrtc else ("node",):
        await until(
            lambda via=via: all(p.live_over(path, via) for p in people), *people, what=f"online over {via}"
        )


async def written_by_both(made: World, first: str, then: str) -> tuple[Person, Person]:
    """Ana and Ben, connected through a node, and the document ``notes`` that both wrote in by turns."""
    node = await made.node()
    ana, ben = await made.pair(node.address, text=first)
    await online("notes", RELAYED, ana, ben)
    ben.append("notes", then)
    await agree("notes", ana, ben)
    return ana, ben


async def agree(path: str, *people: Person, seconds: float = PATIENCE) -> str:
    """Waits until all have the same text with nothing on the way, and returns it."""

    def same() -> bool:
        return len({person.text(path) for person in people}) == 1

    await until(same, *people, seconds=seconds, what=f"equal texts of {path!r}")
    return people[0].text(path)


async def until_does(acting: object, method: str, happened: Callable[[], bool]) -> None:
    """Returns once something is true; it is asked again each time that ``acting`` was called so."""
    did, do = asyncio.Event(), getattr(acting, method)
    setattr(acting, method, lambda *given: did.set() or do(*given))  # type: ignore[func-returns-value]
    async with asyncio.timeout(PATIENCE):
        while not happened():
            did.clear()
            await did.wait()
    delattr(acting, method)


async def compacted(node: RunningNode) -> None:
    """Returns once the archives a node was given took the place of segments on its disk, or were let go."""
    pruning = node._shelf.pruning
    await until_does(pruning, "act", lambda: not pruning._due)
    await asyncio.wrap_future(node._store.write([]))


def newest(person: Person, path: str) -> bytes:
    """The epoch that is written in now."""
    epoch = person.opened(path).live.replica.seat.epoch()
    assert epoch is not None
    return epoch


def hand_over_everything(source: Person, target: Person, path: str) -> None:
    """What a node does that works together with who was removed: all records of all time."""
    book = source.opened(path).live.replica.book
    target.opened(path).live.take_records([record.raw for record in book.membership_records()])


def copy_home(source: Path, target: Path) -> None:
    """A copy of a home as it lies on the disk now, without lock and socket."""
    target.mkdir(mode=0o700)
    for file in source.iterdir():
        if file.is_file() and file.name != "lock":
            (target / file.name).write_bytes(file.read_bytes())


def connections(person: Person, path: str, via: str) -> list[Connection]:
    """The connections an object has over such a way."""
    links = person.opened(path).live.links.values()
    return [flush.__self__._connection for _, way, flush in links if way == via]  # type: ignore[attr-defined]


class Counting:
    """The transport below, and every place that was connected to through it."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self.places: list[str] = []

    async def connect(self, address: Address, *, timeout: float = 10.0) -> Connection:
        self.places.append(format_address(address))
        return await self._transport.connect(address, timeout=timeout)

    async def listen(self, *rest: object) -> object:
        raise NotImplementedError


def direct_connections(person: Person) -> list[str]:
    """From here on, the nodes that a workspace connects to directly."""
    way = person.engine.transport
    counting = Counting(way._direct)
    way._direct = counting  # type: ignore[assignment]
    return counting.places


def drop_packets(person: Person, path: str) -> None:
    """From here on, what this side sends over its data channels goes nowhere, and nobody is told."""
    for connection in connections(person, path, "webrtc"):
        for protocol in connection._pipe._ice._connection._protocols:  # type: ignore[attr-defined]
            protocol.transport = Nowhere(protocol.transport)


class Nowhere:
    """A datagram transport that drops everything."""

    def __init__(self, transport: asyncio.DatagramTransport) -> None:
        self._transport = transport

    def sendto(self, data: bytes, address: object = None) -> None:
        pass

    def __getattr__(self, name: str) -> object:
        return getattr(self._transport, name)


# -- as a program ---------------------------------------------------------------------------------


class Child:
    """The engine's side of ``EngineProcess``. Methods here come before those of the workspace."""

    def __init__(self, workspace: EngineWorkspace) -> None:
        self.workspace = workspace

    def _document(self, path: str) -> Document:
        fold = self.workspace.engine.find(path).fold
        assert isinstance(fold, DocumentFold)
        return fold.document

    async def share_link(self, path: str, role: str) -> str:
        return await self.workspace.share_link(path, Role(role))

    async def go_online(self, webrtc: bool) -> None:
        await self.workspace.go_online(Options(webrtc=webrtc))

    async def append(self, path: str, text: str) -> None:
        document = self._document(path)
        document.edit(len(document), len(document), text)

    async def text_with(self, path: str, *parts: str) -> str:
        """Returns the text once it holds all ``parts``."""
        document = self._document(path)
        changed = asyncio.Event()
        stop = document.on_change(lambda _: changed.set())
        while not all(part in document.text for part in parts):
            changed.clear()
            await changed.wait()
        stop()
        return document.text

    async def connected(self, path: str, via: str) -> None:
        """Returns once an object is connected in this way."""
        queue = self.workspace.engine.news.subscribe()
        live = self.workspace.engine.find(path).live
        while via not in {way for _, way, _ in live.links.values()}:
            await queue.get()
        self.workspace.engine.news.unsubscribe(queue)

    async def tried(self, path: str, seconds: float) -> list[str]:
        """Returns, once a direct connection was given up after so long, over what an object is connected."""
        opened, failed = self.workspace.engine.find(path), asyncio.Event()
        usual, run = peers.OPEN_SECONDS, peers.PeerMesh._run

        async def told(mesh: peers.PeerMesh, attempt: Any, opening: Any) -> None:
            await run(mesh, attempt, opening)
            if attempt.failures:
                failed.set()

        peers.OPEN_SECONDS, peers.PeerMesh._run = seconds, told  # type: ignore[misc, method-assign]
        await failed.wait()
        peers.OPEN_SECONDS, peers.PeerMesh._run = usual, run  # type: ignore[misc, method-assign]
        return sorted({way for _, way, _ in opened.live.links.values()})

    async def type(self, path: str, word: str) -> None:
        """Types and reads for ever, and tells each text that ``read_document`` returned."""
        number = 0
        while True:
            number += 1
            await self.append(path, f"{word}{number} ")
            text, _ = await self.workspace.read_document(path)
            _say(0, "read", text)


def _say(*values: Any) -> None:
    print(json.dumps(values, default=lambda v: asdict(v) if is_dataclass(v) else str(v)), flush=True)  # type: ignore[arg-type]


async def _answer(child: Child, call: list[Any]) -> None:
    number, method, *arguments = call
    try:
        found: Callable[..., Awaitable[Any]] = getattr(child, method, None) or getattr(
            child.workspace, method
        )
        _say(number, "ok", await found(*arguments))
    except errors.PeergosCollabError as error:
        _say(number, "error", type(error).__name__, error.exit_code, error.message, error.hint)


async def _stdin() -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    return reader


async def _engine(home: Path) -> None:
    workspace = await open_home(home, None, True)
    assert isinstance(workspace, EngineWorkspace)
    child, reader = Child(workspace), await _stdin()
    tasks = set()
    _say(0, "ready", None)
    while line := await reader.readline():
        tasks.add(asyncio.create_task(_answer(child, json.loads(line))))
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await workspace.close()


async def _node(home: Path, port: int, grace: int, *, entry: bool) -> None:
    tunnels = installed_tunnels(private=True) if entry else None
    node = await serve_node(home, "127.0.0.1", port, tunnels=tunnels, grace=grace)
    print(node.address, flush=True)
    reader = await _stdin()
    while await reader.readline():
        await compacted(node)
        print("compacted", flush=True)
    await node.close()


if __name__ == "__main__":
    if sys.argv[1] in ("node", "entry"):
        home, port, grace = Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
        asyncio.run(_node(home, port, grace, entry=sys.argv[1] == "entry"))
    else:
        asyncio.run(_engine(Path(sys.argv[2])))

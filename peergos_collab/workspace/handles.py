"""Open documents and chats, as faces use them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Final, Self, cast

from ..chat.events import Message as MessageEvent
from ..chat.events import Reply
from ..chat.timeline import TimelineMessage
from ..codec import to_multibase
from ..codec.shown import show_message
from ..documents import Document
from ..errors import Damaged, NoAccess, Quarantined
from .api import Message, Presence, Unsubscribe, Writer
from .callbacks import subscribe
from .engine import Engine
from .folds import ChatFold, DocumentFold
from .machine import now_ms
from .open_object import OpenObject
from .presence import Present
from .writers import writer_of

WAKE_SECONDS: Final = 0.1
"""After a document was opened, until its engine takes in its state: the text is on the screen by then."""

LOOK_BACK: Final = 256
"""Messages among which one that was just sent is looked for."""


class _Handle:
    """What documents and chats have in common."""

    def __init__(self, engine: Engine, opened: OpenObject) -> None:
        self._engine = engine
        self._opened = opened
        self._held = False

    def hold(self) -> Self:
        """Somebody has it open from now on, until ``close``: it stays in use, and connected."""
        self._held = True
        self._opened.handles += 1
        self._engine.online.stir()
        return self

    @property
    def path(self) -> str:
        return self._opened.path

    @property
    def can_write(self) -> bool:
        return self._opened.live.replica.can_write

    @property
    def presences(self) -> list[Presence]:
        return [self._presence(present) for present in self._opened.presence.present.values()]

    def _presence(self, present: Present) -> Presence:
        typing = self._opened.presence.typing(present)
        called = self._engine.mailroom.book.names().of(present.account, present.name)
        key = to_multibase(present.device)
        account = to_multibase(present.account)
        return Presence(key, called.name, None, None, typing, present.via, called.unverified, account)

    async def close(self) -> None:
        self._opened.handles -= self._held
        self._held = False


class LocalDocument(_Handle):
    """Implements ``DocumentHandle`` inside the engine: the document is the engine's own."""

    def __init__(self, engine: Engine, opened: OpenObject) -> None:
        super().__init__(engine, opened)
        self._fold = cast(DocumentFold, opened.fold)
        asyncio.get_running_loop().call_later(WAKE_SECONDS, self._wake)

    def _wake(self) -> None:
        """Whoever opens it is about to write: the first keystroke should not wait for the engine."""
        if self._opened.live.stopped:
            return
        try:
            self._fold.document.wake()
        except Damaged:
            pass  # the engine was told, and mends it
        except Quarantined as error:
            live = self._opened.live
            self._engine.start_over(live.id, Damaged(f"the local state is damaged ({error.message})"))

    @property
    def document(self) -> Document:
        return self._fold.document

    def _presence(self, present: Present) -> Presence:
        base = super()._presence(present)
        document = self._fold.document
        anchor = document.offset_untrusted(present.anchor) if present.anchor else None
        head = document.offset_untrusted(present.head) if present.head else None
        return replace(base, anchor=anchor, head=head)

    def set_cursor(self, anchor: int, head: int) -> None:
        document = self._fold.document
        try:
            places = document.anchor(anchor), document.anchor(head)
        except Damaged:
            return  # the engine was told, and mends it
        self._opened.presence.set_cursor(*places, True)

    def on_presence(self, callback: Callable[[], None]) -> Unsubscribe:
        return subscribe(self._opened.presence.on_change, callback)

    async def writer_at(self, offset: int) -> Writer | None:
        return await self.writer_of(self.document.writer_at(offset))

    async def writer_of(self, client: int) -> Writer | None:
        return writer_of(self._opened.live.replica, client, self._engine.mailroom.book.names())

    async def saved(self) -> None:
        await self._opened.live.durable()


class LocalChat(_Handle):
    """Implements ``ChatHandle`` inside the engine."""

    def __init__(self, engine: Engine, opened: OpenObject) -> None:
        super().__init__(engine, opened)
        self._fold = cast(ChatFold, opened.fold)

    def __len__(self) -> int:
        return len(self._fold.timeline) + len(self._fold.waiting.messages)

    def messages(self, start: int, stop: int) -> list[Message]:
        sealed = len(self._fold.timeline)
        shown = self._fold.timeline.messages(start, min(stop, sealed))
        if stop > sealed:
            waiting = self._fold.waiting.messages[max(start - sealed, 0) : stop - sealed]
            shown = shown + self._unsealed(waiting)
        return [self.show(message) for message in shown]

    def search(self, query: str, limit: int) -> list[Message]:
        words = query.casefold().split()
        found = self._fold.timeline.search(query, limit)
        waiting = [
            each
            for each in self._fold.waiting.messages
            if words and all(word in each[1].text.casefold() for word in words)
        ][-limit:]
        return [self.show(message) for message in [*reversed(self._unsealed(waiting)), *found][:limit]]

    def show(self, message: TimelineMessage) -> Message:
        called = self._engine.mailroom.book.names().of(message.author.account, message.author.name)
        return Message(
            message.id,
            called.name,
            message.time,
            show_message(message.text),
            called.me,
            message.edited,
            message.reply_to,
            called.unverified,
        )

    def _unsealed(self, waiting: list[tuple[int, MessageEvent | Reply]]) -> list[TimelineMessage]:
        timeline, author = self._fold.timeline, self._opened.live.replica.author
        return [shown for time, event in waiting for shown in timeline.unsealed(author, time, [event])]

    async def send(self, text: str, *, reply_to: str = "") -> str:
        if not self.can_write:
            raise NoAccess("you may read this chat, but not write in it")
        target = self._fold.timeline.reference(reply_to) if reply_to else None
        event = Reply(target, text) if target is not None else MessageEvent(text)
        live = self._opened.live
        live.submit(self._fold.add_local(event, now_ms()))
        for callback in list(live.on_durable):
            callback()
        await live.durable()
        if self._fold.waiting:
            return ""
        # Others' may have come after it by now.
        return self._fold.timeline.newest_id(live.replica.author.device, text, LOOK_BACK)

    def set_typing(self) -> None:
        self._opened.presence.set_cursor(b"", b"", True)

    def on_change(self, callback: Callable[[], None]) -> Unsubscribe:
        live = self._opened.live

        def deliveries(_: object) -> None:
            callback()

        live.on_deliveries.append(deliveries)
        undo_durable = subscribe(live.on_durable, callback)
        undo_presence = subscribe(self._opened.presence.on_change, callback)

        def unsubscribe() -> None:
            if deliveries in live.on_deliveries:
                live.on_deliveries.remove(deliveries)
            undo_durable()
            undo_presence()

        return unsubscribe

"""A chat as lines on a page, worked out for the messages in sight only."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

from peergos_collab.values import dataclass
from peergos_collab.workspace.api import Message

from .cells import cell, shown, tab
from .clusters import cluster_ends
from .people import called
from .wrap import wrap

_GROUP = timedelta(minutes=5)
_KEPT = 500
_LOOKED_BACK = 5000
_CHUNK = 250
_MOST_LINES = 400
"""Lines one message may take; the rest is cut off on screen, never in the data."""


class Messages(Protocol):
    """The part of a chat handle that is needed here."""

    def __len__(self) -> int: ...

    def messages(self, start: int, stop: int) -> list[Message]: ...


@dataclass(frozen=True, slots=True)
class ChatLine:
    """One line; ``note`` is drawn fainter behind ``text``.

    ``kind`` is ``day``, ``head``, ``quote`` (what the message answers) or ``text``.
    """

    kind: str
    text: str
    note: str = ""
    mine: bool = False


def moment(time: int) -> datetime | None:
    """An author's clock as local time; None where it is nonsense."""
    try:
        return datetime.fromtimestamp(time / 1000).astimezone()
    except (OverflowError, OSError, ValueError):
        return None


def day_words(when: datetime | None) -> str:
    return f"{when:%A} {when.day} {when:%B %Y}" if when is not None else "no date"


def clock_words(when: datetime | None) -> str:
    return f"{when:%H:%M}" if when is not None else "--:--"


def author_words(message: Message) -> str:
    """Who wrote a message."""
    return "You" if message.mine else called(message.author, unverified=message.unverified)


def quote_words(message: Message | None, width: int) -> str:
    """The message that is answered, on one line."""
    if message is None:
        return shown("an earlier message", width)
    first = message.text.strip().replace("\r\n", "\n").split("\n", 1)[0]
    return shown(f"{author_words(message)}: {first}", width)


def message_lines(
    message: Message, before: Message | None, width: int, answered: Message | None = None
) -> list[ChatLine]:
    """The lines of a message; a head line where the author changes or time passed, a day line at midnight.

    ``answered`` is the message it replies to, where that was found.
    """
    when = moment(message.time)
    earlier = moment(before.time) if before is not None else None
    lines: list[ChatLine] = []
    new_day = before is None or (when and when.date()) != (earlier and earlier.date())
    if new_day:
        lines.append(ChatLine("day", day_words(when)))
    near = when is not None and earlier is not None and abs(when - earlier) < _GROUP
    if before is None or new_day or author_words(before) != author_words(message) or not near:
        lines.append(ChatLine("head", author_words(message), clock_words(when), message.mine))
    if message.reply_to:
        lines.append(ChatLine("quote", "↳ " + quote_words(answered, max(2, width - 5)), "", message.mine))
    text = message.text + (" (edited)" if message.edited else "")
    for raw in text.replace("\r\n", "\n").split("\n", _MOST_LINES):
        laid = wrap(raw, max(2, width - 2))
        for piece in range(min(len(laid), _MOST_LINES)):
            lines.append(ChatLine("text", "".join(_looks(laid.piece(piece))), "", message.mine))
            if len(lines) > _MOST_LINES:
                lines.append(ChatLine("text", "… (long message cut here)"))
                return lines
    return lines


def _looks(piece: str) -> list[str]:
    looks = []
    x = 0
    start = 0
    for end in cluster_ends(piece):
        cluster = piece[start:end]
        look, width = (" " * tab(x)[1], tab(x)[1]) if cluster == "\t" else cell(cluster)
        looks.append(look)
        x += width
        start = end
    return looks


class Timeline:
    """A window of ``height`` lines over a chat. It follows new messages until one scrolls up."""

    def __init__(self, messages: Messages) -> None:
        self._messages = messages
        self._cache: OrderedDict[tuple[Message, Message | None, int], list[ChatLine]] = OrderedDict()
        self.width = 40
        self.height = 1
        self.following = True
        self.index = 0
        self.line = 0
        self.chosen: int | None = None
        self._chosen_id = ""
        self._top_id = ""
        self._seen = len(messages)

    def resize(self, width: int, height: int) -> None:
        self.width, self.height = max(4, width), max(1, height)

    @property
    def unread(self) -> int:
        """Messages that came since one scrolled up."""
        return 0 if self.following else max(0, len(self._messages) - self._seen)

    def _lines(self, index: int) -> list[ChatLine]:
        first = max(0, index - 1)
        got = self._messages.messages(first, index + 1)
        if not got:
            return []
        return self._laid(got[-1], got[-2] if len(got) > 1 else None)

    def _laid(self, message: Message, before: Message | None) -> list[ChatLine]:
        key = (message, before, self.width)
        found = self._cache.get(key)
        if found is None:
            answered = self._answered(message, before)
            found = self._cache[key] = message_lines(message, before, self.width, answered)
            if len(self._cache) > _KEPT:
                self._cache.popitem(last=False)
        return found

    def _answered(self, message: Message, before: Message | None) -> Message | None:
        """What a message replies to, looked for among the last ones before it."""
        if not message.reply_to:
            return None
        stop = len(self._messages) if before is None else self._near(before.id, self.index) + 1
        for chunk_stop in range(stop, max(0, stop - _LOOKED_BACK), -_CHUNK):
            chunk = self._messages.messages(max(0, chunk_stop - _CHUNK), chunk_stop)
            for earlier in reversed(chunk):
                if earlier.id == message.reply_to:
                    return earlier
        return None

    def _near(self, message_id: str, index: int) -> int:
        """Where a message is by now; where it was, if it is not near there."""
        first = max(0, index - 500)
        near = self._messages.messages(first, min(len(self._messages), index + 501))
        for place, message in enumerate(near):
            if message.id == message_id:
                return first + place
        return max(0, min(index, len(self._messages) - 1))

    def changed(self) -> None:
        """After messages came, perhaps before those in sight: stays at the same message."""
        if self.chosen is not None and self._chosen_id:
            self.chosen = self._near(self._chosen_id, self.chosen)
        if not self.following and self._top_id:
            self.index = self._near(self._top_id, self.index)

    def visible(self) -> list[ChatLine]:
        """The lines in sight, from the top."""
        return [line for _, line in self.lines()]

    def lines(self) -> list[tuple[int, ChatLine]]:
        """The lines in sight, each with the place of its message."""
        count = len(self._messages)
        if count == 0:
            return []
        if self.following:
            self._to_bottom()
        got: list[tuple[int, ChatLine]] = []
        skip = self.line
        window = self._window(self.index, min(count, self.index + self.height + 1))
        for index, (message, before) in enumerate(window, self.index):
            got.extend((index, line) for line in self._laid(message, before)[skip:])
            skip = 0
            if len(got) >= self.height:
                break
        return got[: self.height]

    def _window(self, start: int, stop: int) -> list[tuple[Message, Message | None]]:
        first = max(0, start - 1)
        got: Sequence[Message] = self._messages.messages(first, stop)
        pairs: list[tuple[Message, Message | None]] = []
        before = got[0] if start > 0 and got else None
        for message in got[1:] if start > 0 else got:
            pairs.append((message, before))
            before = message
        return pairs

    def _to_bottom(self) -> None:
        self.index, self.line = self._top_for(len(self._messages))
        self.following = True
        self._seen = len(self._messages)
        self._remember()

    def _bottom_top(self) -> tuple[int, int]:
        """The (message, line) at the top of the last page."""
        return self._top_for(len(self._messages))

    def _top_for(self, index: int) -> tuple[int, int]:
        """The (message, line) at the top of the page that ends before a message."""
        left = self.height
        while index > 0 and left > 0:
            index -= 1
            lines = len(self._lines(index))
            if lines >= left:
                return index, lines - left
            left -= lines
        return 0, 0

    def _remember(self) -> None:
        got = self._messages.messages(self.index, self.index + 1)
        self._top_id = got[0].id if got else ""

    def scroll(self, lines: int) -> None:
        """Up (negative) or down; at the bottom it follows again."""
        if not len(self._messages):
            return
        if self.following:
            if lines >= 0:
                return
            self._to_bottom()
            self._seen = len(self._messages)
        self.following = False
        line, index = self.line + lines, self.index
        while line < 0 and index > 0:
            index -= 1
            line += len(self._lines(index))
        line = max(0, line)
        while index + 1 < len(self._messages) and line >= (size := len(self._lines(index))):
            line -= size
            index += 1
        if (index, line) >= self._bottom_top():
            self._to_bottom()
            return
        self.index, self.line = index, line
        self._remember()

    def to_top(self) -> None:
        if len(self._messages):
            self.following = False
            self.index = self.line = 0
            self._remember()
            if self._bottom_top() <= (0, 0):
                self._to_bottom()

    def to_bottom(self) -> None:
        if len(self._messages):
            self._to_bottom()
        self.following = True

    def show(self, index: int) -> None:
        """Puts a message at the top, or the last page if it is on it."""
        self.following = False
        self.index, self.line = max(0, min(index, len(self._messages) - 1)), 0
        self._remember()
        if (self.index, 0) >= self._bottom_top():
            self._to_bottom()

    @property
    def chosen_message(self) -> Message | None:
        found = [] if self.chosen is None else self._messages.messages(self.chosen, self.chosen + 1)
        return found[0] if found else None

    def choose(self, index: int | None) -> None:
        """Chooses a message and brings it into sight; None chooses none."""
        count = len(self._messages)
        if index is None or not count:
            self.chosen, self._chosen_id = None, ""
            return
        self.chosen = max(0, min(index, count - 1))
        message = self.chosen_message
        self._chosen_id = message.id if message is not None else ""
        self._reveal(self.chosen)

    def _reveal(self, index: int) -> None:
        if self.following:
            self._to_bottom()
        if index < self.index or (index == self.index and self.line):
            self.following = False
            self.index, self.line = index, 0
            self._remember()
        elif self._top_for(index + 1) > (self.index, self.line):
            self.index, self.line = self._top_for(index + 1)
            self._remember()
            if (self.index, self.line) >= self._bottom_top():
                self._to_bottom()


def index_of(messages: Messages, wanted: Message, start: int, stop: int) -> int | None:
    """Where a message stands between two places of a chat."""
    for place, message in enumerate(messages.messages(start, stop)):
        # One without a place in the chat yet has no id.
        if message.id == wanted.id if wanted.id else message == wanted:
            return start + place
    return None

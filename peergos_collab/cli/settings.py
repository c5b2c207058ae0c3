"""The global options, which may stand before or after the command, and the passphrase they lead to."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import field
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar

import click

from ..errors import UsageError
from ..values import dataclass

HOME_VARIABLE: Final = "PGC_HOME"
PASSPHRASE_VARIABLE: Final = "PGC_PASSPHRASE_FILE"

MAX_SECRET: Final = 1 << 16
"""Bytes of a passphrase file; more is some other file, given by mistake."""


@dataclass
class Settings:
    """What the global options say. ``None`` means: not given on the command line."""

    home: Path | None = None
    json: bool = False
    passphrase_file: str | None = None
    quiet: bool = False
    verbose: bool = False
    known: str | None = field(default=None, repr=False)
    """The passphrase, once it was read or typed."""

    def home_directory(self) -> Path:
        """The home: ``--home``, else ``PGC_HOME``, else the platform's data directory."""
        if self.home is not None:
            return self.home
        if named := os.environ.get(HOME_VARIABLE):
            return Path(named)
        from platformdirs import user_data_path

        return user_data_path("peergos-collab", appauthor=False)

    def secret_file(self) -> str | None:
        """Where the passphrase is to be read from, if that was said."""
        return self.passphrase_file or os.environ.get(PASSPHRASE_VARIABLE) or None

    def passphrase(self) -> str | None:
        """The passphrase from the file that was named, or None."""
        source = self.secret_file()
        return None if source is None else read_secret(source, "passphrase")


def current() -> Settings:
    """The settings of the command that runs."""
    found = click.get_current_context().find_root().ensure_object(Settings)
    assert isinstance(found, Settings)
    return found


def read_secret(source: str, what: str) -> str:
    """The secret in the file ``source`` (``-`` is stdin), without the line end after it.

    Raises:
        UsageError: there is no such file, it is empty, or far too long.
    """
    if source == "-":
        raw = sys.stdin.buffer.read(MAX_SECRET + 1)
    else:
        try:
            with Path(source).open("rb") as file:
                raw = file.read(MAX_SECRET + 1)
        except OSError as error:
            raise UsageError(f"The {what} file {source!r} cannot be read: {error.strerror}.") from None
    if len(raw) > MAX_SECRET:
        raise UsageError(f"The {what} file is too long; it should hold the {what} and nothing else.")
    secret = raw.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8", "surrogateescape")
    if not secret:
        raise UsageError(f"The {what} file is empty.")
    return secret


def has_terminal() -> bool:
    """Whether somebody can be asked: both where the answer comes from and where the question goes."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr is not None and sys.stderr.isatty()


def ask_secret(question: str, *, confirm: bool = False) -> str:
    """Asks on the terminal, without showing what is typed."""
    answer = click.prompt(question, hide_input=True, confirmation_prompt=confirm, err=True)
    assert isinstance(answer, str)
    return answer


F = TypeVar("F", bound=Callable[..., Any])


def _keep(name: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    def callback(context: click.Context, _: click.Parameter, value: Any) -> None:
        if value not in (None, False):
            setattr(context.find_root().ensure_object(Settings), name, value)

    return callback


def global_options(*, hidden: bool) -> list[click.Parameter]:
    """Fresh option objects; hidden in the help of commands, shown in that of ``pgc`` itself."""

    def option(*names: str, keep: str, text: str, **more: Any) -> click.Option:
        return click.Option(
            names, expose_value=False, hidden=hidden, callback=_keep(keep), help=text, is_eager=True, **more
        )

    return [
        option(
            "--home",
            keep="home",
            text="Where everything is kept; default: the platform's data directory, or PGC_HOME.",
            type=click.Path(path_type=Path),
            metavar="DIR",
        ),
        option("--json", keep="json", text="One JSON document, or JSON lines.", is_flag=True),
        option(
            "--passphrase-file",
            keep="passphrase_file",
            text="Read the passphrase from FILE, '-' for stdin; also PGC_PASSPHRASE_FILE.",
            metavar="FILE",
        ),
        option("-q", "--quiet", keep="quiet", text="No narration.", is_flag=True),
        option(
            "-v",
            "--verbose",
            keep="verbose",
            text="Say more when something unexpected happens.",
            is_flag=True,
        ),
    ]


class Command(click.Command):
    """A command that takes the global options too."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.extend(global_options(hidden=True))


class Group(click.Group):
    """A group of such commands."""

    command_class = Command
    group_class: type[click.Group] = click.Group

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.extend(global_options(hidden=type(self) is Group))


Group.group_class = Group


def refuse(message: str, hint: str = "") -> NoReturn:
    """Ends the command: it was not used as it is meant."""
    raise UsageError(message, hint=hint)

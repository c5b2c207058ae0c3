"""What a command that fails says, and the exit code it ends with."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from ..codec.shown import escape_hidden
from ..errors import NotFound, PeergosCollabError, UsageError
from .output import to_json
from .settings import Settings

INTERRUPTED: Final = 130


def report(error: BaseException, settings: Settings) -> int:
    """Prints what went wrong to stderr, and returns the exit code.

    Args:
        error: anything a command raised.
        settings: whether to speak JSON, and whether to show a traceback.
    """
    if isinstance(error, BaseExceptionGroup):
        return report(_weightiest(error), settings)
    if isinstance(error, (KeyboardInterrupt, click.Abort)):
        return INTERRUPTED
    if isinstance(error, click.exceptions.NoArgsIsHelpError) and not settings.json:
        error.show()
        return UsageError.exit_code
    if isinstance(error, click.ClickException):
        error = UsageError(error.format_message(), hint=_usage_hint(error))
    elif isinstance(error, OSError):
        error = _from_system(error)
    if not isinstance(error, PeergosCollabError):
        return _unexpected(error, settings)
    _say(settings, error.code, error.message, error.hint)
    return error.exit_code


def _weightiest(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Of several errors at once the one that was meant to be seen: ours before the unexpected."""
    ours, others = group.split(PeergosCollabError)
    chosen: BaseException = ours or others or group
    while isinstance(chosen, BaseExceptionGroup):
        chosen = chosen.exceptions[0]
    return chosen


def _usage_hint(error: click.ClickException) -> str:
    context = getattr(error, "ctx", None)
    return f"Try '{context.command_path} --help'." if context is not None else ""


def _from_system(error: OSError) -> PeergosCollabError | OSError:
    if error.filename is None or not isinstance(error.filename, str):
        return error
    if isinstance(error, FileNotFoundError):
        return NotFound(f"There is no file {error.filename!r}; nothing was changed.", hint="Check its path.")
    if isinstance(error, (PermissionError, IsADirectoryError, NotADirectoryError)):
        return UsageError(f"{error.filename!r}: {error.strerror}.")
    return error


def _unexpected(error: BaseException, settings: Settings) -> int:
    """Names the place, not the message: a foreign error may quote a text, a link or a passphrase."""
    reason = (getattr(error, "strerror", "") or "") if isinstance(error, OSError) else ""
    import traceback

    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    detail = f"{type(error).__name__}{': ' + reason if reason else ''}{place}"
    hint = "" if settings.verbose else "With -v it shows where; what was saved before is safe."
    _say(settings, PeergosCollabError.code, f"Something unexpected happened ({detail}).", hint)
    if settings.verbose:
        _show_places(error)
    return PeergosCollabError.exit_code


def _show_places(error: BaseException | None) -> None:
    import traceback

    while error is not None:
        for line in traceback.format_tb(error.__traceback__):
            click.echo(line, err=True, nl=False)
        click.echo(type(error).__name__, err=True)
        error = error.__cause__ or error.__context__


def _say(settings: Settings, code: str, message: str, hint: str) -> None:
    try:
        if settings.json:
            click.echo(to_json({"error": code, "message": message, "hint": hint}), err=True)
            return
        click.echo(f"pgc: {escape_hidden(message)}", err=True)
        if hint:
            click.echo(f"     {escape_hidden(hint)}", err=True)
    except OSError:  # nobody reads stderr any more; the exit code still tells
        pass

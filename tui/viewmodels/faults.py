"""Errors in words: what happened and what to do next."""

from __future__ import annotations

from peergos_collab.errors import PeergosCollabError

from .cells import shown

NOT_KEPT = "What you typed meanwhile went nowhere."
_LIMIT = 600


def error_words(error: PeergosCollabError) -> str:
    """The message, and the hint on a line of its own."""
    message = _sentence(shown(error.message, _LIMIT))
    return f"{message}\n{shown(error.hint, _LIMIT)}" if error.hint else message


def _sentence(text: str) -> str:
    """Beside a prompt a message begins small and has no full stop; on a screen it is a sentence."""
    text = text[:1].upper() + text[1:]
    return f"{text}." if text[-1:].isalnum() or text[-1:] in "'\"”)]>" else text


def fault_words(fault: BaseException) -> str:
    """A fault of this program in one line, without values that could be private."""
    place = ""
    trace = fault.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        place = (
            f"{code.co_filename.replace(chr(92), '/').rsplit('/', 1)[-1]}:{trace.tb_lineno} in {code.co_name}"
        )
        trace = trace.tb_next
    return f"{type(fault).__name__} at {place}" if place else type(fault).__name__

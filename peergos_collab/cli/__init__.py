"""The command line: arguments, printers and exit codes. ``pgc --help`` loads nothing heavy."""

from .main import main

__all__ = ["main"]

"""The library's notes and warnings, shown on standard error while a command runs."""

import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

import click

from fcnet.cli.messages import show_warning

if TYPE_CHECKING:
    from rich.console import Console


@contextmanager
def shown_notes() -> Iterator[None]:
    """Show what fcnet logs, and warnings, in the body of a ``with``."""
    logger, handler, show = logging.getLogger("fcnet"), NotesHandler(), warnings.showwarning
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    warnings.showwarning = show_warning
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        warnings.showwarning = show


class NotesHandler(logging.Handler):
    """Shows notes on a terminal by rich, with the time; elsewhere as plain lines. Those marked `once` are not repeated."""

    def __init__(self) -> None:
        """Begin with nothing shown."""
        super().__init__()
        self._shown: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Show `record`."""
        if getattr(record, "once", False):
            if record.getMessage() in self._shown:
                return
            self._shown.add(record.getMessage())
        if console := terminal():
            _rich_handler(console).emit(record)
        else:
            click.echo(record.getMessage(), err=True)


def terminal() -> "Console | None":
    """Return the console of standard error, always the same one, or None where it is no terminal."""
    return _console() if sys.stderr.isatty() else None


@cache
def _console() -> "Console":
    from rich.console import Console

    return Console(stderr=True)


@cache
def _rich_handler(console: "Console") -> logging.Handler:
    from rich.logging import RichHandler

    return RichHandler(console=console, show_level=False, show_path=False, log_time_format="%H:%M:%S")

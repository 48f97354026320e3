"""What people are told on standard error: notes, warnings and errors."""

import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console


def show_error(error: object) -> None:
    """Show an error that does not end the command."""
    click.echo(f"Error: {error}", err=True)


def show_warning(message: object, *_: Any, **__: Any) -> None:
    """Show a warning; takes what `warnings.showwarning` takes."""
    click.echo(f"Warning: {message}", err=True)


@contextmanager
def shown_notes() -> Iterator[None]:
    """Show on standard error what fcnet logs and warns of."""
    logger, notes, level, show = logging.getLogger("fcnet"), Notes(), logging.getLogger("fcnet").level, warnings.showwarning
    logger.addHandler(notes)
    logger.setLevel(logging.INFO)
    warnings.showwarning = show_warning
    try:
        yield
    finally:
        logger.removeHandler(notes)
        logger.setLevel(level)
        warnings.showwarning = show


class Notes(logging.Handler):
    """Shows what is logged: with the time, by rich, on a terminal; elsewhere as plain lines."""

    def emit(self, record: logging.LogRecord) -> None:
        """Show `record`."""
        if console := terminal():
            _rich_handler(console).emit(record)
        else:
            click.echo(record.getMessage(), err=True)


def terminal() -> "Console | None":
    """Return the console of standard error, the same at every call; None where it is no terminal."""
    return _console() if sys.stderr.isatty() else None


@cache
def _console() -> "Console":
    from rich.console import Console

    return Console(stderr=True)


@cache
def _rich_handler(console: "Console") -> logging.Handler:
    from rich.logging import RichHandler

    return RichHandler(console=console, show_level=False, show_path=False, log_time_format="%H:%M:%S")

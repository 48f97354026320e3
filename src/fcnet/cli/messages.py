"""Messages to people, on standard error."""

import os
from pathlib import Path
from typing import Any

import click


def show_error(error: object) -> None:
    """Show what went wrong."""
    click.echo(f"Error: {error}", err=True)


def show_warning(message: object, *_: Any, **__: Any) -> None:
    """Show a warning; takes what `warnings.showwarning` takes."""
    click.echo(f"Warning: {message}", err=True)


def plain_words(error: Exception, *, has_out: bool = False) -> str:
    """Return an error in words: of one of the system what cannot be read or written, and without a number.

    Where a command has an --out, that is what to do about what cannot be written.
    """
    if not isinstance(error, OSError) or not error.filename:
        return str(error)
    place = Path(error.filename)
    place = place.parent if place.name.startswith(".") else place  # nobody has named a lock
    there = next((path for path in (place, *place.parents) if os.access(path, os.F_OK)), Path())
    if not os.access(there, os.R_OK):
        return f"{place} cannot be read: {error.strerror}."
    return f"{place} cannot be written: {error.strerror}.{' Choose another --out.' if has_out else ''}"


def show_note(note: object) -> None:
    """Show what goes on, as a note of the library is shown."""
    from logging import getLogger

    getLogger(__name__).info(note)

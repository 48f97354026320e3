"""Messages to people, on standard error."""

from typing import Any

import click


def show_error(error: object) -> None:
    """Show what went wrong."""
    click.echo(f"Error: {error}", err=True)


def show_warning(message: object, *_: Any, **__: Any) -> None:
    """Show a warning; takes what `warnings.showwarning` takes."""
    click.echo(f"Warning: {message}", err=True)


def plain_words(error: Exception) -> str:
    """Return an error in words; one of the system with what it is about, and without a number."""
    if not isinstance(error, OSError) or not error.filename:
        return str(error)
    what = "read or written" if isinstance(error, PermissionError) else "written"  # what is missing has words of its own
    return f"{error.filename} cannot be {what}: {error.strerror}."


def show_note(note: object) -> None:
    """Show what goes on, as a note of the library is shown."""
    from logging import getLogger

    getLogger(__name__).info(note)

"""Messages to people, on standard error."""

from typing import Any

import click


def show_error(error: object) -> None:
    """Show what went wrong."""
    click.echo(f"Error: {error}", err=True)


def show_warning(message: object, *_: Any, **__: Any) -> None:
    """Show a warning; takes what `warnings.showwarning` takes."""
    click.echo(f"Warning: {message}", err=True)


def show_note(note: object) -> None:
    """Show what goes on, as a note of the library is shown."""
    from logging import getLogger

    getLogger(__name__).info(note)

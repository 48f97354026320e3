"""Messages to people, on standard error."""

import errno
from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any

import click

# What ends the work in its midst, and what to do about it.
BROKE_OFF = dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "Make room") | dict.fromkeys((errno.EFBIG, errno.EIO), "Mend that")
PARTS = {"val": "Validation", "test": "Test"}


def show_error(error: object) -> None:
    """Show what went wrong."""
    click.echo(f"Error: {error}", err=True)


def show_warning(message: object, *_: Any, **__: Any) -> None:
    """Show a warning; takes what `warnings.showwarning` takes."""
    click.echo(f"Warning: {message}", err=True)


def plain_words(error: Exception, options: Container[str] = ()) -> str:
    """Return an error in words, without the number of one of the system.

    What to do about what cannot be written depends on the `options` of the command.
    """
    from fcnet.files import NOT_WRITTEN

    if not isinstance(error, OSError) or not error.filename:
        return str(error)
    is_write = NOT_WRITTEN in getattr(error, "__notes__", ())
    said = f"{error.filename}{' cannot be written' if is_write else ''}: {error.strerror}."
    if error.errno in BROKE_OFF and "resume" in options:
        return f"{said} {BROKE_OFF[error.errno]}, and go on with --resume."
    return f"{said} Choose another --out." if is_write and "out" in options else said


def warn_of(metrics: Mapping[str, Any], part: str) -> None:
    """Show where the network of a run is no better than baselines on the ``val`` or ``test`` part."""
    if said := metrics.get("warnings", {}).get(part):
        show_warning(" ".join(said))


def warn_of_findings(run: Path, metrics: Mapping[str, Any]) -> None:
    """Show what the doctor found in a run, a line for each error and warning; of a run without it, what its metrics say."""
    from fcnet.experiments.attendance import findings_of, has_findings

    members = len(metrics.get("members", ()))
    if members or not has_findings(run, metrics):
        warn_of(metrics, "val")
    for finding, n in findings_of(run, metrics):
        of = f", in {n} of {members} networks" if members else ""
        show_warning(" ".join(filter(None, [finding.message, finding.remedy, f"[{finding.code}{of}]"])))


def show_note(note: object) -> None:
    """Show what goes on, as a note of the library is shown."""
    from logging import getLogger

    getLogger(__name__).info(note)


def other_metrics(metrics: Mapping[str, Any], part: str) -> str:
    """Return the metrics of the ``val`` or ``test`` part not in its headline, as a sentence, or nothing."""
    from fcnet.experiments.scores import others_in_words, threshold_words

    others = others_in_words(metrics, part)
    return f"{PARTS[part]} {others}. {threshold_words(metrics)}".rstrip() if others else ""

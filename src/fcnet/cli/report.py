"""``fcnet report``."""

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from fcnet.cli.group import Command
from fcnet.cli.messages import show_error, show_warning
from fcnet.errors import FcnetError


@click.command(cls=Command)
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
def report(runs: Sequence[Path]) -> None:
    """Write report.html again for each of RUNS."""
    from fcnet.report import write_report

    failed = 0
    for run in runs:
        try:
            click.echo(write_report(run))
        except (FcnetError, OSError) as error:
            show_error(error)
            failed += 1
    sys.exit(1 if failed else 0)


def write_or_warn(run: Path) -> Path | None:
    """Write the report of `run` and return its path; warn where that fails, as where nothing can be written."""
    from fcnet.report import write_report

    try:
        return write_report(run)
    except (FcnetError, OSError) as error:
        show_warning(f"no report: {error}")
        return None

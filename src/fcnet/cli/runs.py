"""``fcnet runs``."""

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fcnet.cli.group import Command
from fcnet.cli.options import json_option
from fcnet.errors import SettingError

if TYPE_CHECKING:
    from rich.table import Table

    from fcnet.experiments.runs import RunRow

COLOURS = {"running": "cyan", "finished": "green", "stopped": "yellow", "killed": "yellow", "unfinished": "yellow"}  # else red
RIGHT = ("validation", "test", "loss", "epochs", "time")
WIDE = 1000  # where the output is no terminal, no line is broken


@click.command(cls=Command)
@click.argument("folder", default="runs", type=click.Path(path_type=Path))
@click.option(
    "--filter",
    "filters",
    multiple=True,
    metavar="KEY=VALUE",
    help="Only runs with this value of a column or setting; also with < <= > >= !=, as in 'loss<0.1'. May be repeated.",
)
@click.option("--sort", default="", metavar="KEY", help="Sort by a column or setting; -KEY for the largest first.")
@click.option("--watch", is_flag=True, help="Show the list anew every second until Ctrl-C.")
@click.option("--csv", "as_csv", is_flag=True, help="Print the list as CSV.")
@json_option
def runs(folder: Path, filters: Sequence[str], sort: str, watch: bool, as_csv: bool, as_json: bool) -> None:
    """List the runs below FOLDER, by default those in runs/: how each stands, its results, and in what their settings differ.

    A run is running, finished, stopped (by Ctrl-C), killed, diverged, failed, unfinished (of an older version), or damaged.
    FOLDER may also be a single run.

    \b
    Examples:
      fcnet runs --sort -val_accuracy
      fcnet runs --filter state=finished --filter 'learning_rate<0.1'
      fcnet runs experiments/ --watch
    """  # noqa: D301  # click's sign for lines that stay as they are
    from fcnet.experiments.run_selection import as_table, chosen, to_csv
    from fcnet.experiments.runs import Runs

    if as_csv + as_json + watch > 1:
        raise SettingError("--csv, --json and --watch do not go together.")
    if watch and not sys.stdout.isatty():
        raise SettingError("--watch needs a terminal; --json and --csv print the runs as they are now.")
    listing = Runs(folder)
    if watch:
        _watch(lambda: _table(folder, chosen(listing.rows(), filters, sort)))
        return
    rows = chosen(listing.rows(), filters, sort)
    if as_json:
        click.echo(json.dumps(as_table(rows)))
    elif as_csv:
        click.echo(to_csv(rows), nl=False)
    elif not rows:
        click.echo(f"There are no {'such ' if filters else ''}runs below {folder}.")
    else:
        from rich.console import Console

        console = Console(width=None if sys.stdout.isatty() else WIDE)
        with console.capture() as shown:
            console.print(_table(folder, rows))
        click.echo("\n".join(line.rstrip() for line in shown.get().splitlines()))


def _watch(table: Any) -> None:
    """Show a table, made anew every second, until Ctrl-C."""
    from rich.live import Live

    try:
        with Live(table(), auto_refresh=False, vertical_overflow="ellipsis") as live:
            while True:
                time.sleep(1)
                live.update(table(), refresh=True)
    except KeyboardInterrupt:
        pass


def _table(folder: Path, rows: Sequence["RunRow"]) -> "Table":
    from rich.table import Table
    from rich.text import Text

    from fcnet.experiments.runs import differing
    from fcnet.words import duration_words, setting_words

    table, settings = Table(box=None, pad_edge=False, header_style="bold"), differing(rows)
    for name in ("run", "state", "data", "validation", "test", "loss", "epochs", "time", "settings that differ"):
        table.add_column(name, justify="right" if name in RIGHT else "left", overflow="fold")
    for row in rows:
        own = ", ".join(f"{path.rpartition('.')[2]} = {setting_words(value)}" for path, value in settings[row.run].items())
        cells: list[str | Text] = [
            str(row.run.relative_to(folder)) if row.run != folder else str(row.run),
            Text(row.state, COLOURS.get(row.state, "red")),
            Path(row.dataset or "").name,
            *("" if share is None else f"{share:.2%}" for share in (row.val_accuracy, row.test_accuracy)),
            "" if row.loss is None else f"{row.loss:.4g}",
            "" if row.n_epochs is None else f"{row.epochs}/{row.n_epochs}",
            "" if row.seconds is None else duration_words(row.seconds),
            "; ".join(filter(None, [own, row.reason.partition(". ")[0]])),
        ]
        table.add_row(*(cell if isinstance(cell, Text) else Text(cell) for cell in cells))
    return table

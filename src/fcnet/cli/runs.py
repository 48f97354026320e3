"""``fcnet runs``."""

import json
import sys
import time
from collections.abc import Callable, Sequence
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
COLUMNS = ("run", "state", "data", "validation", "test", "loss", "epochs", "time", SETTINGS := "settings that differ")
SHORTENED = ("run", SETTINGS)  # where a line is too long, and
SPARED = ("time", "loss", "data", "epochs", "test")  # are left out before, in this order
LEAST, GAP = 24, 2  # letters of the settings that others are left out for, and between columns
OF_ENSEMBLES = ("seeds", "folds", "networks")
WIDE = 1000  # letters where the output is no terminal


@click.command(cls=Command)
@click.argument("folder", default="runs", type=click.Path(path_type=Path))
@click.option(
    "--filter",
    "filters",
    multiple=True,
    metavar="KEY=VALUE",
    help="Only runs with this value of a column or setting; also with < <= > >= !=, as in 'validation>90%'. May be repeated.",
)
@click.option("--sort", default="", metavar="KEY", help="Sort by a column or setting; -KEY for the largest first.")
@click.option("--watch", is_flag=True, help="Show the list anew every second until Ctrl-C.")
@click.option("--csv", "as_csv", is_flag=True, help="Print the list as CSV.")
@json_option
def runs(folder: Path, filters: Sequence[str], sort: str, watch: bool, as_csv: bool, as_json: bool) -> None:
    """List the runs below FOLDER, by default those in runs/: how each stands, its results, and in what their settings differ.

    Where epochs were chosen by another metric than accuracy, or R², it has a column of its own.

    A run is running, finished, stopped (by Ctrl-C), killed, diverged, failed, unfinished (of an older version), or damaged.
    FOLDER may also be a single run.

    \b
    Examples:
      fcnet runs --sort -val_accuracy
      fcnet runs --sort val_roc_auc
      fcnet runs --filter state=finished --filter 'learning_rate<0.1'
      fcnet runs experiments/ --watch
    """  # noqa: D301  # click's sign for lines that stay as they are
    from fcnet.experiments.folder import sweep_words
    from fcnet.experiments.run_selection import HEADINGS, as_table, chosen, to_csv
    from fcnet.experiments.runs import Runs

    if as_csv + as_json + watch > 1:
        raise SettingError("--csv, --json and --watch do not go together.")
    if watch and not sys.stdout.isatty():
        raise SettingError("--watch needs a terminal; --json and --csv print the runs as they are now.")
    listing, score = Runs(folder), HEADINGS.get(sort.removeprefix("-"), sort.removeprefix("-"))
    if watch:
        _watch(lambda width: _table(folder, chosen(listing.rows(), filters, sort), width, score))
        return
    rows = chosen(listing.rows(), filters, sort)
    if as_json:
        click.echo(json.dumps(as_table(rows)))
        return
    if as_csv:
        click.echo(to_csv(rows), nl=False)
        return
    if not rows:
        click.echo(f"There are no {'such ' if filters else ''}runs below {folder}.")
    else:
        from rich.console import Console

        console = Console(width=None if sys.stdout.isatty() else WIDE)
        with console.capture() as shown:
            console.print(_table(folder, rows, console.width, score))
        click.echo("\n".join(line.rstrip() for line in shown.get().splitlines()))
    if words := sweep_words(folder):
        click.echo(words, err=True)


def _watch(table: Callable[[int], Any]) -> None:
    """Show a table of so many letters in a line, made anew every second, until Ctrl-C."""
    from rich.console import Console
    from rich.live import Live

    console = Console()
    try:
        with Live(table(console.width), console=console, auto_refresh=False, vertical_overflow="ellipsis") as live:
            while True:
                time.sleep(1)
                live.update(table(console.width), refresh=True)
    except KeyboardInterrupt:
        pass


def _table(folder: Path, rows: Sequence["RunRow"], width: int, score: str) -> "Table":
    """Return the list with a line for each run, which `width` letters have to do for, and the metric that it is sorted by."""
    from rich.cells import cell_len
    from rich.table import Table
    from rich.text import Text

    from fcnet.experiments.runs import validated_otherwise

    scores = _scores(rows, score)
    columns = _columns(folder, rows, scores)
    widths = {name: max(map(cell_len, (name, *cells))) for name, cells in columns.items()}
    widths[SETTINGS] = min(widths[SETTINGS], LEAST)
    for name in SPARED:
        if sum(widths.values()) + GAP * (len(widths) - 1) > width:
            del widths[name]
    table = Table(box=None, pad_edge=False, header_style="bold", caption=validated_otherwise(rows), caption_justify="left")
    for name in widths:
        title = Text(name, no_wrap=True)
        table.add_column(
            title, justify="right" if name in (*RIGHT, *scores) else "left", no_wrap=name not in SHORTENED, overflow="ellipsis"
        )
    for number, row in enumerate(rows):
        colours = {"state": COLOURS.get(row.state, "red")}
        table.add_row(*(Text(columns[name][number], colours.get(name, ""), no_wrap=True) for name in widths))
    return table


def _scores(rows: Sequence["RunRow"], score: str) -> list[str]:
    """Return the metrics that have columns of their own: those by which epochs were chosen, and what the list is sorted by."""
    from fcnet.experiments.runs import OTHER_METRICS

    sorted_by = [score] if score in (*OTHER_METRICS, "val_loss") else []
    return list(dict.fromkeys([*filter(None, (row.chosen_by for row in rows)), *sorted_by]))


def _columns(folder: Path, rows: Sequence["RunRow"], scores: Sequence[str]) -> dict[str, list[str]]:
    from fcnet.experiments.run_selection import value_of
    from fcnet.experiments.runs import differing
    from fcnet.training.metrics import METRICS
    from fcnet.words import duration_words, ensemble_words, number_words, setting_words, shortened

    settings, columns = differing(rows), {name: list[str]() for name in COLUMNS}
    for row in rows:
        reason = f"diverged in epoch {row.epochs + 1}" if row.state == "diverged" else shortened(row.reason)
        own = {path.rpartition(".")[2]: value for path, value in settings[row.run].items() if path not in OF_ENSEMBLES}
        words = ", ".join(f"{name} = {setting_words(value)}" for name, value in own.items())
        is_under_way = row.n_networks > 1 and row.state != "finished"
        network = f"network {row.network} of {row.n_networks}" if is_under_way else ""
        ensemble = ensemble_words(row.folds, row.settings.get("seeds", 1), row.settings.get("networks", 0))
        cells = (
            str(row.run.relative_to(folder)) if row.run != folder else str(row.run),
            row.state,
            Path(row.dataset or "").name,
            *("" if value is None else row.judge.shown(value) for value in (row.score("val"), row.score("test"))),
            "" if row.loss is None else number_words(row.loss),
            row.epochs_words,
            "" if row.seconds is None else duration_words(row.seconds),
            "; ".join(filter(None, [ensemble, words, network, reason])),
        )
        for column, cell in zip(columns.values(), cells, strict=True):
            column.append(cell)
    last = columns.pop(SETTINGS)
    for score in scores:
        shown, values = METRICS[score.partition("_")[2]].shown, [value_of(row, score) for row in rows]
        columns[score] = ["" if value is None else shown(value) for value in values]
    return columns | {SETTINGS: last}

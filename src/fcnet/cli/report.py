"""``fcnet report``."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fcnet.cli.group import Command
from fcnet.cli.messages import plain_words, show_error, show_note, show_warning
from fcnet.cli.options import database_of, storage_option, study_option
from fcnet.errors import FcnetError, SettingError

if TYPE_CHECKING:
    from fcnet.experiments.sweep.storage import Database


@click.command(cls=Command)
@click.argument("folders", nargs=-1, required=True, metavar="RUN|STUDY…", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write the page there.")
@click.option(
    "--importance", is_flag=True, help="Measure which columns of the table matter, and show it in the report of a run."
)
@click.option("--each", is_flag=True, help="Of several runs and studies, write the report of each by itself.")
@storage_option
@study_option
def report(
    folders: Sequence[Path], out: Path | None, importance: bool, each: bool, storage: str | None, study: str | None
) -> None:
    """Write a page to look at: of a run, of the study of a sweep, or of several runs beside each other.

    The page of one RUN or STUDY is the report.html in its folder. Of several runs, or a folder that has some below it, one page
    compares them: runs.html in this folder, or --out. Each page is one file and opens without a network.

    \b
    Examples:
      fcnet report sweeps/first
      fcnet report runs/a --importance
      fcnet report runs/a runs/b --out a-and-b.html
      fcnet report runs
    """  # noqa: D301  # click's sign for lines that stay as they are
    if each and out is not None:
        raise SettingError("--each writes the report.html of each: leave out --out.")
    failed = 0
    for some in [[folder] for folder in folders] if each else [list(folders)]:
        try:
            if importance:
                _measure_importance(some)
            click.echo(_write(some, out, storage, study))
        except (FcnetError, OSError) as error:
            if not each:
                raise
            show_error(plain_words(error))
            failed += 1
    sys.exit(1 if failed else 0)


def _measure_importance(folders: Sequence[Path]) -> None:
    from fcnet.experiments.folder import STUDY
    from fcnet.experiments.importance import permutation_importance

    if len(folders) > 1 or (folders[0] / STUDY).is_file():
        raise SettingError("--importance is for the report of a run: name one, or several with --each.")
    permutation_importance(folders[0])


def _write(folders: Sequence[Path], out: Path | None, storage: str | None, name: str | None) -> Path:
    from fcnet.experiments.folder import CONFIG, STUDY

    folder = folders[0]
    if len(folders) == 1 and (folder / STUDY).is_file():
        from fcnet.experiments.sweep.plan import Plan
        from fcnet.experiments.sweep.study import DATABASE
        from fcnet.report.study import write_study_report

        database = database_of(storage, name, Plan.read(folder))
        return write_study_report(folder, None if (folder / DATABASE).exists() else database, out)
    if len(folders) == 1 and ((folder / CONFIG).is_file() or not folder.is_dir()):
        from fcnet.report import write_report

        return write_report(folder, out)
    from fcnet.report.comparison import write_comparison

    return write_comparison(folders, out or Path("runs.html"))


def write_or_warn(folder: Path, database: "Database | None" = None) -> Path | None:
    """Write the report of a run, or of a study, and return its path; warn where that fails, as where nothing can be written."""
    from fcnet.experiments.folder import STUDY

    try:
        if (folder / STUDY).is_file():
            from fcnet.report.study import write_study_report

            return write_study_report(folder, database)
        from fcnet.report import write_report

        return write_report(folder)
    except (FcnetError, OSError) as error:
        show_warning(f"no report: {plain_words(error)}")
        return None


def report_early_end(folder: Path, database: "Database | None" = None) -> None:
    """Write the report of a run or a study that has not come to its end, and say where it is."""
    if report := write_or_warn(folder, database):
        show_note(f"Report: {report}")

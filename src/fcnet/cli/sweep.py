"""``fcnet sweep``."""

import json
import math
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fcnet.cli.group import Command
from fcnet.cli.messages import show_error, show_note, show_warning
from fcnet.cli.options import configuration_options, data_dir_option, database_of, json_option, storage_option, study_option
from fcnet.cli.report import report_early_end, write_or_warn
from fcnet.cli.stopping import stop_once
from fcnet.errors import SettingError

if TYPE_CHECKING:
    from fcnet.experiments.sweep.plan import Plan

SECONDS = {"": 1, "s": 1, "m": 60, "min": 60, "h": 3600}


def _seconds(_: click.Context, __: click.Parameter, text: str | None) -> float:
    """Return a duration in seconds; infinity where none is given."""
    if text is None:
        return math.inf
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", text.strip())
    if found is None or found[2] not in SECONDS or not float(found[1]):
        raise click.BadParameter(f"{text!r} is no duration such as 300, 90s, 30m or 2h.")
    return float(found[1]) * SECONDS[found[2]]


@click.command(cls=Command)
@click.argument("dataset")
@click.option(
    "--recipe", metavar="NAME|FILE", help="The recipe to begin with, and its [sweep].  [default: one for each data set]"
)
@click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change a setting of the recipe, which is not swept; may be repeated.",
)
@click.option(
    "--space",
    multiple=True,
    metavar="KEY=VALUES",
    help="What to try, in place of the recipe's [sweep]: low:high, low:high:log, a,b,c, of layers [[64],[128,64]], or "
    "with steps {low=0,high=0.3,step=0.1}; may be repeated.",
)
@click.option(
    "--trials",
    type=click.IntRange(min=1),
    metavar="N",
    help="How many trials in all, with those before --resume.  [default: 30, or as many as --timeout allows]",
)
@click.option(
    "--timeout",
    callback=_seconds,
    metavar="TIME",
    help="End the trials after this time, 300 (seconds), 30m or 2h; the finalists are trained after it.",
)
@click.option("--jobs", default=1, show_default=True, type=click.IntRange(min=1), metavar="N", help="Trials at once.")
@click.option("--sampler", metavar="NAME", help="Who draws values: tpe, random, grid or cmaes.  [default: tpe]")
@click.option(
    "--pruner", metavar="NAME", help="Who ends bad trials early: median, halving, hyperband or none.  [default: median]"
)
@click.option(
    "--metric",
    metavar="NAME",
    help="What is to be best: val_accuracy, val_log_loss, val_balanced_accuracy, val_roc_auc, val_average_precision or val_f1; "
    "in a regression val_r2, val_rmse or val_mae. Epochs are chosen by it, too, unless a recipe of your own has a monitor.  "
    "[default: val_accuracy, or in a regression what goes with its loss]",
)
@click.option("--seeds", type=click.IntRange(min=1), metavar="K", help="A trial is the mean of K trainings.  [default: 1]")
@click.option(
    "--winner-seeds",
    type=click.IntRange(min=0),
    metavar="K",
    help="Train each finalist so often in the end; with 0 no test row is read.  [default: 3]",
)
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="STUDY", help="The folder.  [default: sweeps/DATASET-RECIPE-TIME]"
)
@storage_option
@study_option
@click.option("--resume", is_flag=True, help="Go on with the study in --out, if there is one.")
@configuration_options
@data_dir_option
@json_option
def sweep(
    dataset: str,
    out: Path | None,
    resume: bool,
    changes: Sequence[str],
    space: Sequence[str],
    timeout: float,
    jobs: int,
    no_verify: bool,
    storage: str | None,
    study: str | None,
    data_dir: str | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Search for better settings of a recipe on DATASET: digits, cifar10, or the path of your own data.

    Trains the recipe as it is and then with values drawn from its search space. It ends trainings early that fall behind. The
    best few and the recipe as it is are trained again with new seeds. The winner among these is evaluated on the test rows, and
    written as winner.toml. Ctrl-C stops it; --resume goes on.
    """
    from fcnet.cli.sweep_table import Board
    from fcnet.experiments.folder import METRICS_FILE, STUDY, TRIALS
    from fcnet.experiments.sweep.going_on import how_to_go_on
    from fcnet.experiments.sweep.plan import WHILE_THERE_IS_TIME, make_plan
    from fcnet.experiments.sweep.results import RESULTS
    from fcnet.experiments.sweep.run import sweep as run_sweep
    from fcnet.files import identity

    stop_once()
    if resume and out is None:
        raise SettingError("--resume needs --out STUDY, the study to go on with.")
    is_new = out is None or not (out / STUDY).exists()
    if is_new and given["trials"] is None and math.isfinite(timeout) and given["sampler"] != "grid":
        given["trials"] = WHILE_THERE_IS_TIME
    folder, plan = make_plan(dataset, out, resume=resume, changes=changes, space=space, verify=not no_verify, **given)
    if plan.trials == WHILE_THERE_IS_TIME and math.isinf(timeout):
        if not (folder / RESULTS).exists():
            raise SettingError("This sweep was begun with a limit of time alone: give --timeout, or --trials.")
        timeout = -math.inf  # the time for trials was up
    database = database_of(storage, study, plan)
    results_before = identity(folder / RESULTS)
    settings = f"{len(plan.space)} setting{'s' * (len(plan.space) != 1)}"
    show_note(f"Sweeping {settings} of {plan.config.recipe} on {plan.config.dataset}; the study is {folder}")
    try:
        with Board(plan, timeout, jobs) as board:
            results = run_sweep(
                *(folder, plan), timeout=timeout, jobs=jobs, data_dir=data_dir, database=database, tell=board.show
            )
    except KeyboardInterrupt:
        is_done = identity(folder / RESULTS) != results_before  # they are written when the last trial has ended
        n_done = json.loads((folder / RESULTS).read_bytes())["n_trials"] if is_done else None
        how = how_to_go_on(plan, folder, database, n_done=n_done, timeout=timeout, jobs=jobs, data_dir=data_dir)
        show_error(f"Stopped. {how}")
        if any((folder / TRIALS).glob(f"*/{METRICS_FILE}")):
            report_early_end(folder, database)
        sys.exit(1)
    report = write_or_warn(folder, database)
    if as_json or results["winner"] is not None or not plan.winner_seeds:
        _show(folder, plan, results, as_json)
    if report and not as_json:
        click.echo(f"Report:  {report}")


def _show(folder: Path, plan: "Plan", results: dict[str, Any], as_json: bool) -> None:
    from fcnet.experiments.sweep.results import shown
    from fcnet.experiments.sweep.winner import RECIPE
    from fcnet.words import setting_words

    winner = results["winner"]
    if winner:
        for run in (winner["ensemble"]["run"], winner["runs"][0]):
            write_or_warn(folder / run)
    for warning in winner["warnings"] if winner else []:
        show_warning(warning)
    if as_json:
        click.echo(json.dumps(results))
        return
    number = winner["trial"] if winner else results["best"]
    trial = next(trial for trial in results["trials"] if trial["number"] == number)
    click.echo(f"Winner: {'the plain recipe, ' if trial['is_plain'] else ''}trial {number}, one of {results['n_trials']}")
    for name, value in trial["params"].items():
        click.echo(f"  {name} = {setting_words(value)}")
    if winner:
        _show_new_seeds(plan, winner)
    else:
        click.echo(f"In its trial it had {plan.metric} {shown(plan, trial['value'])}. No test row was read.")
    click.echo(f"Recipe:  {folder / RECIPE}")
    if winner:
        click.echo(f"Model:   {folder / winner['ensemble']['run']}, for fcnet predict and fcnet export")
    click.echo(f"Results: {folder / 'sweep.json'}")


def _show_new_seeds(plan: "Plan", winner: dict[str, Any]) -> None:
    from fcnet.experiments.scores import score_of
    from fcnet.experiments.sweep.results import seeds_words, shown

    new_seeds, score = seeds_words(len(winner["seeds"])), score_of(winner)
    validation, test = f"val_{score.name}", f"test_{score.name}"
    for name in dict.fromkeys((validation, plan.metric, test)):
        mean, spread, over = winner[name], winner[f"{name}_std"], new_seeds
        shown_as = (plan.judge if name == plan.metric else score).shown
        if spread is not None:
            over = f"mean ± standard deviation over {new_seeds}"
        words = plan.metric_words if name == plan.metric else f"{'test' if name == test else 'validation'} {score.words}"
        deviation = "" if spread is None else f" ± {shown_as(spread)}"
        click.echo(f"{words[0].upper()}{words[1:]} {shown_as(mean)}{deviation} ({over})")
    if winner["plain"] is not None:
        spread = "" if winner["plain_std"] is None else f" ± {shown(plan, winner['plain_std'])}"
        click.echo(f"With {new_seeds} the plain recipe has {plan.metric} {shown(plan, winner['plain'])}{spread}.")
    if winner["difference"] is not None:
        click.echo(f"Winner - plain recipe: {winner['difference']['words']}.")
    ensemble = winner["ensemble"]
    click.echo(
        f"The ensemble of all finalists' {ensemble['networks']} networks has a validation {score.words} of "
        f"{score.shown(ensemble[validation])} and a test {score.words} of {score.shown(ensemble[test])}."
    )

"""``fcnet compare``."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fcnet.cli.group import Command
from fcnet.cli.options import configuration_options, data_dir_option, json_option
from fcnet.cli.stopping import is_given, same_command, stop_once
from fcnet.errors import FcnetError, SettingError

if TYPE_CHECKING:
    from fcnet.experiments.compare import Compared


@click.command(cls=Command)
@click.argument("sides", nargs=-1, required=True, metavar="A [B …]")
@click.option("--on", "dataset", metavar="DATASET", help="A and B are recipes: train both on this data, with each seed.")
@click.option("--seeds", default=5, show_default=True, type=click.IntRange(min=1), help="With --on: with how many seeds.")
@click.option("--set", "changes", multiple=True, metavar="KEY=VALUE", help="With --on: change a setting of both recipes.")
@click.option("--set-a", "changes_a", multiple=True, metavar="KEY=VALUE", help="With --on: change a setting of A.")
@click.option("--set-b", "changes_b", multiple=True, metavar="KEY=VALUE", help="With --on: change a setting of B.")
@click.option(
    "--out",
    default="runs/compare",
    show_default=True,
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="With --on: where the runs are kept; those that are there are not trained again.",
)
@configuration_options
@data_dir_option
@json_option
def compare(
    sides: Sequence[str],
    dataset: str | None,
    seeds: int,
    out: Path,
    data_dir: str | None,
    as_json: bool,
    **settings: Any,
) -> None:
    """Say whether B is better than A, or one of them was lucky, by the validation rows. Test rows are not touched.

    A and B are run folders, or folders that hold the runs of one recipe with several seeds. More than two, or one, are divided
    by their settings. With --on they are recipes, names or files; where there is no B, it is A with the changes by --set-b.

    What is compared is the metric that chose the epoch, where both have the same one, else the accuracy, or R² or D². Several
    seeds are compared in pairs by the t-test, single runs row by row: accuracies by McNemar's test; log-losses, squared errors
    of a regression and pinball losses of quantiles by the t-test. Of another metric rows have no values, so that single runs
    are compared by accuracy.

    \b
    Examples:
      fcnet compare runs/a runs/b
      fcnet compare runs/a-* runs/b-*
      fcnet compare digits --on digits --set-b dropout=0.4 --seeds 8
      fcnet compare tuned mine.toml --on cifar10
    """  # noqa: D301  # click's sign for lines that stay as they are
    from fcnet.experiments.compare import compare_runs

    if dataset is None:
        context = click.get_current_context()
        given = [f"--{name.replace('_', '-')}" for name in ("seeds", "out", *settings) if is_given(context, name)]
        names = {"--changes": "--set", "--changes-a": "--set-a", "--changes-b": "--set-b"}
        if given:
            raise SettingError(f"{names.get(given[0], given[0])} goes with --on DATASET, which trains recipes.")
        compared = compare_runs([Path(side) for side in sides], data_dir)
    else:
        compared = _train(sides, dataset, seeds, out, data_dir, **settings)
    click.echo(json.dumps(_as_json(compared)) if as_json else _as_text(compared))


def _train(
    sides: Sequence[str],
    dataset: str,
    n_seeds: int,
    out: Path,
    data_dir: str | None,
    *,
    changes: Sequence[str],
    changes_a: Sequence[str],
    changes_b: Sequence[str],
    seed: int | None,
    no_verify: bool,
    **settings: Any,
) -> "Compared":
    from fcnet.cli.notes import terminal
    from fcnet.experiments.compare import compare_recipes, recipe_folder
    from fcnet.experiments.configure import configure
    from fcnet.experiments.runs import run_folders
    from fcnet.training.callbacks import Progress

    if len(sides) > 2:
        raise SettingError(f"With --on two recipes are compared, and these are {len(sides)}.")
    stop_once()
    configs = []
    for recipe, option, own in ((sides[0], "--set-a", changes_a), (sides[-1], "--set-b", changes_b)):
        try:
            configs.append(
                configure(dataset, None, recipe=recipe, changes=[*changes, *own], verify=not no_verify, **settings)[1]
            )
        except SettingError as error:
            options = " or ".join(["--set"] * bool(changes or not own) + [option] * bool(own))
            raise SettingError(str(error).replace("--set:", f"{options}:", 1)) from None
    a, b = configs
    seeds, callbacks = range(seed or 0, (seed or 0) + n_seeds), [Progress(console=terminal())]
    try:
        return compare_recipes(a, b, out, seeds, data_dir=data_dir, callbacks=callbacks)
    except KeyboardInterrupt:
        if not any(run for config in (a, b) for run in run_folders(recipe_folder(out, config))):
            raise FcnetError("Stopped before anything was written: there is nothing to go on with.") from None
        raise FcnetError(f"Stopped. The runs are kept in {out}. Go on with: {same_command()}") from None


def _as_json(compared: "Compared") -> dict[str, Any]:
    from statistics import mean, stdev

    sides = {
        name: {
            "recipe": side.config.recipe,
            "runs": {seed: str(run) for seed, run in side.runs.items()},
            f"val_{side.score.name}": side.values,
            "mean": mean(side.values.values()),
            "std": stdev(side.values.values()) if len(side.runs) > 1 else None,
            "left_out": side.left_out,
        }
        for name, side in (("a", compared.a), ("b", compared.b))
    }
    decided = compared.difference.is_decided
    return (
        sides | {"differing": compared.differing(), "seeds": compared.seeds, "decided": decided} | asdict(compared.difference)
    )


def _as_text(compared: "Compared") -> str:
    from statistics import mean, stdev

    from fcnet.experiments.compare import what_it_is
    from fcnet.experiments.scores import score_of
    from fcnet.words import setting_words

    difference, named = compared.difference, (("A", compared.a), ("B", compared.b))
    lines, parents = [], [{run.parent for run in side.runs.values()} for _, side in named]
    are_apart = len(parents[0]) == len(parents[1]) == 1 and parents[0] != parents[1]
    scale, digits, sign = (100, 2, "%") if compared.a.score.is_share else (1, 4, "")
    for name, side in named:
        values = [scale * value for value in side.values.values()]
        spread = f" ± {stdev(values):.{digits}f}" if len(values) > 1 else ""
        first, more = next(iter(side.runs.values())), f" and {len(values) - 1} more" if len(values) > 1 else ""
        where = first.parent if more and are_apart else f"{first}{more}"
        shown = f"{mean(values):.{digits}f}{spread}{sign and f' {sign}'}"
        if (plain := score_of(next(iter(side.metrics.values())))) != side.score:
            beside = [metrics[f"val_{plain.name}"] for metrics in side.metrics.values()]
            shown += f", {plain.words} {plain.shown(mean(beside))}"
        kind = f", {what_it_is(side.config)}" if side.config.members() else ""
        lines.append(f"{name}: {side.config.recipe}{kind}, validation {side.score.words} {shown}  ({where})")
    for name, side in named:
        seeds, one = ", ".join(map(str, side.left_out)), len(side.left_out) == 1
        if seeds:
            words = "has no partner and is" if one else "have no partners and are"
            lines.append(f"Seed{'' if one else 's'} {seeds} of {name} {words} left out.")
    if not compared.differing():
        lines.append("   the same recipe, other seeds")
    for path, pair in compared.differing().items():
        lines.append(f"   {path}: {' → '.join('none' if value is None else setting_words(value) for value in pair)}")
    if not difference.is_of_rows:
        lines += ["   ± is the standard deviation over seeds", "", f"{'seed':>6}{'A':>10}{'B':>10}{'B - A':>10}"]
        for seed in compared.seeds:
            a, b = (scale * side.values[seed] for side in (compared.a, compared.b))
            a_shown, b_shown = (f"{value:.{digits}f}{sign}" for value in (a, b))
            lines.append(f"{seed:>6}{a_shown:>10}{b_shown:>10}{b - a:>+10.{digits}f}")
    elif difference.only_a is not None:
        rows = f"Of {difference.n:,} rows A alone has {difference.only_a:,} right, and B alone {difference.only_b:,}."
        lines += ["", rows]
    return "\n".join([*lines, f"B - A: {difference.words}.", _verdict(compared)])


def _verdict(compared: "Compared") -> str:
    difference = compared.difference
    better, worse = ("B", "A") if difference.gain > 0 else ("A", "B")
    if difference.is_of_rows:
        ensembles = any(side.config.members() for side in (compared.a, compared.b))
        luck = "Whether that is the recipe or the luck of its seed, runs with several seeds tell."
        luck = "More of them, with other seeds, tell whether that is luck." if ensembles else luck
        if difference.is_decided:
            return f"The model of {better} is better than that of {worse}. {luck}"
        return f"Undecided: the models are not told apart by these rows. {luck}"
    if difference.is_decided:
        return f"{better} is better than {worse}: the difference is more than the luck of seeds."
    if difference.new_seeds is None:
        return "Undecided: the difference is so small that 1,000 seeds would not be likely to show it."
    options = f"--seed {max(compared.seeds) + 1} --seeds {difference.new_seeds}"
    return (
        f"Undecided. {difference.new_seeds:,} new seeds, compared alone (with --on: {options}), would decide with a "
        "probability of 80 %, if differences go on as they are. Do not add them to these: whoever tests again and again until "
        "it is decided is wrong in more than 5 % of comparisons."
    )

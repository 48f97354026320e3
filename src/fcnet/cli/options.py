"""Options and arguments that several commands share."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from fcnet.errors import SettingError

if TYPE_CHECKING:
    from fcnet.experiments.sweep.plan import Plan
    from fcnet.experiments.sweep.storage import Database

Function = TypeVar("Function", bound=Callable[..., Any])

data_dir_option = click.option(
    "--data-dir", metavar="FOLDER", help="The folder with CIFAR-10.  [default: $FCNET_DATA, or the cache]"
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
storage_option = click.option(
    "--storage",
    envvar="FCNET_STORAGE",
    metavar="URL",
    help="A database where other machines work at the same study, as postgresql://….  [default: $FCNET_STORAGE, or a file]",
)
study_option = click.option("--study", metavar="NAME", help="With --storage: the name of the study.  [default: DATASET-RECIPE]")
encoding_option = click.option(
    "--encoding",
    default="",
    metavar="NAME",
    help="The encoding of a .csv or .tsv, such as latin-1 or cp1252.  [default: utf-8, or what its first bytes say]",
)


def _or_nothing(_: click.Context, __: click.Parameter, given: str | None) -> str:
    return given or ""


decimal_settings: dict[str, Any] = {"type": click.Choice([".", ","]), "callback": _or_nothing}


def _use_threads(context: click.Context, _: click.Parameter, threads: int | None) -> None:
    """Compute with `threads` threads until the command ends."""
    if threads is not None:
        from fcnet.threads import use_threads

        context.with_resource(use_threads(threads))


threads_settings: dict[str, Any] = {
    "type": click.IntRange(min=1),
    "metavar": "N",
    "help": "How many threads compute.  [default: as many as there are cores]",
}
threads_option = click.option("--threads", callback=_use_threads, expose_value=False, **threads_settings)
run_argument = click.argument("run", type=click.Path(path_type=Path))


def _as_list(_: click.Context, __: click.Parameter, given: Sequence[str]) -> list[str]:
    return list(given)


def _as_words(_: click.Context, __: click.Parameter, given: Sequence[str]) -> list[str]:
    return [word.strip() for words in given for word in words.split(",")]


_CONFIGURATION = (
    click.option("--target", default="", metavar="COLUMN", help="The column of a table to learn.  [default: the last]"),
    click.option(
        "--task",
        type=click.Choice(["classification", "regression"]),
        callback=_or_nothing,
        help="What the target of a table is: classes, or a number to learn.  [default: a regression of more than 100 different "
        "numbers, and of numbers that are not whole]",
    ),
    click.option(
        "--drop",
        multiple=True,
        callback=_as_list,
        metavar="COLUMN,…",
        help="Columns of a table to leave out; may be repeated.",
    ),
    click.option(
        "--category",
        multiple=True,
        callback=_as_list,
        metavar="COLUMN,…",
        help="Columns of a table whose numbers are categories; may be repeated.",
    ),
    click.option(
        "--missing",
        multiple=True,
        callback=_as_words,
        metavar="WORD,…",
        help="Words in a .csv or .tsv that mean a missing value, besides empty fields.  "
        "[default: NA, NaN, null, None, ? and such]",
    ),
    encoding_option,
    click.option("--decimal", **decimal_settings, help="The decimal sign in a .csv or .tsv.  [default: found out]"),
    click.option("--drop-missing-targets", is_flag=True, help="Leave out the rows of a table whose target is missing."),
    click.option("--seed", type=click.IntRange(min=0), metavar="N", help="Seed of every random draw.  [default: 0]"),
    click.option(
        "--engine", metavar="NAME", help="The engine: numba, numpy or bfloat16.  [default: numba where it can be used]"
    ),
    click.option("--threads", **threads_settings),
    click.option("--no-verify", is_flag=True, help="Use data files that differ from their published checksums."),
)


def configuration_options(command: Function) -> Function:
    """Add the options that say how data is read and who computes, as `fcnet.experiments.configure` takes them."""
    for option in reversed(_CONFIGURATION):
        command = option(command)
    return command


def database_of(storage: str | None, study: str | None, plan: "Plan") -> "Database | None":
    """Return the database that --storage and --study name; None where the study is in its folder."""
    from fcnet.experiments.sweep.storage import Database

    if study and not storage:
        raise SettingError("--study is the name of a study in a database: give its --storage, too.")
    return Database(study or plan.study_name, storage) if storage else None

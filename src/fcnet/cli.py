"""The command line: words and options to calls."""

import itertools
import json
import math
import shlex
import signal
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import click

from fcnet import __version__
from fcnet.errors import DivergedError, FcnetError, FileFormatError, SettingError, unknown_name

PICTURES_AT_ONCE = 256
SAME_STOP_SECONDS = 1.0
GRADIENT_TOLERANCE = 1e-5  # wrong gradients err by 1e-2 and more, right ones by 1e-6 and less


class Commands(click.Group):
    """A group that names the nearest command where one is unknown, and says in a line what went wrong."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was asked for."""
        with plain_errors(ctx.params["debug"]):
            return super().invoke(ctx)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """Find the command that `args` begin with."""
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            raise click.UsageError(str(unknown_name("command", args[0], self.commands)), ctx)
        return super().resolve_command(ctx, args)


@contextmanager
def plain_errors(debug: bool) -> Iterator[None]:
    """Turn what a person can mend into one line and an exit code: 1 the work failed, 2 wrong use."""
    try:
        yield
    except (FcnetError, OSError, KeyboardInterrupt, MemoryError) as error:
        if debug:
            raise
        names = {KeyboardInterrupt: "Stopped.", MemoryError: f"Out of memory: {error}"}
        message = names.get(type(error), str(error))
        click.echo(f"Error: {message}", err=True)
        sys.exit(2 if isinstance(error, SettingError) else 1)


def _stop_once() -> None:
    """Have SIGTERM, which batch systems send, answered as Ctrl-C is, and of signals that come at once only the first.

    What is stopped writes down how far it has come. `timeout` sends each signal twice, and fingers do; a signal that comes
    later ends that too.
    """
    first = -math.inf

    def stop(number: int, frame: Any) -> None:
        nonlocal first
        now = time.monotonic()
        if now - first > SAME_STOP_SECONDS:
            first = now
            raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) != signal.SIG_IGN:  # as of what a script runs in the background
            signal.signal(number, stop)


def _show_warning(message: Any, *_: Any, **__: Any) -> None:
    click.echo(f"Warning: {message}", err=True)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="fcnet")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def main(debug: bool) -> None:  # read by Commands.invoke
    """Train fully-connected networks, look at them, and trust them."""
    warnings.showwarning = _show_warning


data_dir_option = click.option("--data-dir", metavar="FOLDER", help="Where CIFAR-10 lies; else $FCNET_DATA, else the cache.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
encoding_option = click.option(
    "--encoding",
    metavar="NAME",
    help="Of a table in text, as latin-1 or cp1252.  [default: utf-8, or what its first bytes say]",
)


def _use_threads(context: click.Context, _: click.Parameter, threads: int | None) -> None:
    """Have a command compute by so many threads."""
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


@main.command()
@click.argument("dataset")
@click.option("--recipe", metavar="NAME|FILE", help="A recipe (see fcnet recipes) or a TOML file; a default for each data set.")
@click.option("--set", "changes", multiple=True, metavar="KEY=VALUE", help="Change a setting of the recipe; may be repeated.")
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="RUN", help="The run folder.  [default: runs/DATASET-RECIPE-TIME]"
)
@click.option("--target", metavar="COLUMN", help="The column of a table to learn.  [default: the last]")
@click.option("--drop", multiple=True, metavar="COLUMN,…", help="Columns of a table to leave out; may be repeated.")
@click.option(
    "--category", multiple=True, metavar="COLUMN,…", help="Columns of a table whose numbers are categories; may be repeated."
)
@click.option(
    "--missing",
    multiple=True,
    metavar="WORD,…",
    help="Words in a .csv or .tsv that mean a missing value, beside empty fields.  [default: NA, NaN, null, None, ? and such]",
)
@encoding_option
@click.option("--decimal", type=click.Choice([".", ","]), help="The decimal sign in a .csv or .tsv.  [default: found out]")
@click.option("--seed", type=click.IntRange(min=0), help="Seed of every random draw.  [default: 0]")
@click.option(
    "--engine", metavar="NAME", help="What computes: numba, numpy or bfloat16.  [default: numba where it is installed]"
)
@click.option("--threads", **threads_settings)
@click.option("--resume", is_flag=True, help="Go on with the run in --out, by the settings it has.")
@click.option("--force", is_flag=True, help="Replace a run that exists.")
@click.option(
    "--checkpoint-seconds",
    default=10.0,
    show_default=True,
    type=click.FloatRange(min=0),
    help="Least time between checkpoints.",
)
@click.option("--no-verify", is_flag=True, help="Use data files that differ from their published checksums.")
@data_dir_option
@json_option
def train(
    dataset: str,
    recipe: str | None,
    changes: Sequence[str],
    out: Path | None,
    target: str | None,
    drop: Sequence[str],
    category: Sequence[str],
    missing: Sequence[str],
    encoding: str | None,
    decimal: str | None,
    seed: int | None,
    engine: str | None,
    threads: int | None,
    resume: bool,
    force: bool,
    checkpoint_seconds: float,
    no_verify: bool,
    data_dir: str | None,
    as_json: bool,
) -> None:
    """Train a network on DATASET: digits, cifar10, or the path of own data.

    These are a .csv or .tsv, compressed or not, a .parquet or .npz, or a folder of folders of pictures.

    Writes a run folder: configuration, history, metrics, model, checkpoint and report. The test part of the data is left alone
    until fcnet evaluate.
    """
    from fcnet.experiments.configure import configure
    from fcnet.experiments.folder import CHECKPOINT, claimed
    from fcnet.experiments.run import check_run, is_begun, read_state
    from fcnet.experiments.run import train as train_run
    from fcnet.training.callbacks import Progress

    _stop_once()
    if resume and (force or out is None):
        raise SettingError("--resume needs --out RUN, the run to go on with, and no --force.")
    run, config = configure(
        *(dataset, out),
        resume=resume,
        recipe=recipe,
        changes=changes,
        seed=seed,
        engine=engine,
        threads=threads,
        verify=not no_verify,
        target=target or "",
        drop=list(drop),
        category=list(category),
        missing=[word.strip() for words in missing for word in words.split(",")],
        encoding=encoding or "",
        decimal=decimal or "",
    )
    finished = check_run(run, config, force=force, resume=resume)
    with nullcontext(run) if out else claimed(run) as run:
        if finished:
            click.echo(f"{run} is finished already.", err=True)
        else:
            verb = "Going on with the training" if resume and (run / CHECKPOINT).exists() else "Training"
            click.echo(f"{verb} on {config.dataset} by the recipe {config.recipe}; the run folder is {run}", err=True)
        try:
            metrics = train_run(
                *(run, config),
                data_dir=data_dir,
                force=force,
                resume=resume,
                checkpoint_seconds=checkpoint_seconds,
                callbacks=[Progress()],
                say=lambda line: click.echo(line, err=True),
            )
        except DivergedError:
            _report(run, say=True)
            raise
        except KeyboardInterrupt:
            if not is_begun(run, config):
                raise FcnetError("Stopped before anything was written: there is nothing to go on with.") from None
            where = f" --data-dir {shlex.quote(data_dir)}" if data_dir else ""
            click.echo(f"Error: {read_state(run).words}{where}", err=True)
            _report(run, say=True)
            sys.exit(1)
    report = _report(run)
    if as_json:
        click.echo(json.dumps(metrics))
        return
    epoch = "" if config.settings.training == "kernel" else f" (epoch {metrics['best_epoch']} of {metrics['epochs']})"
    click.echo(
        f"Validation accuracy {metrics['val_accuracy']:.2%}{epoch}, "
        f"training accuracy {metrics['train_accuracy']:.2%}, {metrics['fit_seconds']:.1f} s of training."
    )
    click.echo(f"Run folder: {run}")
    if report:
        click.echo(f"Report:     {report}")


@main.command()
@run_argument
@threads_option
@data_dir_option
@json_option
def evaluate(run: Path, data_dir: str | None, as_json: bool) -> None:
    """Measure RUN on all test rows, once, and record the accuracy."""
    from fcnet.experiments.run import evaluate as evaluate_run

    metrics = evaluate_run(run, data_dir=data_dir)
    _report(run)
    if as_json:
        click.echo(json.dumps(metrics))
    else:
        click.echo(f"Test accuracy {metrics['test_accuracy']:.2%} on {metrics['n_test']:,} rows.")


@main.command()
@run_argument
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Of a table: write the predictions to a .csv.")
@click.option("--keep", multiple=True, metavar="COLUMN,…", help="Of a table: columns to hand on with the predictions.")
@encoding_option
@click.option(
    "--decimal", type=click.Choice([".", ","]), help="The decimal sign in a .csv or .tsv.  [default: that of the training file]"
)
@threads_option
@json_option
def predict(
    run: Path,
    files: Sequence[Path],
    out: Path | None,
    keep: Sequence[str],
    encoding: str | None,
    decimal: str | None,
    as_json: bool,
) -> None:
    """Say what is on the pictures FILES, or in the rows of tables, by the model of RUN.

    A folder stands for the pictures in it and in its folders. A picture of another size than the training images is scaled to
    theirs, and should look like them: for a model of the digits light on dark, and cut close. Transparent parts are read as
    white. Of a table each row gives a line: its class, and the probability of each class, as CSV. By the name - a table comes
    from standard input.
    """
    import numpy as np

    from fcnet.data.images import Remarks, picture_files, read_image, skipped_note
    from fcnet.data.table import options_given
    from fcnet.experiments.folder import MODEL

    model = _model_of(run)
    if model.scaling.kind == "table":
        _predict_tables(model, files, out, as_json, keep=keep, encoding=encoding or "", decimal=decimal or "")
        return
    if model.image_shape is None:
        raise FcnetError(
            f"{run} was trained neither on images nor on a table: call fcnet.load({str(run / MODEL)!r}).predict(X)."
        )
    given = {"out": out, "keep": keep, "encoding": encoding, "decimal": decimal}
    if any(given.values()):
        raise SettingError(f"{options_given(given)} for tables.")
    if model.image_shape[2] not in (1, 3):
        raise FcnetError(
            f"{run} was trained on images of {model.image_shape[2]} channels, and picture files have 1 or 3: call "
            f"fcnet.load({str(run / MODEL)!r}).predict(X) on rows of {model.n_inputs:,} values."
        )
    pictures, others = picture_files(files)
    remarks, unreadable = Remarks(), 0
    for start in range(0, len(pictures), PICTURES_AT_ONCE):
        read: list[tuple[Path, Any]] = []
        for file in pictures[start : start + PICTURES_AT_ONCE]:
            try:
                read.append((file, read_image(file, model.image_shape, model.max_value, remarks)))
            except FileFormatError as error:
                click.echo(f"Error: {error}", err=True)
                unreadable += 1
        if read:
            probabilities = model.predict_proba(np.array([image for _, image in read]))
            for (file, _), row in zip(read, probabilities, strict=True):
                _print_prediction(file, model.classes, row, as_json)
    for note in [*skipped_note(others), *remarks.notes()]:
        click.echo(f"Note: {note}.", err=True)
    sys.exit(1 if unreadable else 0)


def _model_of(run: Path) -> Any:
    from fcnet.experiments.folder import MODEL
    from fcnet.experiments.run import read_state
    from fcnet.model import load

    state = read_state(run)
    if state.kind != "finished":
        if not (run / MODEL).exists():
            raise FileFormatError(f"{run} has no {MODEL} yet. {state.words}")
        click.echo(f"Warning: {run} is not a finished run; this is the model that it kept last. {state.words}", err=True)
    return load(run / MODEL)


def _predict_tables(model: Any, files: Sequence[Path], out: Path | None, as_json: bool, **reading: Any) -> None:
    from fcnet.experiments.table_predictions import predict_tables
    from fcnet.files import write_atomic

    if out and not out.parent.is_dir():
        raise FcnetError(f"There is no folder {out.parent}.")
    predicted = predict_tables(model, model.scaling, files, lambda line: click.echo(line, err=True), **reading)
    text = predicted.to_json_lines() if as_json else predicted.to_csv()
    if out:
        write_atomic(out, text)
    else:
        click.echo(text, nl=False)


def _print_prediction(file: Path, classes: Sequence[str], probabilities: Any, as_json: bool) -> None:
    order = probabilities.argsort()[::-1]
    if as_json:
        ranked = {classes[i]: round(float(probabilities[i]), 6) for i in order}
        click.echo(json.dumps({"file": str(file), "class": classes[order[0]], "probabilities": ranked}))
    else:
        click.echo(f"{file}: {', '.join(f'{classes[i]} {probabilities[i]:.1%}' for i in order[:3])}")


@main.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
def report(runs: Sequence[Path]) -> None:
    """Write report.html anew for each of RUNS."""
    from fcnet.report import write_report

    failed = 0
    for run in runs:
        try:
            click.echo(write_report(run))
        except (FcnetError, OSError) as error:
            click.echo(f"Error: {error}", err=True)
            failed += 1
    sys.exit(1 if failed else 0)


def _report(run: Path, say: bool = False) -> Path | None:
    """Write the report of a run and say where it is, if so asked; or why that fails, as where nothing can be written."""
    from fcnet.report import write_report

    try:
        report = write_report(run)
    except (FcnetError, OSError) as error:
        click.echo(f"Warning: no report: {error}", err=True)
        return None
    if say:
        click.echo(f"Report: {report}", err=True)
    return report


@main.command()
@run_argument
@click.option(
    "--to",
    required=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Where to: a name that ends in .onnx, .safetensors or .md says what is written.",
)
@click.option(
    "--tolerance",
    default=1e-5,
    show_default=True,
    type=click.FloatRange(min=0),
    help="How far what an ONNX graph gives may be from what the model gives.",
)
@threads_option
def export(run: Path, to: Path, tolerance: float) -> None:
    """Write the model of RUN for use elsewhere.

    As an ONNX graph that takes raw inputs, checked against the model; as a copy of the safetensors file; or as a model card in
    Markdown. A file of that name is replaced.
    """
    from fcnet.experiments.folder import MODEL
    from fcnet.experiments.run import Config
    from fcnet.files import write_atomic

    Config.read(run)  # says so where this is no run folder
    if not to.parent.is_dir():
        raise FcnetError(f"There is no folder {to.parent}.")
    if to.suffix == ".onnx":
        from fcnet.export import export_onnx

        difference = export_onnx(_model_of(run), to, tolerance=tolerance)
        click.echo(f"{to}: onnxruntime gives what the model gives, but for {difference:.1e} at most.")
    elif to.suffix == ".safetensors":
        _model_of(run)  # a damaged one is not handed on
        write_atomic(to, (run / MODEL).read_bytes())
        click.echo(to)
    elif to.suffix == ".md":
        from fcnet.model_card import model_card

        write_atomic(to, model_card(run))
        click.echo(to)
    else:
        raise SettingError(f"--to {to} must end in .onnx, .safetensors or .md, which says what is written.")


@main.command()
@click.argument("dataset", type=click.Choice(["cifar10"]))
@data_dir_option
def data(dataset: str, data_dir: str | None) -> None:
    """Find DATASET, download it where it is nowhere, and check every file."""
    from fcnet.data.cifar10 import download_cifar10, find_cifar10, load_cifar10

    folder = find_cifar10(data_dir) or download_cifar10()
    cifar10 = load_cifar10(folder)
    click.echo(f"CIFAR-10 is in {folder}; every file has its published checksum.")
    for part in ("train", "val", "test"):
        click.echo(f"{part:>6}: {getattr(cifar10, f'X_{part}').shape[0]:,} images of 32 × 32 × 3")
    click.echo(f"classes: {', '.join(cifar10.classes)}")


@main.command()
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0), help="Draws networks and data.")
@json_option
def gradcheck(seed: int, as_json: bool) -> None:
    """Check every hand-written gradient against a numeric one.

    Small networks by every entry, a large one by random projections; all activations, with dropout, label smoothing and L2;
    plain, with layer normalisation, and with members.
    """
    import numpy as np

    from fcnet.nn.gradcheck import gradient_check
    from fcnet.nn.layers import ACTIVATIONS
    from fcnet.nn.network import FullyConnectedNet

    kinds: list[tuple[str, dict[str, Any], list[int], str]] = [
        ("plain", {}, [12, 16, 10, 4], "entries"),
        ("plain", {}, [3072, 200, 100, 10], "projections"),
        ("layer norm", {"normalisation": "layer"}, [12, 16, 10, 4], "entries"),
        ("2 members", {"members": 2}, [12, 16, 4], "entries"),
    ]
    rows: list[dict[str, Any]] = []
    for activation, (kind, settings, sizes, method) in itertools.product(ACTIVATIONS, kinds):
        rng = np.random.default_rng(seed)
        # Exponentials of exponentials are far out of the reach of differences, unless weights are small.
        init: float | str = 0.02 if activation == "exp" else "he"
        net = FullyConnectedNet(
            sizes, activation=activation, dropout=0.3, input_dropout=0.1, weight_init=init, seed=rng, **settings
        )
        X, y = rng.standard_normal((20, sizes[0])), rng.integers(sizes[-1], size=20)
        errors = gradient_check(net, X, y, l2=0.1, label_smoothing=0.1, method=method, seed=seed)
        error = max(errors.values())
        rows.append({"activation": activation, "kind": kind, "layers": sizes, "method": method, "relative_error": error})
    passed = all(row["relative_error"] < GRADIENT_TOLERANCE for row in rows)
    if as_json:
        click.echo(json.dumps({"passed": passed, "checks": rows}))
    else:
        for row in rows:
            layers = "-".join(map(str, row["layers"]))
            click.echo(
                f"{row['activation']:<12}{row['kind']:<12}{layers:<18}{row['method']:<13}"
                f"largest relative error {row['relative_error']:.1e}"
            )
        click.echo("All gradients are right." if passed else f"Wrong: an error is above {GRADIENT_TOLERANCE:.0e}.")
    sys.exit(0 if passed else 1)


@main.command()
@click.argument("name", required=False)
def recipes(name: str | None) -> None:
    """List the recipes, or print the one called NAME, to start your own from."""
    from fcnet.experiments.recipe import load_recipe, recipe_names, recipe_text

    if name:
        click.echo(recipe_text(name), nl=False)
        return
    names = recipe_names()
    for known in names:
        click.echo(f"{known:<{max(map(len, names)) + 2}}{load_recipe(known).description}")


if __name__ == "__main__":
    main()

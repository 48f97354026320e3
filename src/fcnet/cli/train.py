"""``fcnet train``."""

import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fcnet.cli.group import Command
from fcnet.cli.messages import other_metrics, show_error, show_note, warn_of, warn_of_findings
from fcnet.cli.options import configuration_options, data_dir_option, json_option
from fcnet.cli.report import report_early_end, write_or_warn
from fcnet.cli.stopping import stop_once
from fcnet.errors import DivergedError, FcnetError, SettingError, unknown_name

if TYPE_CHECKING:
    from fcnet.experiments.config import Config


@click.command(cls=Command)
@click.argument("dataset")
@click.option(
    "--recipe",
    metavar="NAME|FILE",
    help="A recipe (see fcnet recipes), a TOML file or a run.  [default: one for each data set]",
)
@click.option("--set", "changes", multiple=True, metavar="KEY=VALUE", help="Change a setting of the recipe; may be repeated.")
@click.option("--metric", metavar="NAME", help="Which metric says which epoch is best: short for --set monitor=NAME.")
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="RUN", help="The run folder.  [default: runs/DATASET-RECIPE-TIME]"
)
@configuration_options
@click.option(
    "--seeds",
    type=click.IntRange(min=1),
    metavar="N",
    help="Train N networks, with the seeds from --seed on; the model is their ensemble.  [default: n_ensemble of the recipe]",
)
@click.option(
    "--folds",
    type=click.IntRange(min=2),
    metavar="N",
    help="Cross-validate: train N networks, each on all but one of N folds; the model is their ensemble.",
)
@click.option("--resume", is_flag=True, help="Continue the run in --out, with its own settings.")
@click.option("--force", is_flag=True, help="Replace an existing run.")
@click.option(
    "--checkpoint-seconds",
    default=10.0,
    show_default=True,
    type=click.FloatRange(min=0),
    help="The least time between checkpoints.",
)
@click.option(
    "--log",
    "logs",
    multiple=True,
    metavar="PROGRAM",
    help="Also log to tensorboard (event files in RUN/tensorboard) or mlflow ($MLFLOW_TRACKING_URI, or mlruns/); may be "
    "repeated.",
)
@click.option(
    "--doctor/--no-doctor",
    default=True,
    help="Have the doctor watch the training: findings.json, and a line for each error or warning.  [default: --doctor]",
)
@click.option(
    "--fix",
    "fixes",
    is_flag=True,
    help="Apply the doctor's remedies, one at a time: train again, and keep what is better on the validation part.",
)
@click.option(
    "--fix-trials",
    type=click.IntRange(min=1),
    metavar="N",
    help="How many remedies --fix tries at most.  [default: 8]",
)
@data_dir_option
@json_option
def train(
    dataset: str,
    changes: Sequence[str],
    metric: str | None,
    out: Path | None,
    resume: bool,
    force: bool,
    checkpoint_seconds: float,
    no_verify: bool,
    logs: Sequence[str],
    doctor: bool,
    fixes: bool,
    fix_trials: int | None,
    data_dir: str | None,
    as_json: bool,
    **settings: Any,
) -> None:
    """Train a network on DATASET: digits, cifar10, or the path of your own data.

    Your own data are a .csv or .tsv, compressed or not, a .parquet or .npz, or a folder that holds a folder of pictures for
    each class.

    Writes a run folder: configuration, history, metrics, model, checkpoint and report. The test rows are not read before
    fcnet evaluate.

    With --fix each remedy is kept that makes the training better on the validation rows, and others are put back.

    Of two classes --set threshold=0.2 predicts the second above that probability, and --set threshold=auto above the one that
    is best on the validation rows by --metric.

    Of a number to learn --set loss=absolute_error predicts the median, --set loss=quantile --set quantiles=[0.1,0.9] quantiles,
    and --set loss=poisson the mean of counts.
    """
    from fcnet.cli.notes import terminal
    from fcnet.doctor.fixing import TRIALS
    from fcnet.experiments.configure import configure
    from fcnet.experiments.fix import fix
    from fcnet.experiments.folder import CHECKPOINT, claimed
    from fcnet.experiments.members import counted, train_members
    from fcnet.experiments.run import check_run, is_begun
    from fcnet.experiments.run import train as train_one
    from fcnet.experiments.run_loggers import log_files, run_loggers
    from fcnet.training.callbacks import Progress

    stop_once()
    if resume and (force or out is None):
        raise SettingError("--resume needs --out RUN, the run to go on with, and no --force.")
    changes = changes if metric is None else [*changes, _monitor(metric)]
    run, config = configure(dataset, out, resume=resume, changes=changes, verify=not no_verify, **settings)
    if fixes:
        config = _to_fix(run, config, logs, doctor=doctor, resume=resume)
    elif fix_trials:
        raise SettingError("--fix-trials is for --fix: add that.")
    config.settings.check(config.engine)
    # Without --out the name is a proposal, which another run may take at this moment: `claimed` finds one that is free.
    finished = out is not None and check_run(run, config, force=force, resume=resume) and not fixes
    is_counted = finished or fixes or (resume and is_begun(run, config))
    with nullcontext(run) if out else claimed(run) as run:
        loggers = [] if finished else run_loggers(logs, run, config)
        if finished:
            show_note(f"{run} is finished already.")
        else:
            verb = "Going on with the training" if resume and (run / CHECKPOINT).exists() else "Training"
            show_note(f"{verb} on {config.dataset} by the recipe {config.recipe}; the run folder is {run}")
        try:
            config, data = (config, None) if is_counted else counted(config, data_dir)
            _check_log(logs, config)
            several = partial(train_members, data=data) if config.members() else partial(train_one, data=data)
            how = partial(fix, trials=fix_trials or TRIALS) if fixes else several
            metrics = how(
                *(run, config),
                data_dir=data_dir,
                force=force,
                resume=resume,
                checkpoint_seconds=checkpoint_seconds,
                callbacks=[Progress(console=terminal()), *loggers],
                doctor=doctor,
            )
        except DivergedError:
            report_early_end(run)
            log_files(loggers, run)
            raise
        except KeyboardInterrupt:
            show_error(_stopped(run, config, "--fix" * fixes, data_dir))
            report_early_end(run)
            log_files(loggers, run)
            sys.exit(1)
    report = write_or_warn(run)
    log_files(loggers, run)
    warn_of_findings(run, metrics) if doctor else warn_of(metrics, "val")
    _show(run, metrics, report, fixes=fixes, as_json=as_json)


def _to_fix(run: Path, config: "Config", logs: Sequence[str], *, doctor: bool, resume: bool) -> "Config":
    """Return a configuration that can be mended, with the remedies that a run to go on with has kept."""
    from fcnet.experiments.fix import check_fixable, with_remedies

    check_fixable(config)
    if logs or not doctor:
        raise SettingError(f"--fix has several trainings, with the doctor: leave out {'--log' if logs else '--no-doctor'}.")
    return with_remedies(run, config) if resume else config


def _stopped(run: Path, config: "Config", fix: str, data_dir: str | None) -> str:
    """Return what to say of a run that was stopped, and how to go on with it; raise FcnetError where there is none."""
    from fcnet.experiments.folder import METRICS_FILE
    from fcnet.experiments.results import read_state
    from fcnet.experiments.run import is_begun

    where = shlex.join(["--data-dir", data_dir]) if data_dir else ""
    if fix and (run / METRICS_FILE).exists():
        again = shlex.join(["fcnet", "train", config.dataset, "--out", str(run), "--resume"])
        said = f"Stopped while a remedy was tried; the best training so far is kept. Go on with: {again}"
    elif is_begun(run, config):
        said = read_state(run).words
    else:
        raise FcnetError("Stopped before anything was written: there is nothing to go on with.") from None
    return " ".join(filter(None, [said, fix, where]))


def _show(run: Path, metrics: dict[str, Any], report: Path | None, *, fixes: bool, as_json: bool) -> None:
    """Print what came of a training."""
    from fcnet.doctor.fixing import read_fixes
    from fcnet.experiments.config import Config
    from fcnet.experiments.folder import FIXES
    from fcnet.experiments.members import members_words

    tried = read_fixes(run / FIXES) if fixes else []
    if as_json:
        click.echo(json.dumps(metrics | ({"fixes": [fix.to_dict() for fix in tried]} if fixes else {})))
        return
    for number, fix in enumerate(tried, 1):
        click.echo(f"Remedy {number}: {fix.words}.")
    config = Config.read(run)
    click.echo(_as_text(run, metrics, members_words(config, metrics) or config.settings.training.epoch_words(metrics)))
    if report:
        click.echo(f"Report:     {report}")


def _as_text(run: Path, metrics: Mapping[str, Any], of_what: str) -> str:
    from fcnet.experiments.scores import afterwards_words, headline

    first = (
        f"Validation {headline(metrics, 'val')}{of_what}, training {headline(metrics, 'train')}, "
        f"{metrics['fit_seconds']:.1f} s of training."
    )
    lines = [first, other_metrics(metrics, "val"), afterwards_words(metrics), f"Run folder: {run}"]
    return "\n".join(filter(None, lines))


def _check_log(logs: Sequence[str], config: "Config") -> None:
    if logs and config.members():
        raise SettingError(
            "--log is for a single training: leave it out, or leave out --seeds and --folds, and add --set n_ensemble=1."
        )


def _monitor(metric: str) -> str:
    """Return --metric as a change of the recipe."""
    from fcnet.training.metrics import AUTO, METRICS

    name = metric.removeprefix("val_")
    if name not in (AUTO, *METRICS):
        raise unknown_name("metric", name, METRICS)
    return f"monitor={name}"

"""A run that the doctor's remedies mend: one at a time is tried, and kept where it helps on the validation rows."""

import logging
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

from fcnet.data import Dataset
from fcnet.doctor.finding import Finding, Findings, write_findings
from fcnet.doctor.fixing import TRIALS, Fix, Trial, in_words, mend, read_fixes, write_fixes
from fcnet.errors import DivergedError, SettingError
from fcnet.experiments.config import Config
from fcnet.experiments.diagnosis import diagnose_run
from fcnet.experiments.folder import (
    ATTEMPT,
    CONFIG,
    FINDINGS,
    FIXES,
    METRICS_FILE,
    MODEL,
    RUN_FILES,
    STATUS,
    owned,
    read_status,
)
from fcnet.experiments.recipe import with_changes
from fcnet.experiments.results import read_metrics, read_state
from fcnet.experiments.run import TrainOptions, check_run, is_begun, train
from fcnet.model_file import load
from fcnet.threads import use_threads
from fcnet.training.metrics import AUTO

_log = logging.getLogger(__name__)


def fix(run: Path, config: Config, *, trials: int = TRIALS, **options: Unpack[TrainOptions]) -> dict[str, Any]:
    """Train by `config`, try the doctor's remedies one after the other, and keep the best in `run`; return its metrics.

    Of the errors and warnings, and of notes that `fcnet.doctor.fixing.NOTES` names, the first is taken that settings mend. If
    the training is then better on the validation rows, by its monitor and beyond noise (`fcnet.doctor.fixing.compared`), it
    takes the place of the one before; else it is put back. So it goes on, until nothing is left to try. The run that is kept is
    no worse on the validation rows than the one that was asked for. The test part is not read.

    Parameters
    ----------
    run : Path
        Beside the files of every run it gets a ``fixes.json`` with all that was tried. A training that is stopped leaves the
        best run so far; that of the remedy is in the folder ``attempt``, from where it goes on with `resume`.
    config : Config
        Of a single network, which is trained whatever `n_ensemble` of its recipe says.
    trials : int
        How many remedies are tried at most.
    **options
        Those of `TrainOptions`. The doctor is always there.

    Raises
    ------
    SettingError
        If `config` is one of an ensemble.
    FcnetError
        As `fcnet.experiments.run.train` does. It is an error to diverge only where no remedy helps.
    """
    check_fixable(config)
    config = config.of_one_network()
    force, resume = options.get("force", False), options.get("resume", False)
    log = read_fixes(run / FIXES) if resume else []
    if log and log[-1].kept and (run / ATTEMPT / METRICS_FILE).exists():  # killed while it was moved
        _adopt(run)
        config = Config.read(run)
    config = with_remedies(run, config) if resume else config
    check_run(run, config, force=force, resume=resume)
    data = config.load(options.get("data_dir"), n_test=0)
    config.check_data(data)
    options |= {"doctor": True}
    error = _diverged_before(run) if resume else None
    try:
        if error is None:
            train(run, config, data=data, **options)
    except DivergedError as diverged:
        error = diverged
    with owned(run, "train"):
        mending = _Mending(run, config, data, log, options | {"force": False, "resume": True})
        first = mending.trial(run, config, is_finite=error is None)
        kept, _ = mend(first, mending.train, data.y_val, mending.done, log=log, trials=trials)
        write_fixes(run / FIXES, mending.log)
        if error is not None and kept is first:
            raise error
        return read_metrics(run)


def with_remedies(run: Path, config: Config) -> Config:
    """Return a configuration with the remedies that a run has kept, so that the command of its first training goes on, too."""
    for done in read_fixes(run / FIXES):
        if done.kept:
            config = replace(config, settings=with_changes(config.settings, list(done.settings.items()), "The remedy"))
    return config


def check_fixable(config: Config) -> None:
    """Raise SettingError if a run is one of several networks."""
    if config.members():
        raise SettingError(
            "--fix mends a single training: leave out --seeds and --folds, and then train its recipe with them, as by "
            "fcnet train DATASET --recipe RUN --seeds 5."
        )


class _Mending:
    """Trains with remedies in a folder below a run, and moves there what is kept."""

    def __init__(self, run: Path, config: Config, data: Dataset, log: list[Fix], options: TrainOptions) -> None:
        self.run, self.config, self.data, self.options = run, config, data, options
        self.attempt, self.log, self.changed = run / ATTEMPT, list(log), config

    def trial(self, folder: Path, config: Config, *, is_finite: bool) -> Trial:
        """Return what came of a training in a folder."""
        monitor = getattr(config.settings.training, "judge", AUTO)
        if not is_finite:
            return Trial(self.diagnose, monitor)
        model = load(folder / MODEL)
        with use_threads(config.threads or None):
            return Trial(self.diagnose, monitor, model.loss, model.logits(self.data.X_val))

    def diagnose(self) -> Findings:
        """Return all that is found in what is kept, and leave it in its folder."""
        found = diagnose_run(self.run, data=self.data)
        write_findings(self.run / FINDINGS, found)
        return found

    def train(self, finding: Finding, settings: dict[str, Any]) -> Trial:
        """Train with a remedy; one that was stopped goes on."""
        config, recipe = self.config, self.config.settings
        self.changed = replace(config, settings=with_changes(recipe, list(settings.items()), "The remedy"))
        if not self.config.differences(self.changed):
            raise SettingError("The settings are so already.")
        self.changed.settings.check(config.engine)
        self.changed.check_data(self.data)
        _log.info("Remedy %d, for %s: %s", len(self.log) + 1, finding.code, in_words(settings))
        if not is_begun(self.attempt, self.changed):
            shutil.rmtree(self.attempt, ignore_errors=True)
        try:
            train(self.attempt, self.changed, data=self.data, **self.options)
        except DivergedError:
            return self.trial(self.attempt, self.changed, is_finite=False)
        return self.trial(self.attempt, self.changed, is_finite=True)

    def done(self, fix: Fix) -> None:
        """Write down what came of a remedy, and keep it or not."""
        self.log.append(fix)
        write_fixes(self.run / FIXES, self.log)
        if fix.kept:
            _adopt(self.run)
            self.config = self.changed
        else:
            shutil.rmtree(self.attempt, ignore_errors=True)
        _log.info("%s.", fix.words[:1].upper() + fix.words[1:])


def _adopt(run: Path) -> None:
    """Move a training with a remedy into the folder of the run; after a kill it can be done again."""
    attempt = run / ATTEMPT
    (run / METRICS_FILE).unlink(missing_ok=True)
    for name in (*(name for name in RUN_FILES if name != METRICS_FILE), METRICS_FILE):  # what has metrics is finished
        if (attempt / name).exists():
            (attempt / name).replace(run / name)
    (run / STATUS).unlink(missing_ok=True)
    shutil.rmtree(attempt)


def _diverged_before(run: Path) -> DivergedError | None:
    """Return the error by which the training of a run ended, where it diverged."""
    if not (run / CONFIG).exists() or read_state(run).kind != "diverged":
        return None
    status = read_status(run)
    return DivergedError(status.get("reason", ""), status.get("batches", []))

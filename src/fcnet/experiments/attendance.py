"""The doctor at a run: it watches the training, looks at the predictions, and leaves ``findings.json``."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np

from fcnet.data import Dataset
from fcnet.doctor.finding import Finding, Findings, concluded, read_findings, write_findings
from fcnet.doctor.inflight import Doctor
from fcnet.doctor.prediction_checks import OF_BASELINES, beside, prediction_findings
from fcnet.doctor.rows import Rows
from fcnet.experiments.config import Config
from fcnet.experiments.folder import FINDINGS
from fcnet.experiments.job import Job, Trained, scale_of
from fcnet.experiments.recipe import Recipe
from fcnet.nn.network import FullyConnectedNet
from fcnet.types import Array

ADVISED = ("l2", "weight_decay", "label_smoothing", "dropout", "hidden_sizes")


def advised(recipe: Recipe) -> dict[str, Any]:
    """Return the settings of a recipe that remedies go by."""
    parts = (recipe.training, getattr(recipe.training, "update", None), recipe.network)
    return {name: getattr(part, name) for part in parts for name in ADVISED if hasattr(part, name)}


class Attendance:
    """The doctor at one training; where a ``with`` ends, what was found is in the folder of the run.

    Parameters
    ----------
    run : Path
    config : Config
    data : Dataset
    X_val : array (n, n_inputs)
        The validation rows as the network takes them.
    """

    def __init__(self, run: Path, config: Config, data: Dataset, X_val: Array) -> None:
        recipe = config.settings
        scale = scale_of(data, recipe.training.loss_of(data))
        self.path = run / FINDINGS
        image_shape = data.image_shape if recipe.preprocessing.keeps_pixels else None
        self.doctor = Doctor(advised(recipe), (X_val, scale.apply(data.y_val) if scale else data.y_val), image_shape)
        self.others: list[Finding] = []

    def look_at(self, job: Job, trained: Trained, metrics: dict[str, Any]) -> None:
        """Look at what a network predicts for the validation rows, and at what its metrics say already.

        One whose weights were solved for is right for the mean over mirror images alone, and is not looked at.
        """
        if not job.recipe.training.needs_network:
            return
        network, data, sizes = trained.model.network, job.data, job.prepared.preprocessor.category_sizes
        X, n = job.prepared.rows[: len(data.y_train)], network.n_classes
        rows = Rows(X, data.y_train, network.loss, n, job.X_val, data.y_val, X.shape[1] - len(sizes))
        self.others = beside(self.doctor.findings, of_predictions(network, rows, metrics, job.seed))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        if kind is None or self.doctor.findings:
            write_findings(self.path, concluded([*self.doctor.findings, *self.others], "the training"))


def of_predictions(network: FullyConnectedNet, rows: Rows, metrics: Mapping[str, Any], seed: int) -> Iterator[Finding]:
    """Yield what is to be said of the predictions for validation rows, and what the metrics of the run say of them."""
    found = list(prediction_findings(network, rows, np.random.default_rng(seed)))
    yield from (finding for finding in found if not ("baselines" in metrics and finding.code in OF_BASELINES))
    if said := metrics.get("warnings", {}).get("val"):
        codes = [finding.code for finding in found if finding.code in OF_BASELINES]
        yield Finding(code=codes[0] if codes else OF_BASELINES[0], severity="warning", message=" ".join(said))


def findings_of(run: Path, metrics: Mapping[str, Any]) -> list[tuple[Finding, int]]:
    """Return what was found in a run, without notes, and in how many of its trainings each code was.

    Of an ensemble that is said of its members, of warnings where half of them have it; how it does beside baselines is not, as
    that of members is no matter.
    """
    folders = [run / member["run"] for member in metrics.get("members", [])]
    counted: dict[str, tuple[Finding, int]] = {}
    for folder in folders or [run]:
        found = read_findings(folder / FINDINGS) if (folder / FINDINGS).exists() else Findings()
        for finding in found:
            if finding.severity != "note" and not (folders and finding.code in OF_BASELINES):
                first, n = counted.get(finding.code, (finding, 0))
                counted[finding.code] = first, n + 1
    return [(each, n) for each, n in counted.values() if each.severity == "error" or 2 * n >= len(folders)]


def has_findings(run: Path, metrics: Mapping[str, Any]) -> bool:
    """Return whether the doctor was at each training of a run."""
    folders = [run / member["run"] for member in metrics.get("members", [])] or [run]
    return all((folder / FINDINGS).exists() for folder in folders)

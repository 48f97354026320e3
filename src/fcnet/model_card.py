"""The model card: what a model is, how well it does and what it cannot do, in a page of Markdown to put beside it."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from fcnet.data import DATASETS
from fcnet.data.dates import CLOCK
from fcnet.experiments.config import Config
from fcnet.experiments.folder import MODEL
from fcnet.experiments.members import how_trained
from fcnet.experiments.results import read_metrics
from fcnet.experiments.scores import is_of_numbers, threshold_words
from fcnet.model import Model
from fcnet.model_file import load
from fcnet.nn.loss import Loss
from fcnet.nn.regression_losses import QuantileLoss
from fcnet.preprocessing import Preprocessor
from fcnet.training.metrics import in_words
from fcnet.words import duration_words, listed, setting_words

PARTS = {"train": "training", "val": "validation", "test": "test"}
MOST_NAMES = 100  # of classes and of columns
OF_CLASSES = (
    "It names one of its classes whatever it is shown: it cannot say that none fits.",
    "That its probabilities are those of being right has not been checked.",
)
OF_NUMBERS = (
    "It predicts a number whatever it is shown, also for rows that are far from all that it has learnt from.",
    "It does not say how sure it is of a number: the errors above are those of all rows together.",
)
OF_QUANTILES = (
    OF_NUMBERS[0].replace("a number", "quantiles"),
    "How often a target is below a quantile is known of all rows together: for rows of one kind it may be otherwise.",
)


def model_card(run: str | Path) -> str:
    """Return the model card of a finished run, in Markdown.

    Every figure of how well it does is one that ``metrics.json`` has.

    Raises
    ------
    FileFormatError
        If the run is not finished, or a file of it is damaged.
    """
    run = Path(run)
    metrics, config, model = read_metrics(run), Config.read(run), load(run / MODEL)
    words = model.preprocessor.column_words()
    data = _plain(Path(config.dataset).name)
    sections = {
        "Data": _data(data, metrics, model),
        **({"Columns": _columns(metrics, config, model.preprocessor, words)} if words else {}),
        "Metrics": _measured(metrics, config),
        "Model": _network(metrics, model),
        "Training": _training(metrics, config),
        "Limits": _limits(data, metrics, model),
        "Use": _use(model),
        "Citation of the data": [
            DATASETS[config.dataset].citation
            if config.dataset in DATASETS
            else f"fcnet knows of no publication of {data}: name its source here."
        ],
    }
    title = f"# {_plain(run.resolve().name)}"
    trained = f"Trained by fcnet {config.fcnet} with the recipe {_plain(config.recipe)} on {data}."
    texts = [f"## {name}\n\n" + "\n\n".join(texts) for name, texts in sections.items()]
    return "\n\n".join([title, f"{_purpose(model, metrics)} {trained}", *texts]) + "\n"


def _purpose(model: Model, metrics: dict[str, Any]) -> str:
    of = "an image" if model.image_shape else "a row of a table" if model.preprocessor.columns else "a row of numbers"
    if not model.network.loss.has_labels:
        target = f"the number {_plain(metrics.get('target') or model.classes[0])}"
        if isinstance(model.network.loss, QuantileLoss):
            target = f"the quantiles {listed(model.classes, MOST_NAMES)} of {target}"
        return f"A fully-connected neural network that predicts {target} from {of}."
    return f"A fully-connected neural network that says which of {model.network.n_classes} classes {of} belongs to."


def _data(data: str, metrics: dict[str, Any], model: Model) -> list[str]:
    inputs = f"Each row has {model.n_inputs:,} values"
    if model.image_shape:
        height, width, channels = model.image_shape
        inputs += f", those of an image of {height} × {width} pixels and {channels} channels, from 0 to {model.max_value:g}"
    classes = [f"Classes: {listed(map(_plain, model.classes), MOST_NAMES)}."] if model.network.loss.has_labels else []
    rows = ([name, f"{metrics[f'n_{part}']:,}"] for part, name in PARTS.items() if metrics.get(f"n_{part}") is not None)
    return [f"{data}. {inputs}.", *classes, _table(["part", "rows"], rows)]


def _columns(metrics: dict[str, Any], config: Config, table: Preprocessor, words: Sequence[tuple[str, str, str]]) -> list[str]:
    target = metrics.get("target") or config.target or "that is last"  # runs of before there was a target in the metrics
    learnt = f"The column {_plain(target)} is predicted from these"
    dropped = f", without {listed(map(_plain, config.drop), MOST_NAMES)}" if config.drop else ""
    rows = [list(map(_plain, row)) for row in words[:MOST_NAMES]]
    texts = [f"{learnt}{dropped}:", _table(["column", "kind", "a missing value counts as"], rows)]
    if len(words) > MOST_NAMES:
        texts.append(f"And {len(words) - MOST_NAMES:,} more columns.")
    rare = f", or of {listed(map(_plain, table.rare), MOST_NAMES)} as rare" if table.rare else ""
    texts.append(f"A category that no training row had counts as no category, too{rare}, and an infinite number as missing.")
    return [*texts, *_text_files(table)]


def _text_files(table: Preprocessor) -> list[str]:
    if table.dialect is None:  # of a file of before this was kept
        return []
    commas, words = (listed(map(_plain, names), MOST_NAMES) for names in (table.dialect.decimal_commas, table.dialect.missing))
    separator = f"`{table.dialect.separator}`".replace("\t", "TAB") if table.dialect.separator else ""
    facts = [
        *([f"{separator} stands between columns"] if separator else []),
        f"the decimal sign of {commas} is a comma" if commas else "the decimal sign is a point",
        *(f"the dates of {_plain(name)} are written {form}" for name, form in table.dialect.formats.items() if form != CLOCK),
        f"empty fields and the words {words} are missing values" if words else "empty fields alone are missing values",
    ]
    return [f"In text {', '.join(facts[:-1])}, and {facts[-1]}."]


def _measured(metrics: dict[str, Any], config: Config) -> list[str]:
    rows = [[name, words, value] for part, name in PARTS.items() for words, value in in_words(metrics, part).items()]
    tested = any(row[0] == "test" for row in rows)
    test = "was measured once, after training" if tested else "has not been measured: `fcnet evaluate` does it"
    note = f"The test part {test}."
    if chosen := config.settings.training.chosen_by_validation:
        note += f" The figures of the validation part, which chose {chosen}, are somewhat too good."
    return [_table(["part", "metric", "value"], rows), note]


def _network(metrics: dict[str, Any], model: Model) -> list[str]:
    network = model.network
    sizes = " → ".join(f"{size:,}" for size in network.layer_sizes)
    kinds = [name for name, used in (("mirrored", model.average_mirror), ("translated", model.average_shift)) if used]
    views = f"; logits are averaged over {' and '.join(kinds)} views" if kinds else ""
    parameters = metrics.get("n_parameters", network.n_parameters)  # of all networks
    of = f"An ensemble of {len(model.members)} networks, with layers as" if len(model.members) > 1 else "Layers"
    return [
        f"{of} {sizes}, activation {network.activation}, normalisation {network.normalisation}: {parameters:,} "
        f"parameters of {network.dtype}. Its inputs are {model.preprocessor.description}{views}."
    ]


def _training(metrics: dict[str, Any], config: Config) -> list[str]:
    times = {"training": "fit_seconds", "preparing the inputs": "feature_seconds"}
    took = " and ".join(f"{duration_words(metrics[key])} of {what}" for what, key in times.items())
    how, members = how_trained(config, metrics), metrics.get("members")
    rows = (
        [part, f"`{name}`", _plain(setting_words(value))]
        for part, values in config.settings.grouped(of_numbers=is_of_numbers(metrics)).items()
        for name, value in values.items()
    )
    texts = [
        config.settings.description,
        f"It took {took} on the engine {config.engine}. {how}{'' if members else f' The seed was {config.seed}.'}",
        threshold_words(metrics),
        _table(["part", "setting", "value"], rows),
    ]
    return [text for text in texts if text]


def _limits_of_loss(loss: Loss) -> tuple[str, ...]:
    if isinstance(loss, QuantileLoss):
        return OF_QUANTILES
    return OF_CLASSES if loss.has_labels else OF_NUMBERS


def _limits(data: str, metrics: dict[str, Any], model: Model) -> list[str]:
    limits = [
        f"It has learnt from {metrics['n_train']:,} rows of {data} and from nothing else. The figures above are for rows of "
        "the same source; on other data it has not been measured.",
        "Nobody has examined whether it does equally well for all groups of people or things in the data, nor how it answers "
        "inputs that were made to mislead it.",
        *_limits_of_loss(model.network.loss),
    ]
    if model.image_shape:
        height, width, _ = model.image_shape
        limits.append(
            f"It sees {height} × {width} pixels: larger pictures have to be cut or scaled to look like those of the data."
        )
    return ["\n".join(f"- {limit}" for limit in limits)]


def _use(model: Model) -> list[str]:
    if model.preprocessor.columns:
        what = (
            "the classes of raw rows and their probabilities"
            if model.network.loss.has_labels
            else "the number of each row, or its quantiles"
        )
        return [f"```console\n$ fcnet predict RUN new.csv  # {what}\n```"]
    return [
        "```python\nimport fcnet\n\n"
        f'model = fcnet.load("{MODEL}")  # no pickle: nothing in the file is executed\n'
        f"model.predict_proba(X)  # of raw rows (n, {model.n_inputs})\n```"
    ]


def _plain(text: str) -> str:
    """Return text that Markdown takes as it is."""
    return re.sub(r"([\\`*_{}\[\]<>|#~])", r"\\\1", " ".join(text.split()))


def _table(head: list[str], rows: Iterable[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows))

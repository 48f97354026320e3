"""The report: what it says, that it stands alone, and what a browser makes of it."""

import json
import re
import shutil
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import numpy as np
import pytest
from msgspec import structs
from PIL import Image

from fcnet import FullyConnectedNet, plots
from fcnet.experiments import run as runs
from fcnet.experiments.predictions import PREDICTIONS_FORMAT, read_predictions
from fcnet.experiments.recipe import load_recipe
from fcnet.files import save_tensors
from fcnet.model_file import load, save
from fcnet.report import write_report
from fcnet.training.history import History
from fcnet.training.smoothness import has_structure, roughness

pytestmark = pytest.mark.charts

CHARTS = ["Loss by iteration", "Accuracy by epoch", "Loss by epoch", "Learning rate"]
N_HIDDEN = 20
N_TILES = 12  # that are shown of units without structure
Look = Callable[[Path, int, str], None]
HOSTILE = ["<script>alert(1)</script>", '"><img src=x onerror=alert(2)>']


class Page(HTMLParser):
    """The parts of a report that the tests ask for."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attributes]

    def handle_data(self, data: str) -> None:
        self.text += data if "body" in self.tags else ""

    def runs_nothing(self) -> bool:
        return "script" not in self.tags and not any(name.startswith("on") for name, _ in self.attributes)


def make_run(folder: Path, epochs: int) -> Path:
    config = runs.Config("digits", "digits", load_recipe("digits", [f"epochs={epochs}", f"hidden=[{N_HIDDEN}]"]))
    runs.train(folder, config)
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("report") / "digits-run", epochs=3)


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    """A copy of a finished run, for a test to change."""
    return Path(shutil.copytree(trained, tmp_path / "digits-run"))


def change_model(run: Path, **changes: Any) -> None:
    model = load(run / runs.MODEL)
    if "classes" in changes:
        changes["network"] = FullyConnectedNet([*model.network.layer_sizes[:-1], len(changes["classes"])])
    save(run / runs.MODEL, replace(model, **changes))


def make_perfect(run: Path) -> None:
    predictions, part = read_predictions(run / runs.PREDICTIONS)
    predictions["probabilities"] = np.eye(10, dtype=np.float32)[predictions["labels"]]
    changes = {name: predictions[name][:0] for name in ("mistakes", "mistake_inputs")}
    save_tensors(run / runs.PREDICTIONS, predictions | changes, {"part": part}, PREDICTIONS_FORMAT)


def test_it_says_how_the_run_went(run: Path) -> None:
    metrics = runs.read_metrics(run)
    page = Page(write_report(run))
    sections = [
        "digits-run",
        "weights are kept",
        "on the validation part",
        "Confusion matrix",
        "The most confident mistakes",
        "learning_rate",
    ]
    accuracies = [f"{metrics[part]:.1%}" for part in ("val_accuracy", "train_accuracy")]
    assert [words for words in accuracies + sections + CHARTS if words not in page.text] == []
    assert page.tags.count("svg") == len(CHARTS)
    predictions, _ = read_predictions(run / runs.PREDICTIONS)
    pictures = [value for name, value in page.attributes if name == "src"]
    assert len(pictures) == N_TILES + 10 + len(predictions["mistakes"])
    with urlopen(pictures[-1]) as file, Image.open(file) as picture:
        np.testing.assert_allclose(picture, predictions["mistake_inputs"][-1].reshape(8, 8) * (255 / 16), atol=0.5)


def test_it_stands_alone(run: Path) -> None:
    page = Page(write_report(run))
    addresses = [value for name, value in page.attributes if name.split(":")[-1] in ("src", "srcset", "href")]
    assert [address for address in addresses if not address.startswith(("data:", "#"))] == []
    assert [word for word in ("http:", "https:", "@import") if word in page.source] == []
    assert page.source.count("url(") == page.source.count("url(#")
    assert page.runs_nothing()


def test_it_needs_only_the_run_folder(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("fcnet.experiments.config.load_dataset")
    (run / "checkpoint.safetensors").unlink()
    first = write_report(run).read_bytes()
    assert write_report(run).read_bytes() == first  # equal runs have equal reports


def test_before_and_after_evaluation(run: Path) -> None:
    assert "test accuracy: not measured yet" in Page(write_report(run)).text
    metrics = runs.evaluate(run)
    text = Page(write_report(run)).text
    assert f"{metrics['test_accuracy']:.2%}test accuracy, 297 rows" in text
    assert "By class, on the test part" in text


def test_hostile_names_are_only_text(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def hostile_figure(history: History) -> Any:
        figure = plots.plot_loss(history)
        figure.axes[0].set_title(f'" onload="alert(1)" {HOSTILE[0]} \\1')
        return figure

    monkeypatch.setattr("fcnet.plots.plot_accuracy", hostile_figure)
    change_model(run, classes=[*HOSTILE, *"234567&9"])
    config = runs.Config.read(run)
    config = replace(config, recipe=HOSTILE[0], settings=structs.replace(config.settings, description=HOSTILE[1]))
    config.write(run)
    run = run.rename(run.with_name("<b>bold & 'quoted'"))
    page = Page(write_report(run))
    assert page.runs_nothing()
    assert "<b>bold & 'quoted'" in page.text
    assert all(page.text.count(name) >= 4 for name in HOSTILE)  # by its bar, twice by the matrix, in the header


def test_a_model_that_is_not_of_images_and_a_class_without_rows(run: Path) -> None:
    change_model(run, image_shape=None, classes=[*"0123456789", "never seen"])
    page = Page(write_report(run))
    assert "img" not in page.tags
    assert [words for words in ("first layer", "mistakes") if words in page.text] == []
    assert page.text.count("no rows") == 1  # and no accuracy for a class that has none


def test_times_and_settings_are_in_words(run: Path) -> None:
    times = {"fit_seconds": 163.61, "feature_seconds": 0.0042, "total_seconds": 4.1234, "peak_memory_mb": 1858.7}
    (run / runs.METRICS_FILE).write_text(json.dumps(runs.read_metrics(run) | times), encoding="utf-8")
    config = runs.Config.read(run)
    training = structs.replace(config.settings.training, learning_rate=1e-5)
    network = structs.replace(config.settings.network, hidden_sizes=(512, 256))
    replace(config, settings=structs.replace(config.settings, training=training, network=network)).write(run)
    text = Page(write_report(run)).text
    assert [w for w in ("2 min 44 s", "0.0042 s", "4.1 s", "1,859 MB", "1e-5", "512, 256", "yes") if w not in text] == []
    (run / runs.METRICS_FILE).write_text(json.dumps(runs.read_metrics(run) | {"peak_memory_mb": None}), encoding="utf-8")
    assert "peak memory" not in Page(write_report(run)).text


@pytest.mark.parametrize("n_batches", [1, 3, 5000])
def test_figures_of_any_length(n_batches: int) -> None:
    batches = [{"iteration": i, "loss": 2.3, "learning_rate": 3e-5} for i in range(1, n_batches + 1)]
    history = History([{"epoch": 1, "loss": 2.3, "train_accuracy": 0.5, "val_accuracy": 0.25, "batches": batches}])
    names = ["plot_loss", "plot_accuracy", "plot_epoch_loss", "plot_learning_rate"]
    loss, accuracy, _, rate = charts = [getattr(plots, name)(history).axes[0] for name in names]
    for axes in charts:
        axes.figure.draw_without_rendering()
        assert all(tick == round(tick) for tick in axes.get_xticks())
    assert [len(axes.lines) for axes in charts] == [2, 2, 1, 1]  # there is no validation loss
    assert all(len(line.get_xdata()) == min(n_batches, plots.POINTS) for line in loss.lines)
    assert "50%" in [label.get_text() for label in accuracy.get_yticklabels()]
    assert rate.get_ylabel() == "learning rate × 10⁻⁵"
    assert rate.yaxis.get_offset_text().get_text() == ""
    np.testing.assert_allclose(rate.lines[0].get_ydata(), 3)


def test_over_fitting_looks_like_over_fitting() -> None:
    row = {"loss": 2.0, "train_loss": 0.1, "val_loss": 0.5, "batches": []}
    history = History([{"epoch": 1, **row}, {"epoch": 2, **row}])
    axes = plots.plot_epoch_loss(history).axes[0]
    assert {line.get_label(): line.get_ydata()[-1] for line in axes.lines} == {"training": 0.1, "validation": 0.5}
    old = {key: value for key, value in row.items() if key != "train_loss"}
    resumed = plots.plot_epoch_loss(History([{"epoch": 1, **old}, {"epoch": 2, **row}])).axes[0]  # begun by an older version
    np.testing.assert_array_equal(resumed.lines[0].get_ydata(), [np.nan, 0.1])
    before = plots.plot_epoch_loss(History([{"epoch": 1, **old}])).axes[0]
    assert [line.get_label() for line in before.lines] == ["training, with penalties", "validation"]


NO_BATCHES = {"epoch": 1, "iteration": 1, "loss": 2.0}
BATCHES = [{"iteration": 1, "loss": 2.0, "learning_rate": 0.1}]
HISTORIES = {  # how many lines each figure has
    "nothing": ([], (0, 0, 0, 0)),
    "lbfgs": ([NO_BATCHES, {"epoch": 2, "iteration": 2, "loss": 1.0}], (1, 0, 1, 0)),
    "kernel": ([NO_BATCHES | {"train_accuracy": 0.9, "val_accuracy": 0.8, "val_loss": 1.5, "batches": []}], (1, 2, 2, 0)),
    "no validation": ([NO_BATCHES | {"batches": BATCHES, "train_accuracy": 0.5}], (2, 1, 1, 1)),
    "regression": ([NO_BATCHES | {"batches": BATCHES, "train_r2": 0.5, "val_r2": 0.4, "val_loss": 2.0}], (2, 2, 2, 1)),
    "nothing but a loss": ([{"epoch": 1, "loss": 2.0}], (0, 0, 1, 0)),
    "older rows": ([NO_BATCHES, NO_BATCHES | {"epoch": 2, "batches": BATCHES, "val_loss": 2.1}], (2, 0, 2, 1)),
}


@pytest.mark.parametrize("name", HISTORIES)
def test_figures_of_histories_that_lack_something(name: str) -> None:
    rows, expected = HISTORIES[name]
    names = ["plot_loss", "plot_accuracy", "plot_epoch_loss", "plot_learning_rate"]
    for figure_name, n_lines in zip(names, expected, strict=True):
        figure = getattr(plots, figure_name)(History(rows))
        figure.draw_without_rendering()
        assert len(figure.axes[0].lines) == n_lines
        assert [text.get_text() for text in figure.axes[0].texts] == ([] if n_lines else ["not recorded"])
    assert ("R²" in plots.plot_accuracy(History(rows)).axes[0].get_title()) == (name == "regression")


def test_figures_of_estimators() -> None:
    pytest.importorskip("sklearn")
    from fcnet import FCNetClassifier, FCNetRegressor

    X = np.random.default_rng(0).standard_normal((40, 3))
    fitted = [FCNetClassifier(solver="lbfgs", max_iter=5, alpha=1.0), FCNetRegressor(max_iter=2, early_stopping=True)]
    for estimator in fitted:
        with warnings.catch_warnings(action="ignore"):  # so few epochs do not converge
            estimator.fit(X, X[:, 0] > 0)
        for name in ("plot_loss", "plot_accuracy", "plot_epoch_loss", "plot_learning_rate"):
            getattr(plots, name)(estimator.history_).draw_without_rendering()


def test_many_classes_are_shown_by_their_worst_confusions(run: Path) -> None:
    """41 classes, of which one is taken for others, and the sizes of all."""
    labels = np.repeat(np.arange(41), [30, *[5] * 39, 0])
    predicted = labels.copy()
    predicted[:13] = np.repeat([1, 2, 3], [8, 4, 1])
    predicted[30:32] = 7
    predictions, part = read_predictions(run / runs.PREDICTIONS)
    changes = {"probabilities": np.eye(41, dtype=np.float32)[predicted], "predicted": predicted, "labels": labels}
    save_tensors(run / runs.PREDICTIONS, predictions | changes, {"part": part}, PREDICTIONS_FORMAT)
    change_model(run, classes=[f"class {i}" for i in range(41)], image_shape=None)
    text = " ".join(re.sub(r"<[^>]*>", " ", write_report(run).read_text(encoding="utf-8")).split())
    assert "Confusion matrix" not in text
    assert "is predicted rows of the class class 0 class 1 8 26.7% class 0 class 2 4 13.3% class 1 class 7 2 40.0%" in text
    # F1 is 2 · 17 / (30 + 17), 2 · 3 / (5 + 11) and 2 · 5 / (5 + 9).
    assert "The worst first. class 0 56.7% of 30, F1 0.72 class 1 60.0% of 5, F1 0.38 class 2 100.0% of 5, F1 0.71" in text
    assert text.index("class 39 100.0% of 5") < text.index("class 40 no rows")


def test_what_the_first_layer_looks_for_is_shown_where_it_has_structure(run: Path) -> None:
    model = load(run / runs.MODEL)
    model.network.params["W1"][:] = np.random.default_rng(0).standard_normal((64, N_HIDDEN))
    save(run / runs.MODEL, model)
    assert "No unit has weights with a structure to be seen" in Page(write_report(run)).text
    W = model.network.params["W1"]
    rows, columns = np.mgrid[:8, :8]
    for unit in range(15):  # the smoothest is the last
        W[:, unit + 5] = np.sin((rows + columns * unit / 4) / (2 + unit / 3)).ravel()
    save(run / runs.MODEL, model)
    page = Page(write_report(run))
    assert "structure to be seen" not in page.text
    assert "Weights of 15 of 20 hidden units as images, the smoothest first" in page.text
    with urlopen(next(value for name, value in page.attributes if name == "src")) as file, Image.open(file) as picture:
        shown = np.asarray(picture, float)
    steps = [np.abs(np.diff(shown, axis=axis)).mean() for axis in (0, 1)]
    assert max(steps) < 0.2 * np.ptp(shown)


def test_roughness_is_one_for_noise_and_none_for_what_is_smooth() -> None:
    noise = np.random.default_rng(0).standard_normal((1000, 8, 8, 1))
    assert roughness(noise).mean() == pytest.approx(1, abs=0.02)  # five standard errors of 0.1 / sqrt(1000)
    assert has_structure(noise).mean() < 0.01
    ramp = np.arange(64.0).reshape(1, 8, 8, 1) % 8
    checks = np.indices((8, 8)).sum(axis=0).reshape(1, 8, 8, 1) % 2.0
    # Of a ramp: half of the steps are 1 and half 0, the variance is 5.25 · 64 / 63; of a chessboard all steps are 1.
    np.testing.assert_allclose(roughness(ramp), 0.5 / (2 * 5.25 * 64 / 63))
    np.testing.assert_allclose(roughness(checks), 1 / (2 * 0.25 * 64 / 63))
    assert roughness(np.ones((1, 8, 8, 1))) == roughness(np.ones((1, 1, 1, 3))) == 1


@pytest.mark.parametrize("padding", [0, 1, 3])
@pytest.mark.parametrize(("n", "side"), [(1, 1), (2, 2), (9, 3), (10, 4)])
def test_image_grid(n: int, side: int, padding: int) -> None:
    images = np.random.default_rng(n).normal(5, 3, (n, 4, 6, 3))
    images[0] = 7  # an image of one shade has no range to stretch
    grid = plots.image_grid(images, 200.0, padding)
    assert grid.shape == (side * (4 + padding) - padding, side * (6 + padding) - padding, 3)
    for i, image in enumerate(images):
        tile = grid[i // side * (4 + padding) :, i % side * (6 + padding) :][:4, :6]
        np.testing.assert_allclose(tile, 200 * (image - image.min()) / (np.ptp(image) or 1))
        tile[:] = 0
    assert (grid == 0).all()  # around the images


@pytest.mark.browser
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_every_part_can_be_seen(browser: Any, look: Look, run: Path, width: int, theme: str) -> None:
    look(write_report(run), width, theme)
    predictions, _ = read_predictions(run / runs.PREDICTIONS)
    labels, predicted = predictions["labels"], predictions["probabilities"].argmax(axis=1)
    find = partial(browser.find_elements, "css selector")
    assert [chart.accessible_name for chart in find("#training svg")] == CHARTS
    assert all(chart.size["width"] > 300 and chart.size["height"] > 200 for chart in find("#training svg"))
    assert f"{N_TILES} hidden units" in find("#weights [role=img]")[0].accessible_name
    for shown, n in ((".weights", N_TILES), (".templates", 10), ("#mistakes", len(predictions["mistakes"]))):
        pictures = find(f"{shown} img")
        assert [picture.get_property("naturalWidth") for picture in pictures] == [8] * n
        assert all(picture.size["width"] == picture.size["height"] > 20 for picture in pictures)
    captions = [figure.text.split("\n")[:2] for figure in find("#mistakes figure")]
    assert captions == [[f"is {labels[row]}", f"predicted {predicted[row]}"] for row in predictions["mistakes"]]

    assert [caption.text for caption in find(".templates figcaption")] == [*"0123456789"]
    cells = np.reshape([int(cell.text or 0) for cell in find(".matrix tbody td")], (10, 10))
    np.testing.assert_array_equal(cells.sum(axis=1), np.bincount(labels))
    np.testing.assert_array_equal(cells.sum(axis=0), np.bincount(predicted, minlength=10))
    bars = [bar.get_attribute("title") for bar in find(".bars span[title]")]
    assert bars == [f"{row[i]} of {row.sum()}" for i, row in enumerate(cells)]
    levels = [int(heading.tag_name[1]) for heading in find("h1, h2, h3, h4")]
    assert all(1 < level <= before + 1 for before, level in pairwise(levels))  # so the first is the only h1


@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 1280])
def test_the_extremes_can_be_seen(browser: Any, look: Look, run: Path, tmp_path: Path, width: int) -> None:
    look(write_report(make_run(tmp_path / "one-epoch", epochs=1)), width, "light")
    make_perfect(run)  # the matrix then has its strongest colours
    look(write_report(run), width, "dark")
    assert "None: every row" in browser.find_element("id", "mistakes").text
    long_run = run.rename(run.with_name("run" * 60))
    shown = {}
    for n_classes in (10, 30, 31, 140):  # from 31 on there is no matrix
        change_model(long_run, classes=[f"a_class_whose_name_{'goes_on_and_' * 5}on_{i}" for i in range(n_classes)])
        look(write_report(long_run), width, "light")
        find = partial(browser.find_elements, "css selector")
        shown[n_classes] = [len(find(part)) for part in (".matrix", "#classes .bar", "#classes h3")]
    assert shown == {10: [1, 10, 2], 30: [1, 30, 2], 31: [0, 31, 2], 140: [0, 100, 2]}

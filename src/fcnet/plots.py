"""Figures of a training, for notebooks and for the report."""

import io
import re
import warnings
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from fcnet.training.history import History
from fcnet.types import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#123456"  # text and axes; the report replaces it by the colour of its theme
BLUE, ORANGE = "#3b82c4", "#d9722e"  # told apart by every common kind of colour vision, on light and on dark
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
STEEP = 100  # times the first loss
LONGEST_NAME = 28  # of a column or a category
POINTS = 2000  # of a line; more than a figure has pixels only cost space


def new_figure(title: str, x_label: str, y_label: str) -> "tuple[Figure, Axes]":
    """Return a figure with empty axes, in the colours of fcnet's figures."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.4, 3), layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title, color=INK, fontsize=11, parse_math=False)
    axes.set_xlabel(x_label, color=INK, parse_math=False)
    axes.set_ylabel(y_label, color=INK, parse_math=False)
    axes.tick_params(colors=INK)
    for side, spine in axes.spines.items():
        spine.set_color(INK)
        spine.set_visible(side in ("left", "bottom"))
    axes.grid(color=INK, alpha=0.15)
    return figure, axes


def _line(axes: "Axes", x: list[int], y: Array, **style: Any) -> None:
    """Draw `y` over the whole numbers `x`, with marks where a line alone would hide how few they are."""
    from matplotlib.ticker import MaxNLocator

    if not len(x):
        return
    shown = np.unique(np.linspace(0, len(x) - 1, min(len(x), POINTS)).astype(int))
    defaults: dict[str, Any] = {"color": BLUE, "linewidth": 1.8, "marker": "o" if len(x) <= 20 else ""}
    axes.plot(np.array(x)[shown], y[shown], **defaults | style)
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10], integer=True, min_n_ticks=1))
    if len(x) == 1:
        axes.set_xlim(x[0] - 1, x[0] + 1)


def add_legend(figure: "Figure") -> None:
    """Put the legend under the axes, where it hides nothing."""
    if not figure.axes[0].lines:
        _not_recorded(figure.axes[0])
        return
    legend = figure.legend(loc="outside lower center", ncols=2, labelcolor=INK, frameon=False)
    for line in legend.get_lines():
        line.set_linewidth(1.8)


def _not_recorded(axes: "Axes") -> None:
    axes.text(0.5, 0.5, "not recorded", color=INK, ha="center", transform=axes.transAxes)
    axes.set(xticks=[], yticks=[])


def plot_loss(history: History) -> "Figure":
    """Return a figure of the loss of every batch, thin, and its running mean over a fiftieth of them.

    Where there were no batches, as with L-BFGS, it is of the loss of every iteration.
    """
    figure, axes = new_figure("Loss by iteration", "iteration", "loss")
    iterations = history.batch_column("iteration")
    if not iterations:
        rows = [row for row in history if "iteration" in row]
        _line(axes, [row["iteration"] for row in rows], np.array([row["loss"] for row in rows]), label="all rows")
        add_legend(figure)
        return figure
    losses = np.array(history.batch_column("loss"))
    width = max(5, len(losses) // 50)
    total = np.concatenate([[0.0], np.cumsum(losses)])
    end = np.arange(1, len(losses) + 1)
    start = np.maximum(end - width, 0)
    _line(axes, iterations, losses, alpha=0.45, linewidth=0.8, label="batch")
    _line(axes, iterations, (total[end] - total[start]) / (end - start), marker="", label=f"mean of {width:,} batches")
    if losses.min(initial=1) > 0 and losses.max(initial=0) > STEEP * losses[0]:  # all else would look flat
        axes.set_yscale("log")
    add_legend(figure)
    return figure


def _plot_epochs(history: History, title: str, y_label: str, columns: dict[str, tuple[str, str]]) -> "Figure":
    figure, axes = new_figure(title, "epoch", y_label)
    for column, (label, colour) in columns.items():
        values = np.array(history.column(column), float)  # None becomes NaN, which leaves a gap
        if np.isfinite(values).any():
            _line(axes, history.column("epoch"), values, color=colour, label=label)
    add_legend(figure)
    return figure


def plot_epoch_loss(history: History) -> "Figure":
    """Return a figure of the training loss and the validation loss of every epoch, without penalty and label smoothing.

    A history that has no such training loss, as those of older versions, is drawn by that of the batches.
    """
    clean = any(value is not None for value in history.column("train_loss"))
    training = {"train_loss": ("training", BLUE)} if clean else {"loss": ("training, with penalties", BLUE)}
    columns = {**training, "val_loss": ("validation", ORANGE)}
    return _plot_epochs(history, "Loss by epoch", "loss", columns)


def plot_accuracy(history: History) -> "Figure":
    """Return a figure of the training and validation accuracy of every epoch, or of the R² or D² of a regression."""
    for score, words in {"r2": "R²", "d2": "D²"}.items():
        if any(name.endswith(f"_{score}") for row in history for name in row):
            columns = {f"train_{score}": ("training", BLUE), f"val_{score}": ("validation", ORANGE)}
            return _plot_epochs(history, f"{words} by epoch", words, columns)
    columns = {"train_accuracy": ("training", BLUE), "val_accuracy": ("validation", ORANGE)}
    figure = _plot_epochs(history, "Accuracy by epoch", "accuracy", columns)
    figure.axes[0].yaxis.set_major_formatter(lambda value, _: f"{100 * value:g}%")
    return figure


def plot_learning_rate(history: History) -> "Figure":
    """Return a figure of the learning rate of every batch."""
    rates = np.array(history.batch_column("learning_rate"))
    peak = rates.max(initial=0)
    power = int(np.floor(np.log10(peak))) if 0 < peak < 1e-3 else 0  # read more easily in the label than at every tick
    unit = f" × 10{str(power).translate(SUPERSCRIPTS)}" if power else ""
    figure, axes = new_figure("Learning rate", "iteration", "learning rate" + unit)
    _line(axes, history.batch_column("iteration"), rates / 10.0**power)
    axes.set_ylim(bottom=0)
    if not len(rates):
        _not_recorded(axes)
    return figure


def plot_importance(names: Sequence[str], mean: Array, std: Array, x_label: str) -> "Figure":
    """Return a figure of a bar for each column, the first one on top, with its standard deviation."""
    figure, axes = new_figure("Importance of columns", x_label, "")
    figure.set_figheight(1 + 0.22 * len(names))
    places = np.arange(len(names))
    axes.barh(places, mean, 0.7, xerr=std, color=BLUE, ecolor=INK, capsize=2)
    axes.set_yticks(places, map(shortened, names), parse_math=False)
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    return figure


def plot_dependence(name: str, values: Sequence[Any], lines: Mapping[str, Array], y_label: str) -> "Figure":
    """Return a figure of at most two predictions by the values of a column: numbers, or categories, None for none of them."""
    figure, axes = new_figure(shortened(name), "", shortened(y_label))
    is_number = all(isinstance(value, int | float) for value in values)
    x = np.array(values, float) if is_number else np.arange(len(values))
    for (label, y), colour in zip(lines.items(), (BLUE, ORANGE), strict=False):
        axes.plot(x, y, color=colour, linewidth=1.8 if is_number else 0, marker="o", markersize=4, label=shortened(label))
    if not is_number:
        names = ["no category" if value is None else shortened(value) for value in values]
        axes.set_xticks(x, names, rotation=90 if len(names) > 4 else 0, parse_math=False)
    if len(lines) > 1:
        add_legend(figure)
        for text in figure.legends[0].get_texts():
            text.set_parse_math(False)
    return figure


def shortened(name: str) -> str:
    """Return a name as far as a figure has room for it."""
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


def plot_predictions(values: Array, targets: Array) -> "Figure":
    """Return a figure of what a regression predicts, `values` (n,), over the true `targets` (n,), and the line of no error."""
    figure, axes = _plot_rows(targets, values, "Predicted over true", "true", "predicted")
    axes.axline((float(np.mean(targets)),) * 2, slope=1, color=INK, alpha=0.5, linewidth=1)
    return figure


def plot_residuals(values: Array, targets: Array) -> "Figure":
    """Return a figure of the residuals of a regression, ``targets - values``, over what it predicts, `values` (n,)."""
    figure, axes = _plot_rows(values, targets - values, "Residual over predicted", "predicted", "true - predicted")
    axes.axhline(0, color=INK, alpha=0.5, linewidth=1)
    return figure


def _plot_rows(x: Array, y: Array, title: str, x_label: str, y_label: str) -> "tuple[Figure, Axes]":
    figure, axes = new_figure(title, x_label, y_label)
    shown = np.unique(np.linspace(0, len(x) - 1, min(len(x), POINTS)).astype(int))
    axes.plot(x[shown], y[shown], "o", color=BLUE, markersize=3, alpha=0.6, markeredgewidth=0)
    return figure, axes


def to_svg(figure: "Figure", ink: str, words: str = "") -> str:
    """Return a figure as SVG to put into a page, with its text and axes in a colour of that page, such as ``var(--ink)``.

    Its name, for those who do not see it, is its title and the `words` on what is to be seen. Equal figures give equal text.
    """
    import matplotlib

    text = io.StringIO()
    title = figure.axes[0].get_title()
    with warnings.catch_warnings(), matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": title}):
        # Without the title as salt equal figures would differ. What matplotlib has no font for, the browser has.
        warnings.filterwarnings("ignore", "Glyph")
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    svg = text.getvalue()[text.getvalue().index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)  # several figures on a page would repeat these
    start = f'role="img" aria-label="{escape(f"{title}: {words}" if words else title)}"'
    svg = re.sub(r'^<svg [^>]*(viewBox="[^"]*")[^>]*>', lambda found: f"<svg {found[1]} {start}>", svg)
    return svg.replace(INK, ink)


def image_grid(images: Array, ubound: float = 255.0, padding: int = 1) -> Array:
    """Arrange images in a square grid, each stretched to the range 0 to `ubound`.

    Parameters
    ----------
    images : array (n, height, width, channels)
    ubound : float
    padding : int
        Black pixels between neighbours.

    Returns
    -------
    grid : float array (rows · (height + padding) - padding, columns · (width + padding) - padding, channels)
    """
    n, height, width, channels = images.shape
    columns = int(np.ceil(np.sqrt(n)))
    rows = columns
    grid = np.zeros((rows * (height + padding) - padding, columns * (width + padding) - padding, channels))
    for i, image in enumerate(images):
        top, left = i // columns * (height + padding), i % columns * (width + padding)
        low, high = float(image.min()), float(image.max())
        grid[top : top + height, left : left + width] = ubound * (image - low) / (high - low if high > low else 1)
    return grid


def weight_images(W1: Array, image_shape: tuple[int, ...], at_most: int = 100) -> Array:
    """Return the weights of the first hidden units as images (n, height, width, channels), for `image_grid`."""
    return np.asarray(W1.T[:at_most].reshape(-1, *image_shape))

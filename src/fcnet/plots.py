"""Figures of a training, for notebooks and for the report."""

from typing import TYPE_CHECKING

import numpy as np

from fcnet.training.history import History
from fcnet.types import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#123456"  # text and axes; the report replaces it by the colour of its theme
BLUE, ORANGE = "#3b82c4", "#d9722e"  # told apart by every common kind of colour vision, on light and on dark


def _figure(title: str, x_label: str, y_label: str) -> "tuple[Figure, Axes]":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 3), layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title, color=INK, fontsize=11)
    axes.set_xlabel(x_label, color=INK)
    axes.set_ylabel(y_label, color=INK)
    axes.tick_params(colors=INK)
    for side, spine in axes.spines.items():
        spine.set_color(INK)
        spine.set_visible(side in ("left", "bottom"))
    axes.grid(color=INK, alpha=0.15)
    return figure, axes


def _legend(axes: "Axes") -> None:
    axes.legend(labelcolor=INK, frameon=False)


def plot_loss(history: History) -> "Figure":
    """Return a figure of the loss of every batch, thin, and its running mean over a fiftieth of them."""
    figure, axes = _figure("Loss by iteration", "iteration", "loss")
    iterations = np.array(history.batch_column("iteration"))
    losses = np.array(history.batch_column("loss"))
    shown = np.unique(np.linspace(0, len(losses) - 1, 2000).astype(int))  # more points than pixels only cost space
    width = max(1, len(losses) // 50)
    total = np.concatenate([[0.0], np.cumsum(losses)])
    start = np.maximum(np.arange(1, len(losses) + 1) - width, 0)
    mean = (total[1:] - total[start]) / (np.arange(1, len(losses) + 1) - start)
    axes.plot(iterations[shown], losses[shown], color=BLUE, alpha=0.35, linewidth=0.7, label="batch")
    axes.plot(iterations[shown], mean[shown], color=BLUE, linewidth=1.8, label=f"mean of {width}")
    _legend(axes)
    return figure


def _plot_epochs(history: History, title: str, y_label: str, columns: dict[str, tuple[str, str]]) -> "Figure":
    from matplotlib.ticker import MaxNLocator

    figure, axes = _figure(title, "epoch", y_label)
    epochs = history.column("epoch")
    for column, (label, colour) in columns.items():
        values = history.column(column)
        if None not in values:
            axes.plot(epochs, values, color=colour, linewidth=1.8, marker="o" if len(epochs) <= 20 else "", label=label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    _legend(axes)
    return figure


def plot_epoch_loss(history: History) -> "Figure":
    """Return a figure of the mean training loss and the validation loss of every epoch."""
    columns = {"loss": ("training, with penalties", BLUE), "val_loss": ("validation", ORANGE)}
    return _plot_epochs(history, "Loss by epoch", "loss", columns)


def plot_accuracy(history: History) -> "Figure":
    """Return a figure of the training and validation accuracy of every epoch."""
    columns = {"train_accuracy": ("training", BLUE), "val_accuracy": ("validation", ORANGE)}
    return _plot_epochs(history, "Accuracy by epoch", "accuracy", columns)


def plot_learning_rate(history: History) -> "Figure":
    """Return a figure of the learning rate of every batch."""
    figure, axes = _figure("Learning rate", "iteration", "learning rate")
    axes.plot(history.batch_column("iteration"), history.batch_column("learning_rate"), color=BLUE, linewidth=1.8)
    axes.set_ylim(bottom=0)
    return figure


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

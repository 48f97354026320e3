"""Draw the figures of the documentation, from trainings and networks that run as the pages are built.

`conf.py` calls `draw`. Each figure is an SVG that takes its ink from the theme of the page. What is random has a seed, so that
equal versions draw equal figures. ``python docs/figures.py FOLDER`` draws them without Sphinx.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import doctor_figures
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fcnet import FullyConnectedNet, Trainer, plots
from fcnet.data import load_dataset
from fcnet.plots import BLUE, INK, ORANGE
from fcnet.preprocessing import Scaling
from fcnet.training.schedules import SCHEDULES, get_schedule
from fcnet.training.smoothness import roughness
from fcnet.training.updates import get_update

GREEN, VIOLET, GREY, ROSE = "#2f9e76", "#9a6bc9", "#8a94a0", "#c2517f"
SGD_STEPS, RAVINE = 45, np.array([1.0, 25.0])  # the curvatures along and across


def draw(folder: Path) -> None:
    """Write every figure that has changed; one that has not keeps its time, so that no page is built again for it."""
    folder.mkdir(exist_ok=True)
    drawn: dict[str, tuple[Figure, str]] = {}
    for figures in FIGURES:
        drawn |= {name: (figure, "") for name, figure in figures().items()}
    for name, (figure, words) in (drawn | doctor_figures.findings()).items():
        path, svg = folder / f"{name}.svg", plots.to_svg(figure, "var(--color-foreground-primary)", words)
        if not path.exists() or path.read_text(encoding="utf-8") != svg:
            path.write_text(svg, encoding="utf-8")


def digits() -> tuple[Any, ...]:
    """Return the standardised digits: training rows and labels, validation rows and labels."""
    data = load_dataset("digits", n_test=0)
    scaling = Scaling.fit(data.X_train)
    return scaling.transform(data.X_train), data.y_train, scaling.transform(data.X_val), data.y_val


def learning_curves() -> dict[str, Figure]:
    """Train the digits for a few epochs, and draw what the report draws, and the weights of the first layer."""
    trainer = Trainer(epochs=30, batch_size=50, learning_rate=0.03, update="nesterov", schedule="one_cycle", l2=5e-3, seed=0)
    history = trainer.fit(FullyConnectedNet([64, 100, 10], seed=0, engine="numpy"), *digits())
    net = FullyConnectedNet([64, 36, 10], weight_init=0.01, seed=0, engine="numpy")  # so small, what is learnt outweighs it
    trainer.fit(net, *digits())
    images = plots.weight_images(net.params["W1"], (8, 8, 1))
    grid = plots.image_grid(images[np.argsort(roughness(images), kind="stable")])
    weights, axes = blank("Weights of the first layer", (3.6, 3.6))
    axes.imshow(grid[..., 0], cmap="gray", interpolation="nearest")
    return {
        "loss-by-iteration": plots.plot_loss(history),
        "loss-by-epoch": plots.plot_epoch_loss(history),
        "accuracy-by-epoch": plots.plot_accuracy(history),
        "learning-rate": plots.plot_learning_rate(history),
        "first-layer": weights,
    }


def overfitting() -> dict[str, Figure]:
    """Train on 500 digits of which every fifth has a random label, without dropout and with it."""
    X, y, X_val, y_val = digits()
    X, y = X[:500], y[:500].copy()
    y[::5] = np.random.default_rng(0).integers(10, size=100)
    figure, axes = chart("Overfitting, and dropout", "epoch", "loss")
    for label, colour, dropout in (("no dropout", BLUE, 0.0), ("dropout 0.5", ORANGE, 0.5)):
        net = FullyConnectedNet([64, 100, 10], dropout=dropout, input_dropout=dropout / 2, seed=0, engine="numpy")
        trainer = Trainer(epochs=80, batch_size=25, learning_rate=0.01, seed=0, keep_best=False)
        history = trainer.fit(net, X, y, X_val, y_val)
        axes.plot(history.column("epoch"), history.column("val_loss"), color=colour, label=label, linewidth=1.8)
        axes.plot(history.column("epoch"), history.column("train_loss"), color=colour, linewidth=1, linestyle="--")
    axes.plot([], [], color=INK, linewidth=1, linestyle="--", label="training")
    axes.set_ylim(0, 1.5)
    legend(figure)
    return {"overfitting": figure}


def update_rules() -> dict[str, Figure]:
    """Walk down a ravine, ``(x² + 25 y²) / 2``, with the rules themselves."""
    figure, axes = chart("Update rules in a ravine", "along", "across", (4.8, 3.4))
    x, y = np.linspace(-10.5, 3.5, 200), np.linspace(-2.6, 2.6, 200)
    height = (RAVINE[0] * x[np.newaxis] ** 2 + RAVINE[1] * y[:, np.newaxis] ** 2) / 2
    axes.contour(x, y, height, levels=np.geomspace(0.3, 130, 9), colors=INK, alpha=0.25, linewidths=0.8)
    rules = {"sgd": (0.072, BLUE), "momentum": (0.012, ORANGE), "rmsprop": (0.3, GREEN), "adam": (0.6, VIOLET)}
    for name, (rate, colour) in rules.items():
        rule, params = get_update(name), {"W1": np.array([-10.0, 2.0])}
        state, path = rule.init(params), [params["W1"].copy()]
        for _ in range(SGD_STEPS):
            rule.step(params, {"W1": RAVINE * params["W1"]}, state, rate)
            path.append(params["W1"].copy())
        axes.plot(*np.transpose(path), color=colour, linewidth=1.4, marker="o", markersize=2.5, label=name)
    axes.plot(0, 0, "+", color=INK, markersize=9)
    axes.set(xlim=(-10.5, 3.5), ylim=(-2.6, 2.6))
    legend(figure)
    return {"update-rules": figure}


def schedules() -> dict[str, Figure]:
    """Call every schedule for each iteration of 30 epochs."""
    figure, axes = chart("Schedules", "epoch", "share of learning_rate", (4.8, 3.2))
    for (name, _), colour in zip(SCHEDULES.items(), (GREY, GREEN, VIOLET, ORANGE, BLUE, ROSE, INK), strict=True):
        schedule = get_schedule(name)
        axes.plot(np.arange(300) / 10, [schedule(i, 10, 300) for i in range(300)], color=colour, linewidth=1.8, label=name)
    axes.set_ylim(0, 1.05)
    legend(figure)
    return {"schedules": figure}


def boundaries() -> dict[str, Figure]:
    """Learn two arms of a spiral without a hidden layer, and with one of 30 units."""
    rng = np.random.default_rng(0)
    turn = np.sqrt(rng.uniform(0.02, 1, 300)) * 9
    arm = np.repeat([0, 1], 150)
    X = np.stack([turn * np.cos(turn / 1.7 + np.pi * arm), turn * np.sin(turn / 1.7 + np.pi * arm)], axis=1)
    X = (X / 6 + 0.04 * rng.standard_normal(X.shape)).astype("float32")
    side = np.linspace(-1.7, 1.7, 120, dtype="float32")
    places = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    figures = {}
    for name, title, hidden in (("boundary-linear", "No hidden layer", []), ("boundary-hidden", "30 hidden units", [30])):
        net = FullyConnectedNet([2, *hidden, 2], activation="tanh", seed=0, engine="numpy")
        Trainer(epochs=300, batch_size=30, learning_rate=0.02, update="adam", seed=0).fit(net, X, arm)
        figure, axes = blank(title, (3.2, 3.4))
        p = net.predict_proba(places)[:, 1].reshape(120, 120)
        colours = {"levels": [0, 0.25, 0.5, 0.75, 1], "colors": [BLUE, BLUE, ORANGE, ORANGE]}
        axes.contourf(side, side, p, **colours, alpha=0.22)
        axes.contour(side, side, p, levels=[0.5], colors=INK, linewidths=1.2)
        for label, colour, marker in ((0, BLUE, "o"), (1, ORANGE, "^")):
            axes.scatter(*X[arm == label].T, s=9, color=colour, marker=marker, linewidths=0)
        figures[name] = figure
    return figures


def gradient_steps() -> dict[str, Figure]:
    """Compare a slope of a network with central differences of ever smaller steps."""
    net = FullyConnectedNet([20, 30, 5], activation="tanh", dtype="float64", seed=0, engine="numpy")
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((40, 20)), rng.integers(5, size=40)
    slope = float(net.loss_and_gradients(X, y)[1]["W1"][0, 0])
    steps = np.geomspace(1e-13, 1, 80)
    errors = []
    for h in steps:
        losses = []
        for sign in (1, -1):
            moved = net.astype("float64")
            moved.params["W1"][0, 0] += sign * h
            losses.append(moved.loss_and_gradients(X, y)[0])
        numeric = (losses[0] - losses[1]) / (2 * h)
        errors.append(max(abs(numeric - slope) / (abs(numeric) + abs(slope)), 1e-13))
    figure, axes = chart("Error of a central difference", "step h", "relative error")
    axes.loglog(steps, errors, color=BLUE, linewidth=1.8)
    axes.invert_xaxis()
    axes.text(1e-1, 1e-9, "curvature", color=INK, fontsize=9, rotation=-58, ha="center")
    axes.text(1e-10, 3e-9, "rounding", color=INK, fontsize=9, rotation=40, ha="center")
    return {"gradient-steps": figure}


def graph() -> dict[str, Figure]:
    """Run one batch forward and backward through a real network, and draw each layer with the shapes that it saw."""
    n, sizes = 7, [3072, 50, 10]  # the batch, which the figure calls n, and the network of the exercise
    net = FullyConnectedNet(sizes, dropout=0.3, seed=0, engine="numpy")
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((n, sizes[0])).astype("float32"), rng.integers(sizes[-1], size=n)
    outputs, caches, out = [X.shape], [], X
    for layer in net.layers:
        out, cache = layer.forward(out, net.params, net.engine, rng)
        outputs.append(out.shape)
        caches.append(cache)
    net.loss.gradient(out, y, net.engine, 0.0, None)
    gradients, parameters, dout = [out.shape], [], out
    for layer, cache in zip(reversed(net.layers), reversed(caches), strict=True):
        dout, own = layer.backward(dout, cache, net.engine, len(gradients) < len(net.layers))
        gradients.insert(0, dout.shape if dout is not None else None)
        parameters.insert(0, {name: gradient.shape for name, gradient in own.items()})
    return {"graph": draw_graph([type(layer).__name__ for layer in net.layers], outputs, gradients, parameters, n)}


def draw_graph(names: list[str], outputs: list[Any], gradients: list[Any], parameters: list[Any], n: int) -> Figure:
    """Draw the layers below one another: values go down on the left, gradients go up on the right."""
    figure, axes = blank("The network and the shapes of its arrays", (4.9, 1.05 * len(names) + 2.4))
    box = {"boxstyle": "round,pad=0.45", "facecolor": BLUE, "alpha": 0.16, "edgecolor": INK}

    def words(shape: tuple[int, ...]) -> str:
        return "(" + ", ".join("n" if size == n else f"{size}" for size in shape) + ("," if len(shape) == 1 else "") + ")"

    def arrow(y: float, down: str, up: str | None) -> None:
        for x, start, end, colour, label in ((-0.1, y, y - 0.5, BLUE, down), (0.1, y - 0.5, y, ORANGE, up)):
            if label is not None:
                axes.annotate("", (x, end), (x, start), arrowprops={"arrowstyle": "-|>", "color": colour, "linewidth": 1.8})
                side = "right" if x < 0 else "left"
                axes.text(x * 1.6, (start + end) / 2, label, ha=side, va="center", color=INK, fontsize=9)

    axes.text(0, 0.2, "X", ha="center", va="center", color=INK, fontsize=11)
    symbols = ["X", *(f"{name.lower()}" for name in names[:-1]), "logits"]
    y = 0.05
    for name, output, gradient, own, symbol in zip(names, outputs, gradients, parameters, symbols, strict=False):
        arrow(y, f"{symbol} {words(output)}", None if gradient is None else f"gradient {words(gradient)}")
        axes.text(0, y - 0.75, name, ha="center", va="center", color=INK, fontsize=10, bbox=box)
        if own:
            held = "\n".join(f"{key} {words(shape)}" for key, shape in own.items())
            axes.text(-0.42, y - 0.75, held, ha="right", va="center", color=INK, fontsize=9)
            changed = "\n".join(f"d{key} {words(shape)}" for key, shape in own.items())
            axes.text(0.42, y - 0.75, changed, ha="left", va="center", color=INK, fontsize=9)
        y -= 1.0
    arrow(y, f"logits {words(outputs[-1])}", f"(p − q)/n {words(gradients[-1])}")
    axes.text(0, y - 0.75, "softmax and cross-entropy", ha="center", va="center", color=INK, fontsize=10, bbox=box)
    axes.text(0, y - 1.2, "loss", ha="center", va="center", color=INK, fontsize=11)
    axes.text(-0.55, 0.2, "forward ↓", ha="center", va="center", color=BLUE, fontsize=10)
    axes.text(0.55, 0.2, "backward ↑", ha="center", va="center", color=ORANGE, fontsize=10)
    axes.set(xlim=(-1, 1), ylim=(y - 1.35, 0.4))
    return figure


def chart(title: str, x_label: str, y_label: str, size: tuple[float, float] = (4.4, 3.2)) -> tuple[Figure, Axes]:
    """Return an empty chart in the style of the report."""
    figure, axes = plots.new_figure(title, x_label, y_label)
    figure.set_size_inches(size)
    return figure, axes


def blank(title: str, size: tuple[float, float]) -> tuple[Figure, Axes]:
    """Return a figure without axes."""
    figure, axes = chart(title, "", "", size)
    axes.set_axis_off()
    return figure, axes


def legend(figure: Figure) -> None:
    """Put the legend under the axes, where it hides nothing."""
    figure.legend(loc="outside lower center", ncols=3, labelcolor=INK, frameon=False, fontsize=9)


FIGURES: tuple[Callable[[], dict[str, Figure]], ...] = (
    *(learning_curves, overfitting, update_rules, schedules, boundaries, gradient_steps, graph),
)

if __name__ == "__main__":
    draw(Path(sys.argv[1]))

"""Training programs that are sound, drawn from a seed, and how a program is built and trained.

`healthy` draws them: `PER_PROBLEM` of ordinary settings for each data set and copy, and those of `ODD`, whose settings look
wrong and are not; `healthy_of_tables` does so for further tables. None is taken as healthy unchecked: `harm.py` says which are.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from problems import ALL, PROBLEMS, Data, load

from fcnet import FullyConnectedNet, Trainer
from fcnet.training.callbacks import Callback

PER_PROBLEM = 5
SEED = 26
RATES = {"sgd": 0.1, "momentum": 0.02, "nesterov": 0.02, "rmsprop": 1e-3, "adam": 2e-3, "adamw": 2e-3}
STEPS = {"image": 900, "table": 1500, "regression": 1500}
FLAT = ("relu", "leaky_relu", "gelu", "tanh")


@dataclass(frozen=True)
class Program:
    """A training program: its data, its network, its training."""

    name: str
    problem: str
    hidden: tuple[int, ...] = (64,)
    activation: str = "relu"
    normalisation: str = "none"
    weight_init: str | float = "he"
    dropout: float = 0.0
    input_dropout: float = 0.0
    update: str = "adam"
    learning_rate: float = 2e-3
    schedule: str = "cosine"
    batch_size: int = 50
    epochs: int = 20
    l2: float = 0.0
    label_smoothing: float = 0.0
    batches: str = "shuffled"
    keep_best: bool = True
    odd: str = ""
    """What looks wrong and is not."""


NETWORK = ("activation", "normalisation", "weight_init", "dropout", "input_dropout")
TRAINER = ("update", "learning_rate", "schedule", "batch_size", "epochs", "l2", "label_smoothing", "batches", "keep_best")


@dataclass
class Work:
    """A program with its data, which faults change before it is built.

    Attributes
    ----------
    network : class
        `FullyConnectedNet`, or one whose wiring is wrong.
    outputs : int, optional
        Of the network, where there are not as many as classes.
    touch : list of callables
        Change the initial parameters of the network, in place; each is given the network and a generator.
    network_settings, trainer_settings : dict
        Beside those of the program.
    callbacks : list of callables
        Make callbacks of the program's own.
    """

    program: Program
    data: Data
    seed: int = 0
    network: type[FullyConnectedNet] = FullyConnectedNet
    outputs: int | None = None
    touch: list[Callable[[FullyConnectedNet, np.random.Generator], None]] = field(default_factory=list)
    network_settings: dict[str, Any] = field(default_factory=dict)
    trainer_settings: dict[str, Any] = field(default_factory=dict)
    callbacks: list[Callable[[], Callback]] = field(default_factory=list)

    def change(self, **settings: Any) -> None:
        """Change settings of the program."""
        self.program = replace(self.program, **settings)

    def build(self, *callbacks: Callback) -> tuple[FullyConnectedNet, Trainer]:
        """Return a new network and its trainer, the same at every call."""
        program, data = self.program, self.data
        outputs = self.outputs or data.n_classes or 1
        settings = {name: getattr(program, name) for name in NETWORK} | self.network_settings
        loss = "cross_entropy" if data.n_classes else "squared_error"
        network = self.network([data.X.shape[1], *program.hidden, outputs], loss=loss, seed=self.seed, **settings)
        rng = np.random.default_rng(self.seed)
        for touch in self.touch:
            touch(network, rng)
        settings = {name: getattr(program, name) for name in TRAINER} | self.trainer_settings
        own = [make() for make in self.callbacks]
        return network, Trainer(**settings, seed=self.seed, callbacks=[*callbacks, *own], advise=False)


def work(program: Program, seed: int = 0) -> Work:
    """Return a program with its data, without any fault."""
    return Work(program, load(program.problem), seed)


def epochs(problem: str, batch_size: int, share: float = 1.0) -> int:
    """Return how many epochs give a sound number of steps, or a share of it."""
    rows = int(0.6 * ALL[problem].rows)
    return max(2, round(share * STEPS[ALL[problem].kind] * batch_size / rows))


def drawn(problem: str, rng: np.random.Generator, name: str, noisy: bool | None = None, **fixed: Any) -> Program:
    """Return a program of ordinary settings, but for those that are fixed.

    Where classes or targets are `noisy`, these hold against over-fitting; by default that is where the data set is known to be.
    """
    update = fixed.get("update") or str(rng.choice(list(RATES)))
    depth = int(rng.integers(1, 4)) if ALL[problem].kind != "image" else int(rng.integers(1, 3))
    batch_size = fixed.get("batch_size") or int(rng.choice([32, 50, 64]))
    if noisy is None:
        noisy = problem.startswith("cifar10") or problem in ("cells", "spam7")
    settings = {
        "hidden": (int(rng.choice([100, 150, 200] if noisy else [48, 64, 100])),) * depth,
        "activation": str(rng.choice(FLAT)),
        "normalisation": str(rng.choice(["none", "none", "layer"])),
        "update": update,
        "learning_rate": RATES[update] * float(rng.choice([0.7, 1.0, 1.5])) / (2 if depth > 2 else 1),
        "schedule": str(rng.choice(["cosine", "cosine", "constant", "one_cycle"])),
        "batch_size": batch_size,
        "epochs": epochs(problem, batch_size, 1.1 if problem.startswith("cifar10") else 0.5 if noisy else 1.0),
        "dropout": 0.2 if noisy else 0.0,
        "l2": 1e-3 if noisy and update != "adamw" else 1e-4,
    }
    if problem == "cifar10-raw":
        settings["learning_rate"] /= 4  # 3,072 inputs
    return Program(name=name, problem=problem, **(settings | fixed))


ODD: dict[str, tuple[str, dict[str, Any]]] = {
    "warm-up": ("a large rate, which warm-up leads to", {"update": "sgd", "learning_rate": 0.4, "schedule": "one_cycle"}),
    "tiny": ("a tiny net, where the task asks for no more", {"hidden": (12,), "dropout": 0.0}),
    "small inputs": ("inputs that are not scaled, and small", {"update": "adam", "learning_rate": 4e-3, "schedule": "cosine"}),
    "heavy dropout": ("half of the hidden units dropped", {"dropout": 0.5, "hidden": (200,), "normalisation": "none"}),
    "few epochs": ("few epochs, which suffice", {"batch_size": 16, "update": "adam", "learning_rate": 2e-3}),
    "imbalanced": ("classes of few rows that are learnt well", {"update": "adam", "learning_rate": 2e-3}),
    "large batch": (
        "large batches, with a rate that goes with them",
        {"batch_size": 256, "update": "adam", "learning_rate": 6e-3},
    ),
    "logistic": ("logistic units, in one layer", {"activation": "logistic", "hidden": (64,), "weight_init": "glorot"}),
    "deep": ("six hidden layers, normalised", {"hidden": (48,) * 6, "normalisation": "layer", "update": "adam"}),
    "small rate": ("a small rate, as the update is adaptive and the steps are many", {"update": "adam", "learning_rate": 5e-4}),
    "wide": ("far more units than rows ask for, held by dropout", {"hidden": (400,), "dropout": 0.3}),
    "one dead column": ("a column that is always 0, as the edge of a picture", {}),
}
"""Settings that look wrong and are not, by a name: what is odd, and settings."""
EASY = {
    "tiny": ("segment", "digits", "circles", "friedman"),
    "few epochs": ("digits", "segment", "friedman", "clusters"),
    "imbalanced": ("digits", "segment", "clusters", "ring"),
    "warm-up": ("digits", "ring", "cells", "clusters"),
}
"""The data sets of an odd program, where not all will do."""


def healthy(copies: int = 2, seed: int = SEED) -> list[Program]:
    """Return the programs that ought to be healthy; of n copies the first are the same whatever n is, and have the odd ones."""
    rng = np.random.default_rng(seed)
    programs = [drawn(p, rng, f"{p} {i}") for p in PROBLEMS for i in range(PER_PROBLEM)]
    for number, key in enumerate(ODD):
        names = EASY.get(key) or [list(PROBLEMS)[(5 * number + 3 * i) % len(PROBLEMS)] for i in range(4)]
        programs += [drawn(problem, rng, f"{problem} {key}", **_odd(problem, key)) for problem in names]
    further = range(PER_PROBLEM, copies * PER_PROBLEM)
    return programs + [drawn(p, rng, f"{p} {i}") for i in further for p in PROBLEMS]


def _odd(problem: str, key: str) -> dict[str, Any]:
    """Return the settings of an odd program."""
    what, settings = ODD[key]
    if share := {"few epochs": 0.5, "small rate": 1.5, "large batch": 0.4}.get(key):
        batch_size = settings.get("batch_size", 50)
        settings = settings | {"epochs": epochs(problem, batch_size, share), "batch_size": batch_size}
    return settings | {"odd": what}


def healthy_of_tables(problems: Iterable[str], copies: int = 2, seed: int = 28) -> list[Program]:
    """Return the programs of further tables that ought to be healthy: a copy has four ordinary and two odd ones of each."""
    rng, programs = np.random.default_rng(seed), list[Program]()
    for copy in range(copies):
        for place, problem in enumerate(problems):
            programs += [drawn(problem, rng, f"{problem} {4 * copy + i}", noisy=i % 2 == 0) for i in range(4)]
            odd = [key for key in ODD if key != "imbalanced" or ALL[problem].kind != "regression"]
            keys = [odd[(2 * (place + copy) + i) % len(odd)] for i in range(2)]
            programs += [drawn(problem, rng, f"{problem} {key} {copy}", noisy=True, **_odd(problem, key)) for key in keys]
    return programs


def healthy_work(program: Program, seed: int = 0) -> Work:
    """Return a healthy program with its data, which some odd ones change."""
    made, rng = work(program, seed), np.random.default_rng(0)
    if "small inputs" in program.name:
        made.data = made.data.with_inputs(lambda X: 0.25 * X)
    elif "one dead column" in program.name:
        made.data = made.data.with_inputs(lambda X: np.hstack([X, np.zeros((len(X), 1))]))
    elif "imbalanced" in program.name:
        data = made.data
        few = data.y < max(1, data.n_classes // 3)
        kept = ~few | (rng.random(len(data.y)) < 0.3)
        made.data = replace(data, X=data.X[kept], y=data.y[kept])
    return made

"""Fully-connected networks with hand-written, numerically checked gradients."""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

# Idle threads of OpenBLAS wait for work by spinning, which slows what runs after linear algebra that is left to them: by
# default for 2^26 processor cycles, here for 2^16, a few microseconds. Only a program that imports fcnet before NumPy has it.
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "16")

if TYPE_CHECKING:
    from fcnet.data.cifar10 import load_cifar10 as load_cifar10
    from fcnet.estimators import FCNetClassifier as FCNetClassifier
    from fcnet.estimators import FCNetRegressor as FCNetRegressor
    from fcnet.estimators import TabularClassifier as TabularClassifier
    from fcnet.estimators import TabularRegressor as TabularRegressor
    from fcnet.experiments.diagnosis import diagnose as diagnose
    from fcnet.model_file import load as load
    from fcnet.model_file import save as save
    from fcnet.nn.gradcheck import gradient_check as gradient_check
    from fcnet.nn.network import FullyConnectedNet as FullyConnectedNet
    from fcnet.threads import use_threads as use_threads
    from fcnet.training.trainer import Trainer as Trainer

__version__ = "0.1.0"

_HOME = {
    "FCNetClassifier": "fcnet.estimators",
    "FCNetRegressor": "fcnet.estimators",
    "FullyConnectedNet": "fcnet.nn.network",
    "TabularClassifier": "fcnet.estimators",
    "TabularRegressor": "fcnet.estimators",
    "Trainer": "fcnet.training.trainer",
    "diagnose": "fcnet.experiments.diagnosis",
    "gradient_check": "fcnet.nn.gradcheck",
    "load": "fcnet.model_file",
    "load_cifar10": "fcnet.data.cifar10",
    "save": "fcnet.model_file",
    "use_threads": "fcnet.threads",
}
__all__ = ["__version__", *_HOME]  # noqa: PLE0604  # all are strings


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that ``import fcnet`` stays quick."""
    if name not in _HOME:
        raise AttributeError(f"module 'fcnet' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)

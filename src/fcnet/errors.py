"""What can go wrong: each error is of a type that says who can mend it."""

import difflib
import math
import operator
import sys
from collections.abc import Iterable, Mapping
from typing import Any

SAME = {"sigmoid": "logistic", "linear": "identity"}  # what other libraries call them, and what they are here
LEAST_LIKENESS = 0.75  # of a name that is suggested; one of fewer letters in common misleads


class FcnetError(Exception):
    """Base of every error that fcnet raises on purpose; its text says what to do."""


class InputError(FcnetError, ValueError):
    """An array, a value or a combination that cannot be used."""


class SettingError(InputError):
    """A setting that does not exist or has a value outside its range."""


class FileFormatError(FcnetError):
    """A file that is missing, damaged, or not what its name promises."""


class OtherTrainingError(FileFormatError):
    """A checkpoint of a training with another setting, or on other data."""

    def __init__(self, path: object, name: str, there: object, here: object, advice: str = "") -> None:
        self.path, self.name, self.there, self.here = path, name, there, here
        differs = "data are others" if name == "data" else f"{name} is {there}, here it is {here}"
        super().__init__(
            f"{path} belongs to another training: its {differs}. Go on with what it was begun with; to train anew, delete the "
            f"file or name another.{advice}"
        )


class DivergedError(FcnetError, ArithmeticError):
    """The loss stopped being a finite number; the parameters kept are those of an earlier epoch.

    `epoch` is that which was not finished, and `batches` are its rows of the history; `learning_rate` is one that lowered the
    loss in short trials, if these found any.
    """

    def __init__(
        self, message: str, batches: Iterable[dict[str, Any]] = (), epoch: int = 1, learning_rate: float | None = None
    ) -> None:
        super().__init__(message)
        self.batches, self.epoch, self.learning_rate = list(batches), epoch, learning_rate


class OverflowedError(InputError, ArithmeticError):
    """Finite inputs whose results are too large for their type."""


class MissingPackageError(FcnetError, ImportError):
    """What is asked for needs an extra that is not installed."""


class DataWarning(UserWarning):
    """Something in the data that may well be a mistake, and does not keep a network from being trained on it."""


def callers() -> int:
    """Return how many frames there are from the caller of this one to the first that is not of fcnet, as a `stacklevel`."""
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "fcnet":
        frame, level = frame.f_back, level + 1
    return level


def install_extra(name: str) -> str:
    """Return how an extra is installed, in words that end a message."""
    return f'pip install "fcnet[{name}]", or pip install ".[{name}]" in a checkout'


def check_range(name: str, value: float, low: float, high: float = math.inf, *, below: bool = False) -> None:
    """Raise SettingError unless `value` is a finite number from `low` to `high`, or below `high` if so asked."""
    if not (low <= value <= high) or math.isinf(value) or (below and value == high):
        limit = "" if math.isinf(high) else f" and {'below' if below else 'at most'} {high:g}"
        raise SettingError(f"{name} must be a finite number of at least {low:g}{limit}, got {value}.")


def to_float(name: str, value: Any, low: float, high: float = math.inf, *, below: bool = False) -> float:
    """Return `value` as a Python float, or raise SettingError if it is no number or out of range."""
    if isinstance(value, str | bool) or not hasattr(value, "__float__"):
        raise SettingError(f"{name} must be a number, got {value!r}.")
    check_range(name, float(value), low, high, below=below)
    return float(value)


def to_int(name: str, value: Any, low: int, high: float = math.inf) -> int:
    """Return `value` as a Python int, or raise SettingError if it is no whole number or out of range."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise SettingError(f"{name} must be a whole number, got {value!r}.")
    check_range(name, operator.index(value), low, high)
    return operator.index(value)


def nearest_names(name: object, known: Iterable[str], others: Mapping[str, str] | None = None) -> list[str]:
    """Return the known name that is nearest to one, or nothing if none is near; `others` are as `elsewhere` below.

    Examples
    --------
    >>> nearest_names("age", ["Age", "size"]), nearest_names("custid", ["customer_id"]), nearest_names("x", ["y"])
    (['Age'], ['customer_id'], [])
    """
    others, small, plain = dict(others or {}), str(name).lower(), _plain(name)
    spelling = {known_name.lower(): known_name for known_name in known} | others
    if plain in others:
        return [others[plain]]
    bare = {_plain(word): here for word, here in spelling.items()}
    for word, spelt in ((small, spelling), (plain, bare)):
        if near := difflib.get_close_matches(word, spelt, n=1, cutoff=LEAST_LIKENESS):
            return [spelt[near[0]]]
    return []


def _plain(name: object) -> str:
    return str(name).lower().replace("_", "").replace("-", "")


def unknown_name(
    kind: str, name: object, known: Iterable[str], elsewhere: Mapping[str, str] | None = None, *, listing: str = ""
) -> SettingError:
    """Return an error that suggests the nearest known name, and lists all, or says by `listing` what does.

    `elsewhere` maps names of other libraries, in small letters without separators, to known ones.
    """
    names = sorted(known)
    near = nearest_names(name, names, {other: here for other, here in SAME.items() if here in names} | dict(elsewhere or {}))
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return SettingError(f"Unknown {kind} {name!r}.{hint} {listing or 'Known: ' + ', '.join(names) + '.'}")

"""Numbers, settings, durations and lists of names as people write them."""

import math
import re
import textwrap
from collections.abc import Iterable
from typing import Any


def setting_words(value: Any) -> str:
    """Return a setting as a person would write it.

    Examples
    --------
    >>> [setting_words(value) for value in (True, [50, 20], [], 1e-4)]
    ['yes', '50, 20', 'none', '0.0001']
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    return f"{value:.12g}".replace("e-0", "e-") if isinstance(value, float) else str(value) or "none"


def number_words(value: float, digits: int = 4, sign: str = "") -> str:
    """Return a number rounded to so many digits, those before the point all the same; a `sign` of "+" says that of any number.

    Examples
    --------
    >>> [number_words(value) for value in (25649.73, 1234567, 0.51239, 2.5, 1.2346e-7)]
    ['25,650', '1,234,567', '0.5124', '2.5', '1.235e-7']
    """
    if not math.isfinite(value) or not 1e-4 <= abs(value) < 1e15:
        return f"{value:{sign}.{digits}g}".replace("e-0", "e-")
    power = int(f"{value:.{digits - 1}e}".partition("e")[2])
    text = f"{value:{sign},.{max(0, digits - 1 - power)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def duration_words(seconds: float) -> str:
    """Return a duration in minutes and seconds.

    Examples
    --------
    >>> duration_words(4.24), duration_words(61)
    ('4.2 s', '1 min 1 s')
    """
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.2g} s"


def listed(names: Iterable[str], most: int = 10, sign: str = ", ") -> str:
    """Return names in a row, `sign` between them, and only how many there are of those above `most`.

    Examples
    --------
    >>> listed(["a", "b", "c"]), listed(["a", "b", "c"], most=2)
    ('a, b, c', 'a, b and 1 more')
    """
    names = list(names)
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return sign.join(names[:most]) + more


def ensemble_words(folds: int, seeds: int, networks: int = 0) -> str:
    """Return what an ensemble is of, and nothing for a single network; the `networks` may be fewer than its folds.

    Examples
    --------
    >>> ensemble_words(5, 1), ensemble_words(5, 1, networks=2), ensemble_words(0, 3), ensemble_words(0, 1)
    ('5 folds', '2 of 5 folds', '3 seeds', '')
    """
    few = f"{networks} of " if 0 < networks < folds else ""
    return f"{few}{folds} folds" if folds else f"{seeds} seeds" if seeds > 1 else ""


def shortened(text: str) -> str:
    """Return the beginning of a text, as much of it as fits a line of a list.

    Examples
    --------
    >>> len(shortened("much " * 100)), shortened("enough")
    (76, 'enough')
    """
    return textwrap.shorten(text, 80, placeholder=" …")


def without_credentials(text: str) -> str:
    """Return a text with the user and the password of each address in it left out.

    Examples
    --------
    >>> without_credentials("no answer from https://me:secret@host:5000/api")
    'no answer from https://host:5000/api'
    """
    return re.sub(r"(?<=://)[^/?#\s]*@", "", text)


PARAMETER_OF = {  # names of scikit-learn, by those that recipes have for the same
    "hidden_sizes": "hidden_layer_sizes",
    "epochs": "max_iter",
    "learning_rate": "learning_rate_init",
    "update": "solver",
    "beta1": "beta_1",
    "beta2": "beta_2",
    "schedule": "learning_rate",
    "l2": "alpha",
    "batches": "shuffle",
    "seed": "random_state",
    "keep_best": "early_stopping",
    "patience": "n_iter_no_change",
    "callbacks": "stopping rule (early_stopping, tol, n_iter_no_change)",
}

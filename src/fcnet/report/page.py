"""What all pages have in common: a template, and where they have charts, these and their data, all in one file."""

import base64
import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib import resources
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fcnet.words import duration_words, setting_words

if TYPE_CHECKING:
    from jinja2 import Environment

SCRIPTS = ("echarts/echarts.min.js", "charts.js")
POINTS, DIGITS = 200, 5  # of a curve at most, and of its numbers
FAR = 3.0  # distances of the quartiles
EPOCH_STEPS = 6  # of an axis at most


def page(template: str, data: Mapping[str, Any] | None = None, **values: Any) -> str:
    """Return a page that asks for nothing beyond itself.

    Parameters
    ----------
    template : str
    data : dict, optional
        What charts are drawn from, in JSON's types; without it the page has no scripts.
    **values
        For the template.
    """
    scripts = [] if data is None else [_text(name) for name in SCRIPTS]
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    hashes = " ".join(f"'sha256-{digest}'" for digest in digests)  # no other script runs, whatever a name may be
    return _environment().get_template(template).render(values, data=data, scripts=scripts, hashes=hashes)


@cache
def _environment() -> "Environment":
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("fcnet"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"words": setting_words, "duration": duration_words}
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "allow_nan": False}
    return environment


@cache
def _text(name: str) -> str:
    return (resources.files("fcnet") / "templates" / name).read_text(encoding="utf-8").replace("</script", r"<\/script")


def rounded(value: float | None) -> float | None:
    """Return a number with as many digits as a chart can show; of what is no finite number None."""
    return None if value is None or not math.isfinite(value) else float(f"{value:.{DIGITS}g}")


def curve(points: Sequence[tuple[int, float | None]]) -> list[tuple[int, float]]:
    """Return the points of a learning curve that a chart can show, the first and the last among them."""
    shown = np.unique(np.linspace(0, len(points) - 1, min(len(points), POINTS)).astype(int))
    return [(points[i][0], value) for i in shown if (value := rounded(points[i][1])) is not None]


def epoch_ticks(lines: Iterable[Sequence[tuple[int, float]]]) -> list[int]:
    """Return the epochs that the axis of learning curves names: whole numbers, evenly spaced, at most seven.

    Examples
    --------
    >>> epoch_ticks([[(2, 0.5), (9, 0.6)], []])
    [2, 4, 6, 8]
    """
    ends = [line[i][0] for line in lines if line for i in (0, -1)]
    low, high = min(ends, default=0), max(ends, default=0)
    steps = (n * 10**power for power in count() for n in (1, 2, 5))
    step = next(step for step in steps if high - low <= EPOCH_STEPS * step)
    return list(range(-(-low // step) * step, high + 1, step))


def span(values: Iterable[float | None], *, low: bool = True, high: bool = True) -> list[float] | None:
    """Return the range that shows what matters of some values: those far from most would leave the rest no room.

    That is beyond three times the distance of the quartiles from them, as in a box plot, at the ends that may be cut off.
    """
    known = np.array([value for value in values if value is not None and math.isfinite(value)])
    if not len(known):
        return None
    first, last = np.quantile(known, [0.25, 0.75])
    least, most = known.min(), known.max()
    least = max(least, first - FAR * (last - first)) if low else least
    most = min(most, last + FAR * (last - first)) if high else most
    margin = 0.04 * (most - least) or 0.01 * abs(most) or 0.01
    return [float(f"{edge:.{DIGITS}g}") for edge in (least - margin, most + margin)]


def short_names(names: Iterable[str]) -> dict[str, str]:
    """Return of each path of a setting its last part, or the path where other settings end in that part, too.

    Examples
    --------
    >>> short_names(["training.epochs", "update.rho with sgd", "a.rate", "b.rate"])
    {'training.epochs': 'epochs', 'update.rho with sgd': 'rho with sgd', 'a.rate': 'a.rate', 'b.rate': 'b.rate'}
    """
    parts = {name: name.partition(" ") for name in names}
    ends = {name: path.rpartition(".")[2] + space + rest for name, (path, space, rest) in parts.items()}
    return {name: end if [*ends.values()].count(end) == 1 else name for name, end in ends.items()}


class Cell(NamedTuple):
    """What a cell of a table says, and what it is sorted by; without a value, by its text."""

    text: str = ""
    value: float | None = None


def setting(value: Any) -> Cell:
    """Return the cell of a setting."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return Cell() if value is None else Cell(setting_words(value), value if is_number else None)


def table(rows: Sequence[Mapping[str, Cell]], sorted_by: tuple[str, str] = ("", "")) -> dict[str, Any]:
    """Return what the template of a table takes; rows may lack columns, and a column that is empty is left out."""
    columns = [
        name
        for name in dict.fromkeys(name for row in rows for name in row)
        if any(name in row and row[name].text for row in rows)
    ]
    cells = [{name: row.get(name, Cell()) for name in columns} for row in rows]
    numeric = [name for name in columns if any(row[name].value is not None for row in cells)]
    return {"columns": columns, "numeric": numeric, "rows": cells, "sorted_by": sorted_by}

"""Columns of categories: one-hot, or by their numbers."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike

from fcnet.data.cells import Dialect, as_text
from fcnet.errors import InputError
from fcnet.preprocessing.frames import PolarsColumns
from fcnet.preprocessing.table_cells import Places, places
from fcnet.preprocessing.table_group import ColumnGroup
from fcnet.types import Array
from fcnet.words import listed

if TYPE_CHECKING:
    from fcnet.export.graph import Graph

MOST_PLACES = 500  # of a column whose rare categories share a place


@dataclass(eq=False)
class Categories(ColumnGroup):
    """One output for each category, 1 where it is that; then one for all rare ones together, and one for a missing one.

    The last two only where training rows have such. A category that is unknown counts as rare. Where there is no output for
    it, as for one that is missing, all outputs of the column are 0.

    With `codes` one output for each column: the place of the category among the known ones, -1 for one that is missing or
    unknown.

    Parameters
    ----------
    names : list of str
    known : list of lists of str
        The categories of each column that are not rare.
    rare, gaps : collections of str
        The columns with an output for rare and unknown categories, and those with one for missing ones.
    codes : bool
    """

    names: list[str]
    known: list[list[str]]
    rare: Collection[str] = ()
    gaps: Collection[str] = ()
    codes: bool = False

    @classmethod
    def fit(
        cls, frame: PolarsColumns, names: list[str], *, rare: int = 0, indicator: bool = False, codes: bool = False
    ) -> "Categories":
        """Find the categories of columns of a data frame.

        With a `rare` of at least 1 those in fewer rows share an output, and so do all but the `MOST_PLACES` most frequent ones;
        with `indicator` missing ones have one where there are any.
        """
        known, with_rare, gaps = [], [], []
        for name in names:
            text = as_text(frame[name])
            counts = dict(text.drop_nulls().alias("category").value_counts().iter_rows())
            kept = sorted(counts)
            if rare:
                frequent = sorted(counts, key=lambda category: (-counts[category], category))[:MOST_PLACES]
                kept = sorted(category for category in frequent if counts[category] >= rare)
            known.append(kept)
            with_rare += [name] * (len(kept) < len(counts))
            gaps += [name] * (indicator and text.null_count() > 0)
        return cls(names, known, with_rare, gaps, codes)

    @property
    def sizes(self) -> list[int]:
        """How many places each column has: of categories, of rare ones and of missing ones."""
        return [self._size(i) for i in range(len(self.names))]

    def _size(self, i: int) -> int:
        return len(self.known[i]) + (self.names[i] in self.rare) + (self.names[i] in self.gaps)

    @property
    def widths(self) -> list[int]:
        return [min(size, 1) for size in self.sizes] if self.codes else self.sizes

    def categories(self, i: int) -> list[str] | None:
        return self.known[i]

    def words(self, i: int) -> tuple[str, str]:
        name = self.names[i]
        rare = ", and the rare ones together" * (name in self.rare)
        return (
            f"category: {listed(self.known[i]) or 'none'}{rare}",
            "a category of its own" if name in self.gaps else "no category",
        )

    def _others(self, i: int) -> tuple[int, int]:
        """Return the places of unknown and of missing categories, -1 for none."""
        name, n = self.names[i], len(self.known[i])
        return n if name in self.rare else -1, n + (name in self.rare) if name in self.gaps else -1

    @cached_property
    def _places(self) -> list[Places]:
        return [Places(known) for known in self.known]

    def encode(self, frame: Any, dialect: Dialect | None, first_row: int) -> Array:
        out = np.empty((len(frame), len(self.names)))
        for i, (known, name) in enumerate(zip(self._places, self.names, strict=True)):
            found, (unknown, missing) = known.of(frame[name]), self._others(i)
            out[:, i] = found
            if unknown != missing:
                is_missing = as_text(frame[name]).is_null().to_numpy()
                out[:, i] = np.where(is_missing, missing, np.where(found < 0, unknown, found))
        return out

    def unknown(self, i: int, series: Any) -> str | None:
        """Return the first value of a column that has no place, and is not missing."""
        words = self._places[i].unknown(series)
        return str(words[0]) if len(words) else None

    def transform(self, X: Array) -> Array:
        sizes, starts, missing = self._layout
        beyond = sizes <= X
        if beyond.any():
            row, column = np.argwhere(beyond)[0]
            raise InputError(f"The column {self.names[column]!r} of X holds {X[row, column]:g}, the place of no category.")
        X = np.where(np.isnan(X), missing, X)
        if self.codes:
            return np.where(X >= 0, np.floor(X), -1.0)[:, sizes > 0]
        out = np.zeros((len(X), sizes.sum()), bool)
        rows, columns = np.nonzero(X >= 0)
        out[rows, starts[columns] + X[rows, columns].astype(np.intp)] = True
        return out

    @cached_property
    def _layout(self) -> tuple[Array, Array, Array]:
        sizes = np.array(self.sizes, np.intp)
        return sizes, np.cumsum(sizes) - sizes, np.array([self._others(i)[1] for i in range(len(sizes))])

    def examples(self, n: int, rng: np.random.Generator) -> Array:
        lowest = [0 if min(self._others(i)) >= 0 else -1 for i in range(len(self.names))]
        return rng.integers(lowest, self.sizes, (n, len(self.names))).astype(np.float64)

    def onnx_input(self, graph: "Graph", i: int) -> str:
        known, (unknown, missing) = places(self.known[i]), self._others(i)
        if unknown != missing:
            known = {"": missing} | known
        x = graph.add(
            *("LabelEncoder", graph.input(self.names[i], object, 1)),
            domain="ai.onnx.ml",
            keys_strings=list(known),
            values_int64s=list(known.values()),
            default_int64=unknown,
        )
        return graph.cast(x, np.float64)

    def onnx_values(self, i: int, x: Array) -> Array:
        known, (_, missing) = self.known[i], self._others(i)
        unseen = max(["", *known], key=len) + "?"  # which is none of them
        texts = dict(enumerate(known)) | {missing: ""}
        return np.array([texts.get(int(code), unseen) for code in x], object)

    def to_onnx(self, graph: "Graph", i: int, x: str, dtype: DTypeLike) -> str:
        size = self._size(i)
        return graph.cast(x if self.codes else graph.add("Equal", x, np.arange(size, dtype=np.float64)), dtype)

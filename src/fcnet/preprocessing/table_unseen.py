"""Categories of rows to predict that no training row had."""

from collections.abc import Sequence
from typing import Any

from fcnet.preprocessing.frames import as_polars
from fcnet.preprocessing.table_categories import Categories
from fcnet.types import Array


class Unseen:
    """Looks for a category of each column that has no place, once; rare ones have theirs, and are no surprise.

    Parameters
    ----------
    categories : Categories
    columns : sequence of int
        Their columns among the encoded ones.
    """

    def __init__(self, categories: Categories, columns: Sequence[int]) -> None:
        self.categories, self.columns = categories, [*columns]
        self._found: dict[str, str] = {}
        self._told: set[str] = set()

    def look(self, X: Any, rows: slice, encoded: Array) -> None:
        """Look at some rows of a data frame, which are encoded already; where all have a place that costs next to nothing."""
        if not self.columns or not (encoded[:, self.columns] < 0).any():
            return
        for i, (name, column) in enumerate(zip(self.categories.names, self.columns, strict=True)):
            if name not in self._told and (encoded[:, column] < 0).any():
                word = self.categories.unknown(i, as_polars(X, [name], rows)[name])
                if word is not None:
                    self._told.add(name)
                    self._found[name] = word

    def take(self) -> dict[str, str]:
        """Return what has been found since it was asked last, by the columns."""
        found, self._found = self._found, {}
        return found

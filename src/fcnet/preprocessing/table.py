"""Rows of a table as numbers: what is a number or a date scaled, and categories one-hot, by the training rows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import DTypeLike

from fcnet.data.cells import Dialect, is_constant, known
from fcnet.errors import InputError
from fcnet.preprocessing.base import Preprocessor
from fcnet.preprocessing.frames import PolarsColumns, as_polars, n_rows
from fcnet.preprocessing.table_categories import Categories
from fcnet.preprocessing.table_dates import Dates
from fcnet.preprocessing.table_group import ColumnGroup
from fcnet.preprocessing.table_numbers import Numbers
from fcnet.preprocessing.table_parts import STATISTICS, Scale, parts_of
from fcnet.preprocessing.table_unseen import Unseen
from fcnet.preprocessing.views import Views
from fcnet.types import Array, as_array, is_frame

if TYPE_CHECKING:
    from fcnet.export.graph import Graph

ROWS_AT_ONCE = 1 << 14  # of a data frame so many are float64 at a time
Gaps = Literal["median", "indicator"]


class TableFeatures(Preprocessor):
    """The columns of a table: `Numbers`, `Dates` and `Categories`, each with outputs at its place; category numbers are last.

    Parameters
    ----------
    names : sequence of str
        The columns in the order of the encoded rows.
    numbers, dates, categories : Numbers, Dates, Categories
    dialect : Dialect, optional
        How text was written that the columns were read from.
    """

    kind = "table"
    input_dtype = np.float64
    takes_gaps = True

    def __init__(
        self, names: Sequence[str], numbers: Numbers, dates: Dates, categories: Categories, dialect: Dialect | None = None
    ) -> None:
        self.names, self.numbers, self.dates, self.categories, self.dialect = names, numbers, dates, categories, dialect
        groups: list[ColumnGroup] = [numbers, dates, categories]
        self._at = {name: (group, i) for group in groups for i, name in enumerate(group.names)}
        by_group = [name for group in groups for name in group.names]
        widths = [width for group in groups for width in group.widths]
        self._widths = dict(zip(by_group, widths, strict=True))
        self._order = by_group if categories.codes else [*names]  # of the outputs
        ends = dict(zip(self._order, np.cumsum([self._widths[name] for name in self._order], dtype=np.intp), strict=True))
        place = {name: i for i, name in enumerate(names)}
        self._places = [  # of each group the columns among the encoded ones, and those of its outputs
            (
                group,
                np.array([place[name] for name in group.names], np.intp),
                np.concatenate([np.arange(ends[name] - self._widths[name], ends[name]) for name in group.names]),
            )
            for group in groups
            if group.names
        ]
        self._n_outputs, self.rare = sum(widths), categories.rare
        self.category_sizes = [size for size in categories.sizes if size and categories.codes]
        self.columns = [(name, group.categories(i)) for name, (group, i) in self._ordered()]

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take a pickle of before, too, which had the numbers alone in arrays."""
        if "median" in state:
            config = {"columns": state["columns"], "dialect": None}
            state = vars(self.from_arrays(config, {name: state[name] for name in STATISTICS})) | {"dialect": state["dialect"]}
        vars(self).update(state)

    @property
    def n_inputs(self) -> int:
        return len(self.names)

    @property
    def n_outputs(self) -> int:
        return self._n_outputs

    @property
    def output_names(self) -> list[str]:
        return [name for name in self._order for _ in range(self._widths[name])]

    @classmethod
    def fit(
        cls,
        frame: Any,
        dialect: Dialect | None = None,
        *,
        gaps: Gaps = "median",
        scaling: Scale = "standard",
        rare: int = 0,
        codes: bool = False,
    ) -> "TableFeatures":
        """Find out what each column of a data frame holds, and its statistics or its categories.

        Columns of dates are those whose type is a date; times of day are numbers of hours.

        Parameters
        ----------
        frame : data frame of polars, pandas or pyarrow, array (n, n_columns), or PolarsColumns of one of these
            Columns of an array are numbers, and called ``x0``, ``x1``, …
        dialect : Dialect, optional
            How the text was written that it was read from.
        gaps, scaling, rare, codes
            As in `Table` and in `TrainingRows`.

        Raises
        ------
        InputError
            If a column holds lists or the like, or numbers whose squares are too large, or every column is constant.
        """
        import polars as pl

        columns = frame if isinstance(frame, PolarsColumns) else PolarsColumns(frame)
        dtypes = {name: columns.dtype(name) for name in columns.names}
        dates = [name for name, dtype in dtypes.items() if dtype in (pl.Date, pl.Datetime)]
        numbers = [name for name, dtype in dtypes.items() if dtype.is_numeric() or dtype == pl.Time]
        categories = [name for name in dtypes if name not in {*numbers, *dates}]
        indicator, is_robust = gaps == "indicator", scaling == "robust"
        table = cls(
            columns.names,
            Numbers.fit(columns, numbers, is_robust=is_robust, indicator=indicator),
            Dates.fit(columns, dates, is_robust=is_robust, indicator=indicator),
            Categories.fit(columns, categories, rare=rare, indicator=indicator, codes=codes),
            dialect,
        )
        told = table.get_config().get("gaps", ())  # that a value is missing varies, where some are there
        if all(is_constant(columns[name]) and not (name in told and len(known(columns[name]))) for name in table.names):
            samples = f"{len(columns):,} sample{'s' * (len(columns) != 1)}"
            raise InputError(f"Every column is constant over {samples} to train on: give more rows, or columns that vary.")
        return table

    @property
    def encoding(self) -> Any:
        medians = [group.median.tolist() for group in (self.numbers, self.dates)]
        return medians, {name: value for name, value in self.get_config().items() if name not in ("scaling", "codes")}

    @property
    def description(self) -> str:
        how, dates = "scaled by quartiles" if self.numbers.is_robust else "standardised", ", dates as their parts"
        codes = "by number" if self.categories.codes else "one-hot"
        return f"columns of a table, numbers {how}{dates * bool(self.dates.names)} and categories {codes}"

    def one_hot(self) -> "TableFeatures":
        plain = replace(self.categories, codes=False)
        return TableFeatures(self.names, self.numbers, self.dates, plain, self.dialect) if self.categories.codes else self

    def column_words(self) -> list[tuple[str, str, str]]:
        return [(name, *group.words(i)) for name, (group, i) in self._ordered()]

    def cells(self, column: int, values: Array) -> list[Any]:
        group, i = self._at[self.names[column]]
        return group.cells(i, values)

    def encode(self, X: Any, dialect: Dialect | None = None) -> Array:
        """Return the rows of a data frame, float64 (n, n_columns).

        Of a number that is itself, of a date the seconds since 1970 in UTC, and of a category its place among the known ones,
        -1 for none. The median stands for a number or a date that is missing. In columns with an output for gaps NaN does, and
        of categories the place of what is missing; that of rare ones is before it, and the first after the known ones.

        Each cell is read by itself, whatever the other rows hold: text in a column of numbers by the decimal sign of a dialect,
        and dates by its format, the table's own where none is given. An array is returned as it is.

        Raises
        ------
        InputError
            If a column is missing, or holds words instead of numbers or numbers instead of categories.
        """
        return self._encoded(X, dialect, slice(None)) if is_frame(X) else as_array(X)

    def _encoded(self, frame: Any, dialect: Dialect | None, rows: slice) -> Array:
        part = as_polars(frame, self.names, rows)
        out = np.empty((len(part), len(self.names)))
        for group, columns, _ in self._places:
            out[:, columns] = group.encode(part, dialect or self.dialect, rows.start or 0)
        return out

    def blocks(self, X: Any) -> Iterator[Array]:
        for start, block in self._blocks(X):
            if is_frame(X):
                self._unseen.look(X, slice(start, start + ROWS_AT_ONCE), block)
            yield block

    @cached_property
    def _unseen(self) -> Unseen:
        return Unseen(self.categories, [self.names.index(name) for name in self.categories.names])

    def unseen(self) -> dict[str, str]:
        return self._unseen.take()

    def _blocks(self, X: Any) -> Iterator[tuple[int, Array]]:
        if not is_frame(X):
            yield 0, as_array(X)
            return
        for start in range(0, max(1, n_rows(X)), ROWS_AT_ONCE):
            yield start, self._encoded(X, None, slice(start, start + ROWS_AT_ONCE))

    def transform(self, X: Any, dtype: DTypeLike = np.float32) -> Array:
        """Return rows (n, n_outputs) for the network, of encoded ones or of a data frame.

        In an array the median stands for what is not finite, too.

        Raises
        ------
        InputError
            If a column does not fit, or a number is so far from those of the training rows that nothing can be computed.
        """
        n = n_rows(X) if is_frame(X) else as_array(X).shape[0]
        out, end = np.empty((n, self.n_outputs), dtype), 0
        for _, block in self._blocks(X):
            for start in range(0, len(block), ROWS_AT_ONCE):
                part = block[start : start + ROWS_AT_ONCE]
                begin, end = end, end + len(part)
                for group, columns, places in self._places:
                    out[begin:end, places] = group.transform(part[:, columns])
        return out

    def onnx_inputs(self, graph: "Graph", dtype: DTypeLike, n_inputs: int) -> str:
        """Add inputs (rows, 1), float64 for numbers and dates and strings for categories, and the nodes of `encode`.

        Raises
        ------
        InputError
            If a column has no name.
        """
        if not all(self.names):
            raise InputError(
                "A column of the table has no name, and an input of an ONNX graph needs one: name it, and train anew."
            )
        return graph.add("Concat", *(group.onnx_input(graph, i) for _, (group, i) in self._with_outputs()), axis=1)

    def onnx_values(self, X: Array) -> dict[str, Array]:
        return {
            name: group.onnx_values(i, X[:, self.names.index(name)])[:, np.newaxis].copy()
            for name, (group, i) in self._with_outputs()
        }

    def to_onnx(self, graph: "Graph", x: str, dtype: DTypeLike, views: Views) -> str:
        parts = {
            name: group.to_onnx(graph, i, graph.add("Gather", x, np.array([place]), axis=1), dtype)
            for place, (name, (group, i)) in enumerate(self._with_outputs())
        }
        return graph.add("Concat", *(parts[name] for name in self._order if name in parts), axis=1)

    def _ordered(self) -> list[tuple[str, tuple[ColumnGroup, int]]]:
        return [(name, self._at[name]) for name in self.names]

    def _with_outputs(self) -> list[tuple[str, tuple[ColumnGroup, int]]]:
        """Return the columns that a graph needs an input for."""
        return [(name, (group, i)) for name, (group, i) in self._ordered() if self._widths[name]]

    def example_rows(self, shape: tuple[int, int], rng: np.random.Generator, max_value: float | None) -> Array:
        out = np.empty((shape[0], len(self.names)))
        for group, columns, _ in self._places:
            out[:, columns] = group.examples(shape[0], rng)
        return out

    def get_config(self) -> dict[str, Any]:
        given = {
            "dates": self.dates.names,
            "zoned": list(self.dates.zoned),
            "gaps": [*self.numbers.gaps, *self.dates.gaps, *self.categories.gaps],
            "rare": list(self.rare),
            "scaling": "robust" if self.numbers.is_robust else "",
            "codes": self.categories.codes,
        }
        return {"columns": self.columns, "dialect": self.dialect and self.dialect.to_dict()} | {
            name: value
            for name, value in given.items()
            if value  # older files have none of them
        }

    def arrays(self) -> dict[str, Array]:
        numbers, dates = self.numbers, self.dates
        found = {"median": numbers.median, "mean": numbers.mean[:, 0], "std": numbers.std[:, 0]}
        return found | {f"date_{name}": getattr(dates, name) for name in STATISTICS if dates.names}

    @classmethod
    def from_arrays(cls, config: Mapping[str, Any], arrays: Mapping[str, Array]) -> "TableFeatures":
        return cls(*parts_of(config, arrays))

"""What to say of the columns of a table, in lines for people."""

from collections.abc import Iterator, Sequence
from typing import Any

from fcnet.data.dataset import Dataset
from fcnet.data.dates import CLOCK
from fcnet.data.table_columns import Columns, option
from fcnet.data.table_file import is_number
from fcnet.data.table_signs import alike, id_columns, repeated_rows, telling_columns
from fcnet.types import Array
from fcnet.words import listed

MOST_NOTES = 10  # of one kind


def left_out_notes(nameless: Sequence[str], index: Sequence[str], constant: Sequence[str], n_empty: int) -> Iterator[str]:
    """Say which columns and how many rows were left out, and why."""
    if nameless:
        yield f"Left out, as they have no name: {listed(map(repr, nameless))}; what is to be learnt needs one"
    if index:
        remedy = "--target or --category takes one all the same"
        yield f"Left out, as pandas wrote them for its index: {listed(map(repr, index))}; {remedy}"
    if constant:
        yield f"Left out, as they hold one value or none: {listed(map(repr, constant))}"
    if n_empty:
        yield f"Left out, as they are empty: {n_empty:,} row{'s' * (n_empty > 1)}"


def column_notes(X: Any, columns: Columns, gaps: str = "") -> Iterator[str]:
    """Say what the columns `X` to learn from are, and what may be wrong with them; `gaps` is that of the preprocessing."""
    values = [name for name in X.columns if is_number(name)]
    if values:
        yield f"By their looks these names are values, and the first line of a file has to hold names: {listed(values)}"
    yield from (*_kinds(X, columns), *_row_numbers(X), *_codes(X, columns), *_missing(X, columns, gaps))


def target_signs(X: Any, y: Array, classes: Sequence[str], target: str) -> Iterator[str]:
    """Say which classes may be one, and which columns of `X` give the target away."""
    if same := alike(classes):
        pairs = listed((" and ".join(map(repr, names)) for names in same), sign="; ")
        yield f"Classes that differ in case or blanks alone, and may be the same: {pairs}"
    if names := telling_columns(X, y, has_classes=bool(classes)):
        yield (
            f"By itself each of these tells {target!r}, as a copy of it does: {listed(map(repr, names))}; leave out what is "
            f"not known before {target!r} is: {option('--drop', names)}"
        )


def split_signs(data: Dataset) -> Iterator[str]:
    """Say how many rows to validate on are to train on, too."""
    if n := repeated_rows(data.X_train, data.y_train, data.X_val, data.y_val):
        yield (
            f"{n:,} of {len(data.y_val):,} validation rows are training rows, too, in every column: they are remembered, and "
            "scores are too good. Remove rows that are there twice"
        )


def _kinds(X: Any, columns: Columns) -> Iterator[str]:
    dates = [name for name in X.columns if X[name].dtype.is_temporal()]
    times = [name for name in X.columns if columns.formats.get(name) == CLOCK]
    numbers = [name for name in X.columns if X[name].dtype.is_numeric() and name not in times]
    others = {*dates, *times, *numbers}
    categories = [f"{name!r} ({X[name].drop_nulls().n_unique():,})" for name in X.columns if name not in others]
    if numbers:
        yield f"Numbers: {listed(map(repr, numbers))}"
    if times:
        yield f"Times of day, learnt as hours: {listed(map(repr, times))}"
    if dates:
        how = "learnt as year, month, weekday, hour and elapsed days, of these what varies"
        yield f"Dates, {how}: {listed(_date_words(name, columns) for name in dates)}"
    if categories:
        yield f"Categories, and how many: {listed(categories)}"


def _date_words(name: str, columns: Columns) -> str:
    zone = columns.zones.get(name)
    words = [
        *([columns.formats[name]] if name in columns.formats else []),
        *([f"converted from {zone} to UTC"] if zone else []),
    ]
    return f"{name!r} ({', '.join(words)})" if words else repr(name)


def _row_numbers(X: Any) -> Iterator[str]:
    if names := id_columns(X):
        unless = "unless they say something of new ones, as a time does that goes on, leave them out"
        yield f"By their looks these number the rows; {unless}: {option('--drop', names)}"


def _codes(X: Any, columns: Columns) -> Iterator[str]:
    texts = columns.texts.items()
    names = [
        name for name, text in texts if name in X.columns and X[name].dtype.is_numeric() and text.str.contains(r"^0\d").any()
    ]
    if names:
        keep = option("--category", names)
        yield f"By their looks these are codes, and numbers lose the zeros in front; to keep them: {keep}"


def _missing(X: Any, columns: Columns, gaps: str) -> Iterator[str]:
    found = list(_gaps(X, columns, gaps))
    yield from found[:MOST_NOTES]
    if len(found) > MOST_NOTES:
        yield f"Values are missing in {len(found) - MOST_NOTES:,} more columns"
    missing = {word for name in X.columns for word in columns.words.get(name, {})}
    if missing:
        words = listed(map(repr, sorted(missing)))
        yield f"Read as missing: {words}; --missing says which words are, --missing '' none but empty fields"


def _gaps(X: Any, columns: Columns, gaps: str) -> Iterator[str]:
    own = gaps == "indicator"
    for name in X.columns:
        numbers = X[name].dtype.is_numeric()
        n = len(X) - int(X[name].is_finite().sum()) if numbers else X[name].null_count()
        if n:
            how = "a category of its own" if own else "no category"
            if numbers or X[name].dtype.is_temporal():
                how = f"the median of the training rows{', and an input says so' * own}"
            words = listed(f"{word!r} in {count:,}" for word, count in columns.words.get(name, {}).items())
            yield (
                f"{n:,} of {len(X):,} values of {name!r} are missing{' or infinite' * numbers}{f' ({words})' * bool(words)}; "
                f"they count as {how}"
            )

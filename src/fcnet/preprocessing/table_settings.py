"""The settings of the preprocessing of tables."""

import time
from typing import Annotated

from msgspec import Meta

from fcnet.errors import SettingError
from fcnet.preprocessing.base import Preprocessor
from fcnet.preprocessing.fitting import Prepared, PreprocessorSettings, TrainingRows
from fcnet.preprocessing.scaling import Scaling
from fcnet.preprocessing.table import Gaps, TableFeatures
from fcnet.preprocessing.table_parts import Scale
from fcnet.preprocessing.views import Views
from fcnet.types import is_frame


class Table(PreprocessorSettings, frozen=True, tag="table"):
    """The columns of a table: numbers scaled, dates as their parts, categories one-hot. Arrays and pixels are standardised."""

    gaps: Annotated[
        Gaps,
        Meta(
            description="What is made of missing values: median puts the median in the place of a missing number; indicator "
            "also gives each column that has gaps in training a further input, 1 where a value is missing, and a missing "
            "category a place of its own."
        ),
    ] = "median"
    scaling: Annotated[
        Scale,
        Meta(
            description="What becomes of numbers: standard subtracts the mean and divides by the standard deviation; robust "
            "subtracts the median, divides by the quartile range, and clips smoothly to ±3."
        ),
    ] = "standard"
    rare: Annotated[
        int,
        Meta(
            ge=0,
            description="In how many training rows a category has to be to have an input of its own. The others share one, as "
            "do unknown ones in a prediction, and columns of up to 100,000 categories are taken. With 0 each has its own.",
        ),
    ] = 0

    def _check(self, views: Views, is_table: bool) -> None:
        if not is_table and self != Table():
            raise SettingError("gaps, scaling and rare are for the columns of a table, and this data is none.")

    def fit(self, rows: TrainingRows) -> Prepared:
        """Fit `TableFeatures` on a data frame, and `Scaling` on an array."""
        began = time.monotonic()
        if is_frame(rows.X):
            preprocessor: Preprocessor = TableFeatures.fit(
                rows.X, rows.dialect, gaps=self.gaps, scaling=self.scaling, rare=self.rare, codes=rows.codes
            )
        else:
            preprocessor = Scaling.fit(rows.X, image_shape=rows.image_shape if rows.mirror else None)
        return Prepared(preprocessor, preprocessor.transform(rows.X, rows.dtype), time.monotonic() - began)

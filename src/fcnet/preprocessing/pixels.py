"""Pixels, or any numbers, as they are but for their scale."""

import time
from typing import Annotated, ClassVar

from msgspec import Meta

from fcnet.errors import SettingError
from fcnet.preprocessing.fitting import Prepared, PreprocessorSettings, TrainingRows
from fcnet.preprocessing.scaling import Mean, NoScaling, Standard
from fcnet.preprocessing.table_settings import Table
from fcnet.preprocessing.views import Views
from fcnet.preprocessing.zca import Whitened
from fcnet.types import is_frame


class Pixels(PreprocessorSettings, frozen=True, tag="pixels"):
    """The values of a row themselves, scaled; the columns of a table as `Table` has them.

    With an augmentation that mirrors images, the scaling is fitted on the images and their mirror images together.
    """

    keeps_pixels: ClassVar[bool] = True
    scaling: Annotated[
        NoScaling | Mean | Standard | Whitened,
        Meta(
            description="mean subtracts the mean of each input, standard also divides by its standard deviation, zca whitens: "
            "neighbouring pixels are no longer alike."
        ),
    ] = Standard()

    def _check(self, views: Views, is_table: bool) -> None:
        if is_table and not isinstance(self.scaling, Standard):
            kind = self.scaling.__struct_config__.tag
            raise SettingError(f"The numbers of a table are standardised: scaling = {kind} has no effect on them.")

    def fit(self, rows: TrainingRows) -> Prepared:
        """Fit the scaling on the training rows, and scale them."""
        began = time.monotonic()
        if is_frame(rows.X):
            self.check(None, is_table=True)
            return Table().fit(rows)
        preprocessor = self.scaling.fit(rows.X, rows.image_shape if rows.mirror else None)
        return Prepared(preprocessor, preprocessor.transform(rows.X, rows.dtype), time.monotonic() - began)

"""The losses of a regression as settings, by the names that the estimators have for them."""

from typing import Annotated

from msgspec import Meta

from fcnet.nn.losses import Loss, get_loss
from fcnet.nn.regression_losses import QuantileLoss
from fcnet.settings import Settings, Threshold, parts_of


class SquaredError(Settings, tag_field="kind", tag="squared_error"):
    """The mean is predicted."""


class AbsoluteError(Settings, tag_field="kind", tag="absolute_error"):
    """The median is predicted."""


class Quantile(Settings, tag_field="kind", tag="quantile"):
    """Quantiles are predicted, each by an output of its own."""

    quantiles: Annotated[tuple[Threshold, ...], Meta(min_length=1, description="Those to predict, in rising order.")] = (
        0.05,
        0.5,
        0.95,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        QuantileLoss(self.quantiles)  # which checks their order


class Poisson(Settings, tag_field="kind", tag="poisson"):
    """The mean of counts, or of other numbers of at least 0, is predicted by its logarithm."""


RegressionLoss = SquaredError | AbsoluteError | Quantile | Poisson
LOSSES = parts_of(RegressionLoss)


def loss_for(settings: RegressionLoss) -> Loss:
    """Return the loss that these settings describe."""
    return QuantileLoss(settings.quantiles) if isinstance(settings, Quantile) else get_loss(str(settings.__struct_config__.tag))

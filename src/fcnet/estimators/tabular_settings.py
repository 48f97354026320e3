"""The settings of the estimators for tables: their parameters and what `settings` has, by the part that each belongs to."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import msgspec

from fcnet.errors import SettingError, unknown_name
from fcnet.preprocessing import Table
from fcnet.training.tabular import TabularSettings, TabularTraining

TABLE = Table(gaps="indicator", scaling="robust")
NETWORK, TRAINING = TabularSettings(), TabularTraining()  # whose defaults are those of the parameters
KINDS = (Table, TabularSettings, TabularTraining)


@dataclass(frozen=True)
class Parts:
    """All settings of an estimator."""

    table: Table
    network: TabularSettings
    training: TabularTraining

    @classmethod
    def of(cls, parameters: Mapping[str, Any], further: Mapping[str, Any]) -> Self:
        """Return the parameters of an estimator, and `further` settings, by their parts.

        Raises
        ------
        SettingError
            If one of `further` is unknown or a parameter, or a value is out of range.
        """
        known = [name for kind in KINDS for name in kind.__struct_fields__ if name not in parameters]
        for name in further:
            if name in parameters:
                raise SettingError(f"{name} is a parameter of its own: set that, and leave it out of settings.")
            if name not in known:
                raise unknown_name("setting", name, known)
        given = {**msgspec.structs.asdict(TABLE), **parameters, **further}
        table, network, training = ({name: given[name] for name in kind.__struct_fields__ if name in given} for kind in KINDS)
        return cls(Table(**table), TabularSettings(**network), TabularTraining(**training))

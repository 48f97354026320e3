"""The axes of the charts of a study: what was tried of each setting, and where the plain recipe lies."""

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from fcnet.report.page import rounded
from fcnet.words import setting_words

if TYPE_CHECKING:
    from fcnet.experiments.sweep.plan import Plan
    from fcnet.experiments.sweep.space import Parameter

MOST = 3.0  # ranges is an axis long at most


class Axis(NamedTuple):
    """A setting of a space, its name on the page, and its value in the plain recipe, None where that has none.

    The plain recipe may lie outside of the space. The axis then reaches as far as its value, unless that is far away.
    """

    parameter: "Parameter"
    name: str
    plain: Any

    @property
    def is_drawn(self) -> bool:
        """Whether trials can differ in it."""
        return len(self.parameter.choices) > 1 or self.parameter.low < self.parameter.high

    @property
    def choices(self) -> list[Any]:
        """Those that were tried, and that of the plain recipe."""
        more = [] if self.plain is None or self.plain in self.parameter.choices else [self.plain]
        return [*self.parameter.choices, *more] if self.parameter.choices else []

    @property
    def is_tried(self) -> bool:
        """Whether the value of the plain recipe is in the space."""
        p = self.parameter
        return self.plain is None or (self.plain in p.choices if p.choices else p.contains(self.plain))

    def place(self, value: Any) -> float | None:
        """Return where a value is on the axis: of choices, which one; None where it has no place."""
        if self.parameter.choices:
            return self.choices.index(value) if value in self.choices else None
        number, (low, high) = _number(value), self._ends()
        return rounded(number) if number is not None and low <= number <= high else None

    def _ends(self) -> tuple[float, float]:
        """Return the ends of a range, as far as the plain recipe where that leaves the range a third of the axis."""
        p, own = self.parameter, _number(self.plain)
        if own is None or (p.log and own <= 0):
            return p.low, p.high
        low, high = min(p.low, own), max(p.high, own)
        as_drawn = math.log if p.log else float
        room = (as_drawn(p.high) - as_drawn(p.low)) * MOST
        return (low, high) if as_drawn(high) - as_drawn(low) <= room else (p.low, p.high)

    def to_dict(self) -> dict[str, Any]:
        """Return what a chart takes."""
        if self.parameter.choices:
            return {"name": self.name, "choices": [setting_words(choice) for choice in self.choices]}
        low, high = self._ends()
        return {"name": self.name, "low": rounded(low), "high": rounded(high), "log": self.parameter.log}

    def tried(self) -> str:
        """Return what was tried, in words."""
        p = self.parameter
        if p.choices:
            return " | ".join(map(setting_words, p.choices))
        low, high = setting_words(p.low), setting_words(p.high)
        how = ", logarithmic" if p.log else f", in steps of {p.step:g}" if p.step else ""
        return low if low == high else f"{low} to {high}{how}"


def _number(value: Any) -> float | None:
    """Return what stands for a value in a range, or None; the only layer of a list does."""
    number = value[0] if isinstance(value, list) and len(value) == 1 else value
    return number if isinstance(number, int | float) and not isinstance(number, bool) and math.isfinite(number) else None


def axes_of(plan: "Plan", names: dict[str, str]) -> list[Axis]:
    """Return the axes of all settings of a space, given the names of parameters on the page."""
    tree, own = plan.config.settings.to_dict(), plan.config.by_path()
    plain = {p.name: own[p.key] for p in plan.space if p.counts(tree)}
    plain = {name: list(value) if isinstance(value, tuple) else value for name, value in plain.items()}
    return [Axis(p, names[p.name], plain.get(p.name)) for p in plan.space]


def notes_on(axes: list[Axis]) -> list[str]:
    """Return what the charts do not show of settings, and where the plain recipe lies outside of the space."""
    notes = []
    for axis in axes:
        if not axis.is_drawn:
            but = "" if axis.is_tried else f" but the plain recipe, which has {setting_words(axis.plain)}"
            notes.append(f"{axis.name} has no chart: it is {axis.tried()} in every trial{but}.")
    outside = [axis for axis in axes if axis.is_drawn and not axis.is_tried]
    if outside:
        values = ", ".join(f"{axis.name} = {setting_words(axis.plain)}" for axis in outside)
        notes.append(f"The plain recipe lies outside of the search space: {values}.")
    if unseen := [axis.name for axis in outside if axis.place(axis.plain) is None]:
        notes.append(f"The charts have no place for its {', '.join(unseen)}.")
    return notes

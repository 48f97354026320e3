"""The search space of a sweep, as it was given: in a recipe file, or on the command line."""

import tomllib
from typing import Any

from fcnet.errors import SettingError
from fcnet.experiments.changes import toml_value
from fcnet.experiments.recipe import SWEEP


def read_space(text: str, source: str) -> dict[str, Any]:
    """Return the table `[sweep]` of the text of a recipe.

    Raises
    ------
    SettingError
        If it has none.
    """
    space = tomllib.loads(text).get(SWEEP)
    if not isinstance(space, dict) or not space:
        raise SettingError(
            f"{source} has no table [{SWEEP}], which says what to try: add one, or name settings by "
            "--space learning_rate=1e-4:1e-1:log."
        )
    return space


def read_given(text: str) -> tuple[str, Any]:
    """Return the key and the values of ``key=low:high``, ``key=low:high:log``, ``key=a,b,c`` or ``key=[…]``.

    Raises
    ------
    SettingError
        If it is of another form.

    Examples
    --------
    >>> read_given("learning_rate=1e-4:0.1:log"), read_given("activation=relu,gelu")
    (('learning_rate', {'low': 0.0001, 'high': 0.1, 'log': True}), ('activation', ['relu', 'gelu']))
    """
    key, equals, values = (part.strip() for part in text.partition("="))
    if not equals or not values:
        raise SettingError(f"--space takes key=low:high, key=low:high:log or key=a,b,c, got {text!r}.")
    if values[0] in "[{":
        try:
            return key, tomllib.loads(f"values = {values}")["values"]
        except tomllib.TOMLDecodeError as error:
            raise SettingError(f"--space {text}: {error}.") from None
    if ":" not in values:
        return key, [toml_value(value.strip()) for value in values.split(",")]
    low, high, *log = (value.strip() for value in values.split(":"))
    if log not in ([], ["log"]):
        raise SettingError(f"--space takes key=low:high or key=low:high:log, got {text!r}.")
    return key, {"low": toml_value(low), "high": toml_value(high), **({"log": True} if log else {})}

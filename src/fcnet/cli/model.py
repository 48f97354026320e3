"""The model of a run folder, as several commands use it."""

from pathlib import Path
from typing import TYPE_CHECKING

from fcnet.cli.messages import show_warning
from fcnet.errors import FileFormatError

if TYPE_CHECKING:
    from fcnet.model import Model


def model_of(run: Path) -> "Model":
    """Return the model of a run, that of a sweep, or one in a file. Warn where the run is not finished."""
    from fcnet.experiments.folder import ENSEMBLE, MODEL, STUDY, sweep_words
    from fcnet.experiments.results import read_state
    from fcnet.model_file import load

    if run.is_file():
        return load(run)
    if (run / STUDY).is_file():
        if not (run / ENSEMBLE / MODEL).exists():
            raise FileFormatError(f"{sweep_words(run)} It has no model before its finalists are trained.")
        run /= ENSEMBLE
    state = read_state(run)
    if state.kind != "finished":
        if not (run / MODEL).exists():
            raise FileFormatError(f"{run} has no {MODEL} yet. {state.words}")
        show_warning(f"{run} is not a finished run; this is the model that it kept last. {state.words}")
    return load(run / MODEL)

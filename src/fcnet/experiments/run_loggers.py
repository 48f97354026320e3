"""Where the numbers of a run are logged besides its folder."""

from collections.abc import Iterable
from pathlib import Path

from fcnet.errors import unknown_name
from fcnet.experiments.config import Config
from fcnet.experiments.folder import CONFIG, HISTORY, METRICS_FILE, MODEL, REPORT
from fcnet.training.loggers import Logger, MLflowLogger, TensorBoardLogger

LOGGERS = ("tensorboard", "mlflow")
TENSORBOARD = "tensorboard"  # the folder of event files in a run folder


def run_loggers(names: Iterable[str], run: Path, config: Config) -> list[Logger]:
    """Return what logs a run: ``tensorboard`` to a folder in the run folder, ``mlflow`` to where its variables say.

    Raises
    ------
    FcnetError
        If there is no such logger, or it cannot be used.
    """
    settings = {path: value for path, value in config.by_path().items() if value not in ("", [])}
    made: list[Logger] = []
    for name in dict.fromkeys(names):
        if name not in LOGGERS:
            raise unknown_name("logger", name, LOGGERS)
        if name == "mlflow":
            made.append(MLflowLogger(folder=run, settings=settings))
        else:
            made.append(TensorBoardLogger(run / TENSORBOARD, settings))
    for logger in made:
        logger.check()
    return made


def log_files(loggers: Iterable[Logger], run: Path) -> None:
    """Log the files of a run that has ended."""
    paths = [run / name for name in (CONFIG, HISTORY, METRICS_FILE, MODEL, REPORT)]
    for logger in loggers:
        logger.log_files(path for path in paths if path.exists())

"""Preprocessed data that the trials of a sweep share, fitted once and mapped into the memory of every process."""

import hashlib
import json
import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec
import numpy as np
from filelock import FileLock

from fcnet.data import Dataset
from fcnet.experiments.config import Config
from fcnet.experiments.recipe import Recipe
from fcnet.experiments.run import prepare
from fcnet.files import load_tensors, save_tensors, writing
from fcnet.preprocessing import Prepared, preprocessor_from
from fcnet.types import Array

FORMAT = "fcnet-prepared-1"
PREPROCESSOR, ROWS, VAL_ROWS = "preprocessor.safetensors", "rows.npy", "val_rows.npy"


@dataclass
class PreparedData:
    """The preprocessed rows of a data set, once for all recipes that preprocess alike.

    Parameters
    ----------
    config : Config
        Whose seed every preprocessing is fitted with.
    data : Dataset
    folder : Path
        Where files are kept that several processes map into their memory; one of them makes each.
    """

    config: Config
    data: Dataset
    folder: Path
    _known: dict[str, tuple[Prepared, Array]] = field(default_factory=dict)

    def of(self, recipe: Recipe) -> tuple[Prepared, Array]:
        """Return the fitted preprocessing with the training rows, and the validation rows."""
        key = self._key(recipe)
        if key not in self._known:
            self._known[key] = self._read_or_make(recipe, self.folder / key)
        return self._known[key]

    def _key(self, recipe: Recipe) -> str:
        """Return what two recipes have in common that preprocess alike."""
        views = recipe.augmentation
        says = [
            msgspec.to_builtins(recipe.preprocessing),
            views.mirror,
            0 if recipe.preprocessing.keeps_pixels else views.shift,  # pixels are moved batch by batch
            recipe.training.always_averages,
            recipe.dtype,
            recipe.takes_codes,
        ]
        return hashlib.sha256(json.dumps(says).encode()).hexdigest()[:16]

    def _read_or_make(self, recipe: Recipe, folder: Path) -> tuple[Prepared, Array]:
        self.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_suffix(".lock")):  # its owner's death frees it
            if not folder.exists():
                self._make(recipe, folder)
        arrays, said = load_tensors(folder / PREPROCESSOR, FORMAT)
        preprocessor = preprocessor_from(said["kind"], said["config"], arrays)
        rows, val_rows = (np.asarray(np.load(folder / name, mmap_mode="r")) for name in (ROWS, VAL_ROWS))
        return Prepared(preprocessor, rows, said["seconds"]), val_rows

    def _make(self, recipe: Recipe, folder: Path) -> None:
        """Fit, and write a folder whole or not at all."""
        prepared = prepare(replace(self.config, settings=recipe), self.data)
        preprocessor = prepared.preprocessor
        half = folder.with_suffix(".half")
        shutil.rmtree(half, ignore_errors=True)
        half.mkdir()
        said = {"kind": preprocessor.kind, "config": preprocessor.get_config(), "seconds": prepared.seconds}
        save_tensors(half / PREPROCESSOR, preprocessor.arrays(), said, FORMAT)
        val_rows = preprocessor.transform(self.data.X_val, recipe.dtype)
        with writing(folder):
            np.save(half / ROWS, prepared.rows)
            np.save(half / VAL_ROWS, val_rows)
        half.rename(folder)

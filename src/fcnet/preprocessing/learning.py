"""Learning a representation of images, in stages that the user's cache keeps, so that a stopped run can go on."""

import hashlib
import json
import logging
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fcnet.data.cifar10 import cache_dir
from fcnet.engine.products import Matmul, bfloat16_matmul, matmul
from fcnet.errors import FcnetError, FileFormatError
from fcnet.files import load_tensors, save_tensors, write_atomic
from fcnet.preprocessing.kmeans import unit_rows
from fcnet.preprocessing.representation import PatchRepresentation, Rows, dictionary_of
from fcnet.preprocessing.whitening import MirrorCovariance
from fcnet.types import Array

_log = logging.getLogger(__name__)
FORMAT = "fcnet-representation-1"
REVISION = 6  # of the mathematics of features and whitening: raise it with every change, or stale results stay in the cache
ROWS = 500  # images at once
CHUNK = 5000  # images whose components lie in one file
SHARE_OF_SAVING = 20  # saving the covariance so far takes at most one part in so many of the time


class LearntRepresentation:
    """A representation of images, learnt once for the same images, settings and seed.

    Parameters
    ----------
    X : uint8 array (n, height · width · channels)
        The training images.
    patches : list of dict
        Arguments of `dictionary_of` for each dictionary.
    n_components, regularisation, seed : int, float and int
        Of `PatchRepresentation.fit`.
    cache : Path, optional
        Where folders of earlier stages lie; by default the user's cache.
    unit_mean : bool
        Of the representation, which is learnt without it.
    """

    def __init__(
        self,
        X: Array,
        image_shape: tuple[int, ...],
        patches: Sequence[dict[str, Any]],
        n_components: int,
        regularisation: float,
        seed: int,
        cache: Path | None = None,
        matmul: Matmul = matmul,
        unit_mean: bool = False,
    ) -> None:
        self.X, self.image_shape = X, image_shape
        self.patches = [dictionary_of({**settings, "seed": seed + i}) for i, settings in enumerate(patches)]
        self.n_components, self.regularisation, self.seed = n_components, regularisation, seed
        for part in self.patches:
            part.matmul = matmul
        self.matmul, self.unit_mean = matmul, unit_mean
        self._components_name = "mean-components" if unit_mean else "components"
        settings = [part.get_config() for part in self.patches]
        whitening = [n_components, regularisation, seed, matmul is bfloat16_matmul]
        identity = [FORMAT, REVISION, image_shape, X.shape, str(X.dtype), settings, *whitening]
        digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode())
        digest.update(np.ascontiguousarray(X).data)
        self.folder = (cache or cache_dir() / "features") / digest.hexdigest()[:16]
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FcnetError(
                f"Features cannot be kept in {self.folder}: {error}. Set XDG_CACHE_HOME to a folder that can be written to."
            ) from None

    def learn(self) -> tuple[PatchRepresentation, Array]:
        """Learn the representation, or read it from the cache.

        Returns
        -------
        representation : PatchRepresentation
        components : float32 array (n_views · n, n_components)
            Those of all training images, view by view; with `unit_mean` (n, n_components), one row of each.
        """
        from filelock import FileLock, Timeout

        lock = FileLock(self.folder / "lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            _log.info("Another run is learning the same features; this one waits for it")
            lock.acquire()
        with lock:
            self._began = time.monotonic()
            representation = self._representation()
            representation.unit_mean = self.unit_mean
            for stage in self.folder.glob("*-covariance-*"):
                shutil.rmtree(stage)
            components = self._components(representation)
        return representation, components

    @property
    def seconds(self) -> float:
        """How long learning has taken, in all runs together."""
        return self._seconds("representation") + self._seconds(self._components_name)

    def _seconds(self, what: str) -> float:
        path = self.folder / f"{what}-seconds.json"
        return float(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else 0.0

    def _count_seconds(self, what: str) -> None:
        now = time.monotonic()
        write_atomic(self.folder / f"{what}-seconds.json", json.dumps(self._seconds(what) + now - self._began))
        self._began = now

    def _representation(self) -> PatchRepresentation:
        path = self.folder / "representation.safetensors"
        if path.exists():
            arrays, metadata = self._load(path)
            representation = PatchRepresentation.from_arrays(metadata["config"], arrays)
            for part in representation.patches:
                part.matmul = self.matmul
            return representation
        self._learn_dictionaries()
        representation = PatchRepresentation.fit(
            self.patches, self.X, self.n_components, self.regularisation, self.seed, self._add_up
        )
        save_tensors(path, representation.arrays(), {"config": representation.get_config()}, FORMAT)
        self._count_seconds("representation")
        return representation

    def _components(self, representation: PatchRepresentation) -> Array:
        n, n_views = len(self.X), 1 if self.unit_mean else representation.patches[0].n_views
        out = np.empty((n_views, n, representation.n_outputs), np.float32)
        for start in range(0, n, CHUNK):
            stop = min(start + CHUNK, n)
            path = self.folder / f"{self._components_name}-{start}.safetensors"
            if not path.exists():
                _log.info(f"Components of training images {start:,} to {stop:,} of {n:,}")
                some = self.X[start:stop]
                if self.unit_mean:
                    components = representation.means(some, np.float16)[np.newaxis]
                else:
                    components = representation.views(some, np.float16).swapaxes(0, 1)
                save_tensors(path, {"components": components}, {}, FORMAT)
                self._count_seconds(self._components_name)
            out[:, start:stop] = self._load(path)[0]["components"]
            if self.unit_mean:
                out[0, start:stop] = unit_rows(out[0, start:stop])
        return out.reshape(-1, out.shape[2])

    def _load(self, path: Path) -> tuple[dict[str, Array], dict[str, Any]]:
        try:
            return load_tensors(path, FORMAT)
        except FileFormatError as error:
            raise FileFormatError(f"{error} Delete the folder {self.folder}; it will be made again.") from None

    def _learn_dictionaries(self) -> None:
        for i, part in enumerate(self.patches):
            path = self.folder / f"dictionary-{i}.safetensors"
            if path.exists():
                part.set_shape(self.image_shape)
                part.set_arrays(self._load(path)[0])
                continue
            _log.info(f"Learning {part.description}")
            part.fit(self.X, self.image_shape)
            save_tensors(path, part.arrays(), {}, FORMAT)
            self._count_seconds("representation")

    def _add_up(self, what: str, X: Array, covariances: list[MirrorCovariance], rows_of: Rows) -> None:
        """Add the rows of all training images to the covariances; go on where a run was stopped."""
        stage = what.split(maxsplit=1)[0].lower() + "-covariance"
        stages = [folder for folder in self.folder.glob(f"{stage}-*") if folder.suffix != ".tmp"]
        if stages:
            self._go_on(max(stages, key=lambda folder: int(folder.name.rpartition("-")[2])), covariances)
        n = n_before = covariances[0].n
        began = told = saved = time.monotonic()
        saving = 1.0
        for start in range(n, len(X), ROWS):
            for covariance, (even, odd) in zip(covariances, rows_of(X[start : start + ROWS]), strict=True):
                covariance.add(even, odd)
            n, now = covariances[0].n, time.monotonic()
            if now - told > 5 or start == n_before:
                told, left = now, (now - began) / (n - n_before) * (len(X) - n)
                _log.info(f"{what} of training images: {n:,} of {len(X):,}, {left / 60:.0f} min left")
            if now - saved > SHARE_OF_SAVING * saving or n == len(X):
                self._save(stage, covariances)
                saved = time.monotonic()
                saving = saved - now

    def _go_on(self, stage: Path, covariances: list[MirrorCovariance]) -> None:
        try:
            for i, covariance in enumerate(covariances):
                covariance.load_arrays({path.stem: np.load(path, allow_pickle=False) for path in (stage / str(i)).iterdir()})
        except (OSError, ValueError, EOFError, KeyError) as error:
            raise FileFormatError(
                f"{stage} is damaged: {error}. Delete the folder {self.folder}; it will be made again."
            ) from None

    def _save(self, stage: str, covariances: list[MirrorCovariance]) -> None:
        """Write a folder under a temporary name, rename it, and take those before away; on a full disk, say so and go on."""
        done = self.folder / f"{stage}-{covariances[0].n}"
        if done.exists():
            return
        before = list(self.folder.glob(f"{stage}-*"))
        temporary = self.folder / f"{stage}-next.tmp"
        shutil.rmtree(temporary, ignore_errors=True)
        try:
            for i, covariance in enumerate(covariances):
                (temporary / str(i)).mkdir(parents=True)
                for name, array in covariance.arrays().items():
                    np.save(temporary / str(i) / f"{name}.npy", array)  # safetensors would hold it in memory twice
            temporary.rename(done)
        except OSError as error:
            _log.info(f"Progress could not be saved in {self.folder}: {error}. Learning goes on.")
            shutil.rmtree(temporary, ignore_errors=True)
            return
        self._count_seconds("representation")
        for folder in before:
            shutil.rmtree(folder, ignore_errors=True)

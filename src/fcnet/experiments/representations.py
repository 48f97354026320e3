"""Learning a representation of images, kept in the user's cache stage by stage, so that a stopped run goes on."""

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fcnet.data.cifar10 import cache_dir
from fcnet.errors import FileFormatError
from fcnet.features.patches import PatchFeatures
from fcnet.features.representation import PatchRepresentation, extract, mirrored
from fcnet.features.whitening import MirrorCovariance, MirrorWhitening
from fcnet.persist import load_tensors, save_tensors
from fcnet.types import Array

FORMAT = "fcnet-representation-1"
ROWS = 500  # images at once
CHUNK = 5000  # images whose components lie in one file
SHARE_OF_SAVING = 20  # writing down how far the covariance has come takes at most one part in so many of the time
Say = Callable[[str], None]


class LearntRepresentation:
    """A representation of images that is learnt once for the same images, settings and seed.

    Parameters
    ----------
    X : uint8 array (n, height · width · channels)
        The training images.
    image_shape : tuple of ints
    patches : list of dict
        Arguments of each `PatchFeatures`.
    n_components : int
        Of the whitening.
    seed : int
    say : callable
        Told in a line what goes on.
    cache : Path, optional
        Where folders of earlier stages lie; the user's cache where it is not given.
    """

    def __init__(
        self,
        X: Array,
        image_shape: tuple[int, ...],
        patches: Sequence[dict[str, Any]],
        n_components: int,
        seed: int,
        say: Say,
        cache: Path | None = None,
    ) -> None:
        self.X, self.image_shape, self.say = X, image_shape, say
        self.patches, self.n_components, self.seed = list(patches), n_components, seed
        identity = [FORMAT, image_shape, X.shape, str(X.dtype), self.patches, n_components, seed]
        digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode())
        digest.update(np.ascontiguousarray(X).data)
        self.folder = (cache or cache_dir() / "features") / digest.hexdigest()[:16]
        self.folder.mkdir(parents=True, exist_ok=True)

    def learn(self) -> PatchRepresentation:
        """Return the representation, learnt or read from the cache."""
        path = self.folder / "representation.safetensors"
        if path.exists():
            return self._read(path)
        patches = self._dictionaries()
        covariance = self._covariance(patches)
        self.say("Whitening the features")
        whitening = MirrorWhitening.fit(covariance, self.n_components, self.seed)
        representation = PatchRepresentation(patches, whitening)
        save_tensors(path, representation.arrays(), {"config": representation.get_config()}, FORMAT)
        for stage in self.folder.glob("covariance-*"):
            shutil.rmtree(stage)
        return representation

    def components(self, representation: PatchRepresentation) -> Array:
        """Return the components of all training images, float32 (n_views · n, n_components), view by view."""
        n, n_views = len(self.X), representation.patches[0].n_views
        out = np.empty((n_views, n, representation.whitening.n_components), np.float32)
        for start in range(0, n, CHUNK):
            stop = min(start + CHUNK, n)
            path = self.folder / f"components-{start}.npy"
            if not path.exists():
                self.say(f"Components of training images {start:,} to {stop:,} of {n:,}")
                views = representation.views(self.X[start:stop], np.float16)
                _write_array(path, np.ascontiguousarray(views.swapaxes(0, 1)))
            out[:, start:stop] = _read_array(path, (n_views, stop - start, out.shape[2]))
        return out.reshape(-1, out.shape[2])

    def _dictionaries(self) -> list[PatchFeatures]:
        path = self.folder / "dictionaries.safetensors"
        patches = [PatchFeatures(**settings, seed=self.seed) for settings in self.patches]
        names = [f"filters{i}" for i in range(len(patches))]
        if path.exists():
            arrays, _ = load_tensors(path, FORMAT)
            for name, part in zip(names, patches, strict=True):
                part.set_filters(arrays[name], self.image_shape)
            return patches
        for part in patches:
            self.say(f"Learning {part.n_filters:,} filters of {part.patch_size} × {part.patch_size} pixels")
            part.fit(self.X, self.image_shape)
        save_tensors(path, {name: part.filters for name, part in zip(names, patches, strict=True)}, {}, FORMAT)
        return patches

    def _covariance(self, patches: list[PatchFeatures]) -> MirrorCovariance:
        covariance = MirrorCovariance(mirrored(patches))
        stages = [stage for stage in self.folder.glob("covariance-*") if stage.suffix != ".tmp"]
        if stages:
            furthest = max(stages, key=lambda stage: int(stage.name.removeprefix("covariance-")))
            covariance.load_arrays({path.stem: _read_array(path) for path in furthest.iterdir()})
        began, saved, saving = time.monotonic(), time.monotonic(), 1.0
        n_before, told = covariance.n, time.monotonic()
        for start in range(covariance.n, len(self.X), ROWS):
            covariance.add(extract(patches, self.X[start : start + ROWS])[:, 0])
            now = time.monotonic()
            if now - told > 5 or start == n_before:
                told, left = now, (now - began) / (covariance.n - n_before) * (len(self.X) - covariance.n)
                self.say(f"Features of training images: {covariance.n:,} of {len(self.X):,}, {left / 60:.0f} min left")
            if now - saved > SHARE_OF_SAVING * saving and covariance.n < len(self.X):
                self._save_covariance(covariance)
                saved = time.monotonic()
                saving = saved - now
        return covariance

    def _save_covariance(self, covariance: MirrorCovariance) -> None:
        """Write a folder under a temporary name, rename it, and take the one before away."""
        before = list(self.folder.glob("covariance-*"))
        temporary = self.folder / "covariance-next.tmp"
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        for name, array in covariance.arrays().items():
            np.save(temporary / f"{name}.npy", array)
        temporary.rename(self.folder / f"covariance-{covariance.n}")
        for stage in before:
            shutil.rmtree(stage, ignore_errors=True)

    def _read(self, path: Path) -> PatchRepresentation:
        arrays, metadata = load_tensors(path, FORMAT)
        return PatchRepresentation.from_arrays(metadata["config"], arrays)


def _write_array(path: Path, array: Array) -> None:
    temporary = path.with_suffix(".tmp")
    with temporary.open("wb") as file:
        np.save(file, array)
    temporary.replace(path)


def _read_array(path: Path, shape: tuple[int, ...] | None = None) -> Array:
    try:
        array: Array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise FileFormatError(f"{path} is damaged: {error}. Delete it; it will be made again.") from None
    if shape is not None and array.shape != shape:
        raise FileFormatError(f"{path} has shape {array.shape}, not {shape}. Delete it; it will be made again.")
    return array

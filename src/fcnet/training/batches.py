"""Batches of rows, of which the next is made while the parameters are updated."""

import math
from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from queue import SimpleQueue
from threading import Thread
from typing import Any, Literal

import numpy as np

from fcnet.errors import InputError
from fcnet.types import Array, is_sparse

BatchKind = Literal["shuffled", "sampled", "ordered", "full"]
Augmentation = Callable[[Array, np.random.Generator], Array | None]
THREAD_BYTES = 1 << 18  # a smaller batch is made sooner than a thread wakes


class Batches:
    """The batches of every epoch, one at a time: `X`, `y` and, if there are any, `weights` are the current one.

    Parameters
    ----------
    data, labels : array or CSR matrix (n, n_inputs), and array (n,) or (n, n_outputs)
    kind, batch_size, augment
        As in `Trainer`.
    weights : array (n,), optional
        Of the rows.

    Examples
    --------
    >>> batches = Batches(np.arange(6.0)[:, None], np.arange(6), "shuffled", 4, None)
    >>> batches.per_epoch
    2
    >>> batches.begin_epoch(np.random.default_rng(0))
    >>> batches.y
    array([3, 2, 5, 4])
    >>> with batches.make_next():
    ...     pass  # update the parameters
    >>> batches.y
    array([0, 1])
    >>> batches.close()
    """

    def __init__(
        self,
        data: Array,
        labels: Array,
        kind: BatchKind,
        batch_size: int,
        augment: Augmentation | None,
        weights: Array | None = None,
    ) -> None:
        self.sparse, self.n = is_sparse(data), data.shape[0]
        if self.sparse and augment is not None:
            raise InputError("augment changes rows of an array, and X is sparse.")
        # Rows of another order would be copied whole for every batch.
        self.data = data if self.sparse else np.ascontiguousarray(data)
        self.labels, self.kind, self.augment, self.all_weights = labels, kind, augment, weights
        self.batch_size = self.n if kind == "full" else batch_size
        self.per_epoch = max(1, self.n // batch_size) if kind == "sampled" else math.ceil(self.n / self.batch_size)
        self.X, self.y, self.weights = self.data, labels, weights
        self.counting = np.arange(self.n) if weights is None else np.flatnonzero(weights)  # of which "sampled" draws
        self._memory: Array | None = None  # every batch overwrites the one before
        if not self.sparse and (kind != "full" or augment is not None):
            rows = self.batch_size if kind == "sampled" else min(self.batch_size, self.n)
            self._memory = np.empty((rows, *data.shape[1:]), data.dtype)
        row_bytes = data.data.nbytes / self.n if self.sparse else data[:1].nbytes
        self._wants_thread = self.batch_size * row_bytes >= THREAD_BYTES and self.per_epoch > 1
        self._thread: _Helper | None = None

    def begin_epoch(self, rng: np.random.Generator) -> None:
        """Make the first batch of an epoch."""
        self._rng, self._number = rng, 0
        if self._wants_thread and self._thread is None:
            self._thread = _Helper()
        if self.kind == "shuffled":
            self._order = rng.permutation(self.n)
        elif self.kind == "ordered":
            self._order = np.arange(self.n)
        self._make()

    def make_next(self) -> "Batches":
        """Return a context in which the current batch is no longer to be used; after it, the next one is current."""
        return self

    def __enter__(self) -> None:
        self._number += 1
        if self._thread and self._number < self.per_epoch:
            self._thread.start(self._make)

    def __exit__(self, *_: object) -> None:
        if self._number == self.per_epoch:
            return
        if self._thread:
            self._thread.wait()
        else:
            self._make()

    def close(self) -> None:
        """End the thread that helps."""
        if self._thread:
            self._thread.close()
            self._thread = None

    def _make(self) -> None:
        if self.kind == "full":
            if self.augment is None:
                return
            assert self._memory is not None
            self.X = self._memory
            self.X[...] = self.data
        else:
            rows = self._rows()
            self.y = self.labels[rows]
            if self.all_weights is not None:
                self.weights = self.all_weights[rows]
            if self._memory is None:
                self.X = self.data[rows]
            else:
                self.X = self._memory[: len(rows)]
                self.data.take(rows, 0, self.X, "clip")  # without "clip", NumPy writes to a copy first
        if self.augment is not None:
            changed = self.augment(self.X, self._rng)
            if changed is not None and changed is not self.X:
                self._take(changed)

    def _take(self, changed: Any) -> None:
        """Copy what `augment` has returned, which may be memory that it uses again, or a view of the batch itself."""
        try:
            changed = np.asarray(changed)
            if changed.shape != self.X.shape:
                raise ValueError("another shape")
            np.copyto(self.X, changed)  # float64 becomes float32, as in place; text is refused
        except (TypeError, ValueError):
            it = f"{changed.dtype} {changed.shape}" if isinstance(changed, np.ndarray) else type(changed).__name__
            raise InputError(
                f"augment must return an array like the batch that it is given, {self.X.dtype} {self.X.shape}, or None where "
                f"it has changed that in place; it returned {it}."
            ) from None

    def _rows(self) -> Array:
        if self.kind == "sampled":
            drawn = self._rng.integers(len(self.counting), size=self.batch_size)
            return np.asarray(self.counting[drawn])
        start = self._number * self.batch_size
        return self._order[start : start + self.batch_size]


class _Helper:
    """A thread that runs a function beside the caller, and hands on what it raises.

    An executor of the standard library takes no work once the main thread has ended, where another thread may still train.
    """

    def __init__(self) -> None:
        self._tasks: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._errors: SimpleQueue[BaseException | None] = SimpleQueue()
        self._thread = Thread(target=self._run, daemon=True, name="fcnet batches")
        self._thread.start()

    def _run(self) -> None:
        while (task := self._tasks.get()) is not None:
            try:
                task()
            except BaseException as error:  # raised again by wait
                self._errors.put(error)
            else:
                self._errors.put(None)

    def start(self, task: Callable[[], None]) -> None:
        self._tasks.put(partial(copy_context().run, task))  # with NumPy's settings of what is said of an overflow

    def wait(self) -> None:
        error = self._errors.get()
        if error is not None:
            raise error

    def close(self) -> None:
        self._tasks.put(None)
        self._thread.join()

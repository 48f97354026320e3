"""The history of a run on disk, which grows as training goes on."""

import errno
import os
import warnings
from collections import deque
from pathlib import Path
from typing import BinaryIO

from fcnet.files import write_atomic
from fcnet.training.callbacks import Callback
from fcnet.training.history import line_of
from fcnet.training.state import TrainingState


class HistoryFile(Callback):
    """Writes a line for every epoch as soon as it has ended, and never takes one away.

    A run that was killed has written lines of epochs after its last checkpoint. A resumed run trains these again, to the same
    lines, which are left where they are; should they differ, as on another machine, its own take their place.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: BinaryIO | None = None
        self._ahead: deque[str] = deque()
        self._behind = False

    def on_train_begin(self, state: TrainingState) -> None:
        """Compare what is there with what a resumed training has been through."""
        text = self.path.read_text(encoding="utf-8", errors="replace") if self.path.exists() else ""
        there = text[: text.rfind("\n") + 1].splitlines(keepends=True)
        own = [line_of(row) for row in state.history]
        lines = there if there[: len(own)] == own else own
        if "".join(lines) != text or not self.path.exists():
            write_atomic(self.path, "".join(lines))
        self._ahead = deque(lines[len(own) :])

    def on_epoch_end(self, state: TrainingState) -> None:
        """Write a line, unless it is there; where that fails, as on a full disk, warn and try again with the next one."""
        line = line_of(state.history[-1])
        if self._ahead and self._ahead.popleft() == line:
            return
        try:
            if self._file is None:
                self._write_whole(state)
            elif self._file.write(line.encode()) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self._behind = False
        except OSError as error:
            self._close()
            if not self._behind:
                warnings.warn(f"{self.path.name} lags behind: {error}. Training goes on.", RuntimeWarning, stacklevel=4)
            self._behind = True

    def on_train_end(self, state: TrainingState) -> None:
        """Close the file, as complete as it should be."""
        if self._behind:
            self._write_whole(state)
        self._close()

    def _write_whole(self, state: TrainingState) -> None:
        self._close()
        self._ahead.clear()
        write_atomic(self.path, state.history.to_jsonl())
        self._file = self.path.open("ab", buffering=0)  # a line is one write: of a kill at most half of it is left

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

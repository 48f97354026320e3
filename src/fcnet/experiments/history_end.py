"""The last row of a history on disk, also of one that grows."""

import json
import os
from pathlib import Path

from fcnet.errors import FileFormatError
from fcnet.training.history import Row

BLOCK = 1 << 16  # bytes; the row of an epoch with a hundred batches has some 9,000


class HistoryEnd:
    """Reads the last whole row of a ``history.jsonl``: at first from its end, later of what was appended meanwhile."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file, self._read = -1, 0  # which file it was, and up to where it has been read, the beginning of a line
        self._row: Row | None = None

    def row(self) -> Row | None:
        """Return the row as it is now; None before the first one.

        Raises
        ------
        FileFormatError
            If the file is damaged.
        """
        try:
            file = self.path.open("rb")
        except FileNotFoundError:
            return None
        with file:
            status = os.fstat(file.fileno())
            if status.st_ino != self._file or status.st_size < self._read:
                self._file, self._read, self._row = status.st_ino, 0, None
            start, block, text = status.st_size, BLOCK, b""
            while start > self._read and text.count(b"\n") < 2:  # one ends the last row, and one the row before
                size = min(block, start - self._read)
                start, block = start - size, 2 * block
                file.seek(start)
                text = file.read(size) + text
        whole = text[: text.rfind(b"\n") + 1]  # half a line may follow
        if whole:
            try:
                self._row = dict(json.loads(whole.splitlines()[-1]))
            except (ValueError, TypeError) as error:
                raise FileFormatError(f"{self.path} is damaged: {error!r}.") from None
            self._read = start + len(whole)
        return self._row

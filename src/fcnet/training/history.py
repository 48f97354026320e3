"""What happened in training: a row an epoch, with the rows of its batches inside."""

import json
from typing import Any

Row = dict[str, Any]


class History(list[Row]):
    """The finished epochs, as plain dicts that JSON can hold.

    A row has ``epoch`` (from 1), ``iteration`` (finished so far), ``loss`` (mean over its batches, of what is minimised: with
    penalty, dropout and label smoothing), ``train_loss`` and ``train_accuracy`` (of training rows without all that, to compare
    with the validation), ``val_loss`` and ``val_accuracy`` (both absent without validation data), the `monitor` of the trainer
    where that is another, as ``val_roc_auc``, ``learning_rate`` (of its last batch), and ``batches``: a list of
    ``{"iteration", "loss", "learning_rate"}``. It holds no times, so that two equal runs have equal histories.

    Examples
    --------
    >>> history = History([{"epoch": 1, "loss": 2.3, "batches": [{"iteration": 1, "loss": 2.3}]}])
    >>> history.column("loss")
    [2.3]
    >>> History.from_jsonl(history.to_jsonl()) == history
    True
    """

    def __repr__(self) -> str:
        return f"<History of {len(self)} epochs>"

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take the attributes of a pickle; one of before, when this was no list, has its rows there."""
        others = dict(state)
        self.extend(others.pop("rows", ()))
        vars(self).update(others)

    @property
    def rows(self) -> list[Row]:
        """The history itself: it is the list of its rows."""
        return self

    def column(self, name: str) -> list[Any]:
        """Return one value of every epoch, None where an epoch has none."""
        return [row.get(name) for row in self]

    def batch_column(self, name: str) -> list[Any]:
        """Return one value of every batch of every epoch, where there were batches."""
        return [batch[name] for row in self for batch in row.get("batches", ())]

    def to_jsonl(self) -> str:
        """Return the rows as JSON lines; numbers come back exactly as they were."""
        return "".join(map(line_of, self))

    @classmethod
    def from_jsonl(cls, text: str) -> "History":
        """Read what `to_jsonl` wrote; half a line at the end, where its writer was killed, is left out."""
        whole, _, rest = text.rpartition("\n")
        try:
            return cls([json.loads(line) for line in [*whole.splitlines(), *filter(None, [rest])]])
        except ValueError:
            return cls([json.loads(line) for line in whole.splitlines()])


def line_of(row: Row) -> str:
    """Return a row as a line of JSON."""
    return json.dumps(row) + "\n"

"""Which of several machines trains the finalists of a study."""

import logging
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from fcnet.experiments.sweep.storage import GRACE, HEARTBEAT, beating

if TYPE_CHECKING:
    from optuna.study import Study

WINNER = "winner"  # an attribute of a study: where its finalists were trained; until then that, and the last sign of life
CLAIM_SECONDS = 1.0
_log = logging.getLogger(__name__)


@contextmanager
def claimed(study: "Study", folder: Path) -> Iterator[bool]:
    """Give whether this machine is to train the finalists, in the body of a ``with``, which does.

    If another one is at it, wait for its end. If it gives no sign of life for a minute, this one takes its place. Two that take
    each other for dead do no harm: both train the same, each in a folder of its own.
    """
    me = f"{socket.gethostname()}:{folder.resolve()}"

    def sign() -> None:
        study.set_user_attr(WINNER, [me, time.time()])

    while (there := _waited_for(study, me)) is None:
        sign()
        time.sleep(CLAIM_SECONDS)  # of several at once the last to write is the one
        if study.user_attrs[WINNER][0] == me:
            with beating(sign):
                yield True
            study.set_user_attr(WINNER, me)
            return
    _log.info("The finalists were trained in %s", there)
    yield False


def _waited_for(study: "Study", me: str) -> str | None:
    """Return where the finalists were trained by another machine, as soon as it has done that; None if this one may begin."""
    seen, n_same = None, 0
    while (claim := study.user_attrs.get(WINNER)) is not None and me not in (claim, claim[0]):
        if isinstance(claim, str):
            return claim
        if seen is None:
            _log.info("The finalists are being trained in %s: waiting for their end", claim[0])
        n_same = n_same + 1 if claim == seen else 0
        if n_same >= GRACE / HEARTBEAT:  # counted, as the database may be away for longer
            return None
        seen = claim
        time.sleep(HEARTBEAT)
    return None

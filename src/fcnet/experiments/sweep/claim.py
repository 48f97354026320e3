"""Which of several machines trains the finalists of a study."""

import logging
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from fcnet.experiments.sweep.storage import GRACE, HEARTBEAT, beating
from fcnet.experiments.sweep.study import Account, account, trials_of

if TYPE_CHECKING:
    from optuna.study import Study

# An attribute of a study: where its finalists were trained, and after how many trials; until then the last sign of life there;
# and the same of the finalists of fewer trials, if some were trained before.
FINAL = "final"
CLAIM_SECONDS = 1.0
REPLACES = "This winner replaces the one that was found with {ended} trials in {in}, which is out of date."
_log = logging.getLogger(__name__)


@contextmanager
def claimed(study: "Study", folder: Path, now: Account) -> Iterator[tuple[Account | None, list[str]]]:
    """Give the trials whose finalists this machine is to train, in the body of a ``with``, which does, and warnings.

    They are those of `now`, and what has ended since. None if another machine has trained the finalists of so many trials. If
    there is a winner of fewer trials, a warning says that it is replaced.

    If another one is at it, wait for its end. If it gives no sign of life for a minute, this one takes its place. Two that take
    each other for dead do no harm: both train the same, each in a folder of its own.
    """
    me = f"{socket.gethostname()}:{folder.resolve()}"

    def sign() -> None:
        study.set_user_attr(FINAL, {"in": me, "at": time.time(), "replaces": replaces})

    while (there := _waited_for(study, me, len(now.ended))) is None:
        claim, n_ended = study.user_attrs.get(FINAL, {}), len(now.ended)
        replaces = claim if claim.get("ended", n_ended) < n_ended else claim.get("replaces", {})
        sign()
        time.sleep(CLAIM_SECONDS)  # of several at once the last to write is the one
        if study.user_attrs[FINAL]["in"] == me:
            now = account(trials_of(study))
            with beating(sign):
                yield now, [REPLACES.format(**replaces)] if replaces else []
            study.set_user_attr(FINAL, {"in": me, "ended": len(now.ended), "replaces": replaces})
            return
    _log.info("The finalists were trained in %s", there)
    yield None, []


def _waited_for(study: "Study", me: str, n_ended: int) -> str | None:
    """Return where another machine has trained the finalists of `n_ended` trials, when it has; None if this one may begin."""
    seen, n_same = None, 0
    while (claim := study.user_attrs.get(FINAL)) is not None and claim["in"] != me:
        if "ended" in claim:
            return str(claim["in"]) if claim["ended"] >= n_ended else None
        if seen is None:
            _log.info("The finalists are being trained in %s: waiting for their end", claim["in"])
        n_same = n_same + 1 if claim == seen else 0
        if n_same >= GRACE / HEARTBEAT:  # counted, as the database may be away for longer
            return None
        seen = claim
        time.sleep(HEARTBEAT)
    return None

"""What Ctrl-C does to long commands."""

import math
import signal
import time
from typing import Any

SAME_STOP_SECONDS = 1.0


def stop_once() -> None:
    """Answer SIGTERM, which batch systems send, as Ctrl-C, and of several signals within a second only the first.

    `timeout` sends each signal twice, and so do fingers. A training that is stopped saves how far it has come; a later signal
    stops that, too.
    """
    first = -math.inf

    def stop(number: int, frame: Any) -> None:
        nonlocal first
        now = time.monotonic()
        if now - first > SAME_STOP_SECONDS:
            first = now
            raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) != signal.SIG_IGN:  # as of what a script runs in the background
            signal.signal(number, stop)

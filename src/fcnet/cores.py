"""How many processor cores there are for this process."""

import math
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path, PurePosixPath


def cores() -> int:
    """Return how many cores this process may use: those it may run on, and no more than its control groups give time for."""
    runnable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min(runnable, cgroup_quota())))


@cache
def cgroup_quota(root: str = "/") -> float:
    """Return how many cores' time this process is allowed by its control groups, as those of a container; infinite without.

    ``proc`` and ``sys`` lie in `root`.
    """
    return min(_quotas(Path(root)), default=math.inf)


def _quotas(root: Path) -> Iterator[float]:
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:  # not Linux
        return
    mount = root / "sys/fs/cgroup"
    for line in lines:
        _, controllers, own = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        group = PurePosixPath(own.lstrip("/"))
        for parent in (group, *group.parents):  # a limit holds for all below it; what a container cannot see is not there
            for folder in (mount / controllers / parent, mount / "cpu" / parent) if controllers else (mount / parent,):
                yield from _quota_of(folder)


def _quota_of(folder: Path) -> Iterator[float]:
    """Yield the limit of one group, if it has one: as the second version of control groups writes it, or the first."""
    for names in (("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us")):
        try:
            quota, period = " ".join((folder / name).read_text() for name in names).split()
            if quota not in ("max", "-1"):
                yield int(quota) / int(period)
        except (OSError, ValueError, ZeroDivisionError):
            continue

"""The parts of the benchmark: programs to tune rules on, programs that are held out, and sound ones of further tables.

The first two are its halves. Nothing is in both: neither a data set nor a family of faults. Of the data sets of a kind, in the
order of their names, every second one is held out, from the first on. Each code has two families; of the first code in
alphabetical order the first family, by its name, is held out, of the second code the second, and so on.

The parts "choose-tables" and "state-tables" have no faults: they show false alarms, the former to make them fewer.

Figures of the parts "held-out" and "state-tables" are for the statement. `summary_only` is asked before anything of a single
program of theirs is printed.
"""

import faults  # noqa: F401 - it has all families
from families import FAMILIES
from problems import CHOOSE_TABLES, PROBLEMS, STATE_TABLES

HALVES = ("tune", "held-out")
SOUND = {"choose-tables": CHOOSE_TABLES, "state-tables": STATE_TABLES}
PARTS = (*HALVES, *SOUND)
SEEN = ("tune", "choose-tables")
"""Those of which single programs may be looked at."""


def problems_of(part: str) -> dict[str, str]:
    """Return the data sets of a part, by their names, and their kinds."""
    if part in SOUND:
        return {name: problem.kind for name, problem in SOUND[part].items()}
    found = {}
    for kind in ("image", "table", "regression"):
        names = sorted(name for name, problem in PROBLEMS.items() if problem.kind == kind)
        found |= dict.fromkeys(names[(part == "tune") :: 2], kind)
    return found


def families_of(part: str) -> list[str]:
    """Return the names of the families of a part, one of each code, in the order of the codes."""
    found = []
    for place, code in enumerate(sorted({family.code for family in FAMILIES.values()})):
        names = sorted(name for name, family in FAMILIES.items() if family.code == code)
        found.append(names[(place + (part == "tune")) % 2])
    return found


def part_of(problem: str) -> str:
    """Return the part that a data set, and so a program, belongs to."""
    return next(part for part in PARTS if problem in problems_of(part))


def summary_only(part: str) -> None:
    """Raise SystemExit where single programs are asked for of a part that is not to be looked at."""
    if part not in SEEN:
        raise SystemExit(f"Single programs of the part {part} are not shown: what has been seen is no evidence any more.")

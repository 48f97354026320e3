"""What the findings of tools are worth: recall, first finding, precision, false alarms, and in what time.

A row is what a tool found in one program. Of a single fault the answer is right if its code, or a synonym of `faults.SYNONYMS`
or of its family, is among the findings; "first" asks that of the first finding. Of a pair each of the two is to be found.
Precision is of findings of severity "error" or "warning" in all programs, sound ones included: a finding is right if what was
injected makes it true (`Case.true`) or it is measured as true (`harm.facts`). Notes are no alarms, and "healthy" is no finding.
Intervals are Clopper & Pearson's of 95 %; those of precision take findings as independent, which of one program they are not
quite.
"""

import statistics
from collections.abc import Iterable
from typing import Any

from faults import Case
from scipy.stats import binomtest

Row = dict[str, Any]
ALARMS = ("error", "warning")


def row_of(case: Case | None, found: Iterable[Any], facts: list[str]) -> Row:
    """Return what is judged of one program: the right answers for each injected code, what is true, what was found."""
    codes = case.codes if case else ()
    return {
        "dose": case.dose if case else "healthy",
        "injected": list(codes),
        "accepted": [sorted(case.accepted(code)) for code in codes] if case else [],
        "true": sorted((case.true() if case else set()) | set(facts)),
        "found": [list(each.codes) for each in found if "healthy" not in each.codes],
        "severities": [each.severity for each in found if "healthy" not in each.codes],
        "shares": [each.share for each in found if "healthy" not in each.codes],
    }


def hits(row: Row) -> list[bool]:
    """Return for each injected code whether it is among the findings."""
    return [any(set(codes) & set(right) for codes in row["found"]) for right in row["accepted"]]


def is_first(row: Row) -> bool:
    """Return whether the first finding is right, for either of a pair."""
    return bool(row["found"]) and any(set(row["found"][0]) & set(right) for right in row["accepted"])


def alarms(row: Row) -> list[tuple[list[str], bool]]:
    """Return the findings that are errors or warnings, and whether each is right."""
    pairs = zip(row["found"], row["severities"], strict=True)
    return [(codes, bool(set(codes) & set(row["true"]))) for codes, severity in pairs if severity in ALARMS]


def time_to_first(row: Row) -> float | None:
    """Return the share of the training after which the first right finding was there."""
    right = set().union(*row["accepted"])
    shares = [share for codes, share in zip(row["found"], row["shares"], strict=True) if set(codes) & right]
    return min(shares, default=None)


def share(right: Iterable[bool]) -> str:
    """Return a share with its interval, as a text."""
    each = list(right)
    if not each:
        return "–"
    ends = binomtest(sum(each), len(each)).proportion_ci(method="exact")
    return f"{sum(each)}/{len(each)} = {sum(each) / len(each):.3f} ({ends.low:.2f}–{ends.high:.2f})"


def figures(rows: list[Row]) -> dict[str, str]:
    """Return the figures of one tool, by what they are of."""
    single = [row for row in rows if len(row["injected"]) == 1]
    pairs = [row for row in rows if len(row["injected"]) == 2]
    healthy = [row for row in rows if not row["injected"]]
    strong, mild = ([row for row in single if row["dose"] == dose] for dose in ("strong", "mild"))
    times = [time for row in single if (time := time_to_first(row)) is not None]
    right = [right for row in rows for _, right in alarms(row)]
    cost = statistics.median(row["seconds"] / max(1e-3, row["training_seconds"]) for row in rows)
    return {
        "recall, strong doses": share(hits(row)[0] for row in strong),
        "recall, mild doses": share(hits(row)[0] for row in mild),
        "first finding right, strong": share(is_first(row) for row in strong),
        "pairs: either found": share(any(hits(row)) for row in pairs),
        "pairs: both found": share(all(hits(row)) for row in pairs),
        "precision of errors and warnings": share(right),
        "sound programs with an error or a warning": share(bool(alarms(row)) for row in healthy),
        "median share of the training until the first right finding": f"{statistics.median(times):.2f}" if times else "–",
        "median seconds of the tool, per second of training": f"{cost:.2f}",
    }


def table(by_tool: dict[str, list[Row]]) -> str:
    """Return the comparison as a table in Markdown."""
    columns = {tool: figures(rows) for tool, rows in by_tool.items()}
    names = next(iter(columns.values()))
    lines = [f"| | {' | '.join(columns)} |", f"| --- {'| --- ' * len(columns)}|"]
    lines += [f"| {name} | {' | '.join(column[name] for column in columns.values())} |" for name in names]
    return "\n".join(lines)


def by_code(rows: list[Row]) -> str:
    """Return recall and precision of one tool for each code, as a table in Markdown."""
    codes = sorted({code for row in rows for code in row["injected"]} | {codes[0] for row in rows for codes in row["found"]})
    lines = ["| code | found of injected | right of reported |", "| --- | --- | --- |"]
    for code in codes:
        found = [hit for row in rows for own, hit in zip(row["injected"], hits(row), strict=True) if own == code]
        right = [right for row in rows for found_codes, right in alarms(row) if found_codes[0] == code]
        lines.append(f"| {code} | {sum(found)}/{len(found)} | {sum(right)}/{len(right)} |")
    return "\n".join(lines)


def misses(rows: dict[str, Row]) -> list[str]:
    """Return a line for each program whose fault was not found, or not first, or in which there was a false alarm."""
    lines = []
    for name, row in rows.items():
        first = "" if not row["injected"] or is_first(row) else "not first"
        lost = [code for code, hit in zip(row["injected"], hits(row), strict=True) if not hit]
        false = [codes[0] for codes, right in alarms(row) if not right]
        if lost or false or first:
            said = ", ".join(codes[0] for codes in row["found"]) or "nothing"
            what = [f"missed {', '.join(lost)}"] * bool(lost) + [first] * bool(first and not lost)
            what += [f"false {', '.join(false)}"] * bool(false)
            lines.append(f"{name}: {'; '.join(what)} | said: {said}")
    return lines

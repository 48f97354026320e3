"""The benchmark of the doctor: which faults of training programs it finds, and how often it cries wolf.

    python benchmarks/doctor/run.py --part tune                        # measures harm, runs all tools, reports: an hour
    python benchmarks/doctor/run.py --part tune --only find --tools fcnet --again
    python benchmarks/doctor/run.py --part tune --only report --misses
    python benchmarks/doctor/run.py --part choose-tables --misses      # sound programs of further tables, to look at
    python benchmarks/doctor/run.py --part held-out --jobs 2           # for the statement, as state-tables; the summary alone

First the harm of each fault is measured, and the soundness of each program without one (`harm.py`); programs that fail are left
out. Then each tool is given each program. Results are lines of runs/doctor, so that a run that was stopped goes on; `--again`
asks the named tools once more. Programs and faults are drawn from fixed seeds. `FCNET_DATA` names the folder of CIFAR-10. Set
``OPENBLAS_NUM_THREADS=1``: the networks are small.

The report says how many programs there are, and has the table of all tools; `--codes` adds a table of each code, and
`--misses` each program that a tool got wrong, which is refused for what is for the statement.
"""

import argparse
import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from faults import Case, cases
from halves import PARTS, SEEN, SOUND, problems_of, summary_only
from harm import best, facts, harm, health, is_sound, linear_of, shows
from judge import by_code, misses, row_of, table
from lines import add, commit, read
from problems import RUNS
from programs import Program, healthy, healthy_of_tables, healthy_work
from tools import TOOLS, timed
from traces import record

Job = Case | Program


def jobs_of(part: str, copies: int) -> list[Job]:
    """Return the sound programs and the faulty ones of a part."""
    problems = problems_of(part)
    if part in SOUND:
        return list[Job](healthy_of_tables(problems, copies))
    return [*(program for program in healthy(copies) if program.problem in problems), *cases(part, copies)]


def problem_of(job: Job) -> str:
    """Return the name of the data set of a program."""
    return job.problem if isinstance(job, Program) else job.program.problem


def measure(job: Job) -> list[dict[str, Any]]:
    """Return the harm of a fault, or what a sound program reaches, as the only row of a list."""
    found = health(job) if isinstance(job, Program) else harm(job)
    return [{"name": job.name, "problem": problem_of(job), "linear": linear_of(problem_of(job)), **found}]


def ask(job: Job, tools: list[str]) -> list[dict[str, Any]]:
    """Return what tools find in a program, a row each."""
    trace = record(healthy_work(job) if isinstance(job, Program) else job.work())
    true = facts(trace)
    rows = []
    for tool in tools:
        found, seconds = timed(TOOLS[tool], trace)
        row = row_of(job if isinstance(job, Case) else None, found, true)
        rows.append({"name": job.name, "tool": tool, **row, "seconds": seconds})
    return rows


def do(path: Path, todo: list[tuple[Any, ...]], work: Callable[..., list[dict[str, Any]]], jobs: int, part: str) -> None:
    """Do what is left, and append its rows; names are printed of what may be looked at alone."""
    results: Iterator[list[dict[str, Any]]]
    now = commit()
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) if jobs > 1 else _Here() as pool:
        results = pool.map(work, *zip(*todo, strict=True)) if todo else iter(())
        for number, rows in enumerate(results, 1):
            for row in rows:
                add(path, row | {"commit": now})
            print(f"{number} of {len(todo)}{': ' + rows[0]['name'] if part in SEEN else ''}", flush=True)


class _Here:
    """A pool whose only process is this one."""

    map = staticmethod(map)

    def __enter__(self) -> "_Here":
        return self

    def __exit__(self, *_: object) -> None:
        pass


def counted(part: str, jobs: list[Job], beyond: int = 0) -> tuple[list[Job], str]:
    """Return the programs that count, and a sentence on how many do not and why, beyond the first so many sets."""
    there = {name: row for (name,), row in read(RUNS / f"{part}-harm.jsonl", "name").items()}
    sound = [job for job in jobs if isinstance(job, Program) and job.name in there]
    faulty = [job for job in jobs if isinstance(job, Case) and job.name in there]
    known = best([there[job.name] for job in sound])
    before = {job.name for job in jobs_of(part, beyond)} if beyond else set[str]()
    sound, faulty = ([job for job in each if job.name not in before] for each in (sound, faulty))

    def is_good(job: Job) -> bool:
        row, of_set = there[job.name], known.get(problem_of(job))
        return of_set is not None and is_sound(row, of_set)

    good = [job for job in sound if is_good(job)]
    twins = [job for job in faulty if is_good(job)]
    harmed = [job for job in twins if _is_fault(job, there[job.name])]
    words = (
        f"{len(good)} sound programs, as {len(sound) - len(good)} of {len(sound)} were not sound; {len(harmed)} faulty ones, "
        f"as {len(faulty) - len(twins)} of {len(faulty)} have no sound twin, and {len(twins) - len(harmed)} do no harm or "
        "do not show it."
    )
    return [*good, *harmed], words


def _is_fault(case: Case, row: dict[str, Any]) -> bool:
    return row["harms"] and all(shows(code, row["faulty"], row["linear"]) for code in case.codes)


def report(part: str, jobs: list[Job], beyond: int, tools: list[str], codes: bool, single: bool) -> None:
    """Print the figures of what is there."""
    if single:
        summary_only(part)
    chosen, words = counted(part, jobs, beyond)
    there = read(RUNS / f"{part}-findings.jsonl", "name", "tool")
    trained = read(RUNS / f"{part}-harm.jsonl", "name")  # without what records for the tools
    for (name, _), row in there.items():
        row["training_seconds"] = trained[name,]["faulty"][0]["seconds"] if (name,) in trained else float("nan")
    names = {job.name for job in chosen}
    complete = [name for name in names if all((name, tool) in there for tool in tools)]
    print(f"\nPart {part}: {words} Tools were asked of {len(complete)} of {len(names)}.\n")
    if not complete:
        return
    by_tool = {tool: {name: there[name, tool] for name in sorted(complete)} for tool in tools}
    print(table({tool: list(rows.values()) for tool, rows in by_tool.items()}))
    for tool, rows in by_tool.items():
        if codes:
            print(f"\n{tool}:\n\n{by_code(list(rows.values()))}")
        if single:
            print(f"\n{tool}:", *misses(rows), sep="\n")


def arguments(words: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=PARTS, default="tune")
    parser.add_argument("--only", choices=("harm", "find", "report"), nargs="+", default=["harm", "find", "report"])
    parser.add_argument("--tools", choices=TOOLS, nargs="+", default=list(TOOLS), metavar="TOOL", help=", ".join(TOOLS))
    parser.add_argument("--copies", type=int, default=2, help="sets of programs, each with every family and dose")
    parser.add_argument("--beyond", type=int, default=0, metavar="N", help="leave the first N sets out, as read before")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--most", type=int, metavar="N", help="stop after N programs, to go on later")
    parser.add_argument("--again", action="store_true", help="ask the tools of all programs once more")
    parser.add_argument("--codes", action="store_true", help="report each code")
    parser.add_argument("--misses", action="store_true", help="report each program that a tool got wrong")
    options = parser.parse_args(words)
    if options.misses:
        summary_only(options.part)
    return options


def main(words: list[str] | None = None) -> None:
    """Do what is asked for and not there, and report."""
    options = arguments(words)
    part, jobs = options.part, jobs_of(options.part, options.copies)
    harms, findings = RUNS / f"{part}-harm.jsonl", RUNS / f"{part}-findings.jsonl"
    if "harm" in options.only:
        there = read(harms, "name")
        do(harms, [(job,) for job in jobs if (job.name,) not in there][: options.most], measure, options.jobs, part)
    if "find" in options.only:
        rows = {} if options.again else read(findings, "name", "tool")
        left = [
            (job, [tool for tool in options.tools if (job.name, tool) not in rows])
            for job in counted(part, jobs, options.beyond)[0]
        ]
        do(findings, [each for each in left if each[1]][: options.most], ask, options.jobs, part)
    if "report" in options.only:
        report(part, jobs, options.beyond, options.tools, options.codes, options.misses)


if __name__ == "__main__":
    main()

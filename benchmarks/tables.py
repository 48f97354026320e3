"""Networks, linear models and boosted trees on open tables: how good they are, how sure that is, and in what time and memory.

    python3.11 -m venv .venv/contenders                       # an environment of their own
    .venv/contenders/bin/pip install --upgrade "pip>=25.1"
    .venv/contenders/bin/pip install "torch>=2.13" --index-url https://download.pytorch.org/whl/cpu     # not gigabytes of CUDA
    .venv/contenders/bin/pip install --editable . --group contenders

    .venv/contenders/bin/python benchmarks/tables.py                   # all on the tables for the statement: a night
    .venv/contenders/bin/python benchmarks/tables.py --contenders fcnet linear HistGB --splits 2
    .venv/contenders/bin/python benchmarks/tables.py --choose --only iris wine --rows 3000
    .venv/contenders/bin/python benchmarks/tables.py --report-only
    .venv/contenders/bin/python benchmarks/tables.py --contenders fcnet --again      # what was measured at other commits

A quarter of each table, 10,000 rows at most, is held out by a split of each seed, stratified for classes; the seed is that of
the contender, too. Choose on the tables of `--choose` alone: what is tuned on is no evidence. Contenders have the defaults of
their packages, but for two settings that the table names:

| contender | gets |
| --- | --- |
| fcnet | numbers: gaps filled with medians and marked, standardised; categories one-hot, gaps one of them |
| fcnet tabular | a frame as it is |
| linear | what fcnet gets: logistic regression, up to 1,000 steps, or ridge regression |
| sklearn MLP | the same; targets of regressions standardised |
| HistGB, LightGBM, XGBoost | a frame as it is, categories as such, gaps as gaps; for HistGB the 255 most frequent categories |
| CatBoost | a frame as it is, categories as strings, their gaps one of them |
| RealMLP-TD, TabM-D | a frame, categories as such, gaps among them; gaps in numbers, which they refuse, filled and marked |

fcnet tabular and the last two split validation rows off what they get. One contender more is one line in
`table_contenders.CONTENDERS`.

Each fit is a process of its own. Times are without what is imported and compiled, as a short fit comes first, and without
reading and preparing rows; predictions of classes are probabilities. `--limit` ends a process, and is recorded. Each result is
a line of runs/tables/state.jsonl or choose.jsonl, with threads, versions and commit; a run that was stopped goes on.

The report takes the splits that all contenders in it have. Who reached the limit on a table is as good there as the worst of
the others. The pictures beside the results join those that Wilcoxon's test with Holm's correction does not tell apart.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Any

from lines import add, commit, read
from table_contenders import CONTENDERS
from table_data import CHOOSE, STATE
from table_report import MEASURES, common, goodness, means, picture, report

RUNS = Path(__file__).parent.parent / "runs" / "tables"
FIT = Path(__file__).parent / "table_contenders.py"
JOB = ("split", "table", "contender", "rows", "threads")


def fit(job: dict[str, Any], limit: float) -> dict[str, Any]:
    """Return what a process of its own has measured, or the limit that it reached."""
    threads = {f"{library}_NUM_THREADS": str(job["threads"]) for library in ("OMP", "OPENBLAS", "MKL")}
    environment = os.environ | threads | {"CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-W", "ignore", str(FIT), json.dumps(job)]
    with tempfile.TemporaryDirectory() as folder:  # where some leave files
        try:
            done = subprocess.run(
                command, cwd=folder, env=environment, timeout=limit, check=True, capture_output=True, text=True
            )
        except subprocess.TimeoutExpired:
            return {"limit": limit}
    return dict(json.loads(done.stdout.splitlines()[-1]))


def run(keys: list[tuple[Any, ...]], results: Path, limit: float, again: bool) -> int:
    """Do what is not done yet, and return how many processes have failed."""
    there, failed = read(results, *JOB), 0
    for key in keys:
        job, before = dict(zip(JOB, key, strict=True)), there.get(key)
        if before and before.get("limit", limit) >= limit and not (again and before["commit"] != commit()):
            continue
        now = commit()  # before the time in which others may commit
        label = f"{job['table']}, split {job['split']}, {job['contender']}"
        try:
            found = fit(job, limit)
        except subprocess.CalledProcessError as error:
            failed += 1
            print(f"{label}: failed\n{error.stderr}", flush=True)
            continue
        add(results, {**job, "commit": now, **found})
        score = found.get("accuracy", found.get("r2"))
        words = "limit" if score is None else f"{score:.4f} in {found['fit_seconds']:.2f} s"
        print(f"{label}: {words}", flush=True)
    return failed


def duration(text: str) -> float:
    """Return the seconds of a duration such as 90s, 20m or 2h."""
    return float(text[:-1]) * 60.0 ** "smh".index(text[-1:])


def arguments(words: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--choose", action="store_true", help="tables that defaults are chosen on")
    parser.add_argument("--only", nargs="+", metavar="TABLE", help="all by default")
    parser.add_argument(
        "--contenders",
        nargs="+",
        choices=CONTENDERS,
        default=list(CONTENDERS),
        metavar="NAME",
        help=f"of {', '.join(CONTENDERS)}; all by default",
    )
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--rows", type=int, default=10_000, help="most rows of a table")
    parser.add_argument("--threads", type=int, default=2, help="of each contender")
    parser.add_argument(
        "--limit", type=duration, default="1h", metavar="TIME", help="of each process, as 90s, 20m or 2h; an hour by default"
    )
    parser.add_argument("--again", action="store_true", help="measure anew what was measured at another commit")
    parser.add_argument("--out", type=Path, default=RUNS, help="where results and pictures are kept")
    parser.add_argument("--report-only", action="store_true")
    options = parser.parse_args(words)
    tables = CHOOSE if options.choose else STATE
    options.only = options.only or list(tables)
    if unknown := set(options.only) - set(tables):
        parser.error(f"there is no table {', '.join(sorted(unknown))} among {', '.join(tables)}")
    if not options.report_only:
        packages = {CONTENDERS[name].package.partition(".")[0] for name in options.contenders}
        if missing := sorted(package for package in packages if find_spec(package) is None):
            parser.error(f"{', '.join(missing)} not installed: --help says how; or name others in --contenders")
    return options


def main(words: list[str] | None = None) -> None:
    """Measure what is asked for and not there, and report."""
    options = arguments(words)
    name = "choose" if options.choose else "state"
    results = options.out / f"{name}.jsonl"
    keys = list(product(range(options.splits), options.only, options.contenders, [options.rows], [options.threads]))
    failed = 0 if options.report_only else run(keys, results, options.limit, options.again)
    everything = read(results, *JOB)
    lines = [everything[key] for key in keys if key in everything]
    there = {line["contender"] for line in lines}
    found = common(lines, [who for who in CONTENDERS if who in there])
    commits = ", ".join(sorted({line["commit"] for line in lines}))
    print(
        f"{len(found)} results of {len(lines)} are of splits that all contenders have. Commits: {commits}.\n\n{report(found)}"
    )
    for measure, title in MEASURES.items():
        values = means(found, measure)
        if len(values) and values.shape[1] > 1:
            picture(goodness(values, measure), results.with_name(f"{name}-{measure}.svg"), title)
    if failed:
        sys.exit(f"{failed} fits have failed.")


if __name__ == "__main__":
    main()

"""How large the pages of a study and of several runs are, and how long a browser takes to open them.

    python benchmarks/pages.py              # a study of 100 trials, and 100 runs; a few minutes to make them

Opened is a page whose charts are drawn: two frames after the event `load`, by the clock of Chromium.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from lines import call, commit

sys.path.insert(0, str(Path(__file__).parent.parent / "docs"))
from browser import chromium, show

DRAWN = """
const done = arguments[0];
const drawn = () => requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now())));
if (document.readyState == "complete") drawn(); else addEventListener("load", drawn);
"""


def make_study(folder: Path, n: int) -> Path:
    """Sweep the digits, and return the page."""
    call("sweep", "digits", "--out", str(folder), "--trials", str(n), "--winner-seeds", "1", "--threads", "1")
    return folder / "report.html"


def make_runs(folder: Path, n: int) -> Path:
    """Train digits with many seeds and rates, and return the page of all runs."""
    for seed in range(n):
        own = ["--set", f"learning_rate={0.002 * 1.05**seed:.4g}", "--seed", str(seed)]
        call("train", "digits", *own, "--out", str(folder / f"{seed:03d}"), "--threads", "1")
    page = folder / "runs.html"
    subprocess.run([sys.executable, "-m", "fcnet", "report", str(folder), "--out", str(page)], check=True)
    return page


def main() -> None:
    """Make the pages, open each in turn, and print what that took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100, help="of trials, and of runs")
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as made, chromium() as driver:
        pages = {
            "trials": make_study(Path(made) / "study", options.count),
            "runs": make_runs(Path(made) / "runs", options.count),
        }
        seconds: dict[str, list[float]] = {what: [] for what in pages}
        for _ in range(options.rounds):
            for what, page in pages.items():
                show(driver, page, 1280, "light")
                seconds[what].append(driver.execute_async_script(DRAWN) / 1000)
        print("| page | size | opened in (least to most) | commit |\n| --- | --- | --- | --- |")
        for what, page in pages.items():
            times = seconds[what]
            spread = f"{statistics.median(times):.2f} s ({min(times):.2f} to {max(times):.2f})"
            print(f"| {options.count} {what} | {page.stat().st_size / 1000:,.0f} kB | {spread} | {commit()} |")


if __name__ == "__main__":
    main()

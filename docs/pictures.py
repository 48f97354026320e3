"""Make the pictures of the README and of the documentation anew, light and dark, in `docs/pictures/`.

``python docs/pictures.py`` trains the digits, and takes pictures of the run's report and learning curves in Chromium.
``python docs/pictures.py STUDY`` takes those of the page of a sweep.
"""

import argparse
import io
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from browser import chromium, show
from PIL import Image

from fcnet import plots
from fcnet.experiments.results import read_history

FOLDER = Path(__file__).parent / "pictures"
COLOURS = {"light": ("#ffffff", "#1c2430"), "dark": ("#12161c", "#e4e8ee")}  # paper and ink of the report
PAGE = "<body style='background:{paper};margin:0;padding:12px;display:grid;grid-template-columns:1fr 1fr'>{curves}</body>"


def keep(picture: bytes, name: str) -> None:
    """Write a picture of few colours, which takes a third of the space."""
    with Image.open(io.BytesIO(picture)) as image:
        image.convert("RGB").quantize(128, dither=Image.Dither.NONE).save(FOLDER / f"{name}.png", optimize=True)


def take_run(driver: Any) -> None:
    """Train the digits, and take pictures of the report and of learning curves."""
    with tempfile.TemporaryDirectory() as folder:
        run, page = Path(folder) / "digits", Path(folder) / "curves.html"
        subprocess.run([sys.executable, "-m", "fcnet", "train", "digits", "--out", run], check=True)
        history = read_history(run)
        for theme, (paper, ink) in COLOURS.items():
            show(driver, run / "report.html", 1100, theme)
            end = driver.execute_script("return Math.ceil(document.querySelector('#training').getBoundingClientRect().bottom)")
            show(driver, run / "report.html", 1100, theme, height=end + 16)
            keep(driver.get_screenshot_as_png(), f"report-{theme}")
            figures = (plots.plot_epoch_loss(history), plots.plot_accuracy(history))
            page.write_text(PAGE.format(paper=paper, curves="".join(plots.to_svg(figure, ink) for figure in figures)))
            show(driver, page, 900, theme, height=330)
            keep(driver.get_screenshot_as_png(), f"curves-{theme}")


def take_study(driver: Any, study: Path) -> None:
    """Take a picture of each part of a study's page that the documentation shows."""
    for theme in COLOURS:
        show(driver, (study / "report.html").resolve(), 1100, theme)
        height = driver.execute_script("return document.documentElement.scrollHeight")
        show(driver, (study / "report.html").resolve(), 1100, theme, height=height)
        time.sleep(2)  # until the charts have come to rest
        for part in ("parallel", "slices", "curves"):
            keep(driver.find_element("id", part).screenshot_as_png, f"sweep-{part}-{theme}")


def main() -> None:
    """Take what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path, nargs="?", help="the folder of a sweep")
    study = parser.parse_args().study
    FOLDER.mkdir(exist_ok=True)
    with chromium() as driver:
        if study:
            take_study(driver, study)
        else:
            take_run(driver)


if __name__ == "__main__":
    main()

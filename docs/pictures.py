"""Make the pictures of the README and of the first steps anew: a report and learning curves, light and dark.

``python docs/pictures.py`` trains the digits, opens the run's report in Chromium, and writes `docs/pictures/`.
"""

import io
import subprocess
import sys
import tempfile
from pathlib import Path

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


def main() -> None:
    """Train, look, and write."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, chromium() as driver:
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


if __name__ == "__main__":
    main()

"""Open every built page in Chromium, and name what is wider than the screen, or a picture that is missing.

``python docs/look.py docs/_build/html`` looks at 390 and 1280 pixels. ``--pictures FOLDER`` keeps what it sees, light and dark.
Names of pages leave out the others.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from browser import chromium, show

# What sticks out on the right, unless something around it scrolls; and pictures that did not load.
WIDER = """
const scrolls = e => e && (["auto", "scroll"].includes(getComputedStyle(e).overflowX) || scrolls(e.parentElement));
const outside = e => e.getBoundingClientRect().right > innerWidth + 1;
const wide = [...document.querySelectorAll("article *")].filter(e => outside(e) && !scrolls(e));
const page = document.scrollingElement.scrollWidth > innerWidth ? ["the page"] : [];
const lost = [...document.images].filter(i => i.offsetParent && !i.naturalWidth).map(i => "lost " + i.src);
return [...page, ...wide.slice(0, 3).map(e => `${e.tagName} ${e.className} ${e.textContent.slice(0, 40)}`), ...lost];
"""


def look(driver: Any, page: Path, folder: Path | None) -> list[str]:
    """Return what is wrong with a page; keep pictures of it in the folder."""
    found = []
    for width in (390, 1280):
        for theme in ("light", "dark") if folder else ("light",):
            show(driver, page, width, theme)
            found += [f"{page.name} at {width}: {thing}" for thing in driver.execute_script(WIDER)] if theme == "light" else []
            if folder:
                height = driver.execute_script("return document.documentElement.scrollHeight")
                show(driver, page, width, theme, height=height)
                (folder / f"{page.stem}-{width}-{theme}.png").write_bytes(driver.get_screenshot_as_png())
    return found


def main() -> int:
    """Look at the pages that the arguments name."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("html", type=Path)
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("pages", nargs="*")
    options = parser.parse_intermixed_args()
    if options.pictures:
        options.pictures.mkdir(parents=True, exist_ok=True)
    pages = [page.resolve() for page in sorted(options.html.glob("*.html")) if not options.pages or page.stem in options.pages]
    with chromium() as driver:
        found = [thing for page in pages for thing in look(driver, page, options.pictures)]
    print(*(found or [f"{len(pages)} pages fit on a phone"]), sep="\n")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())

"""A headless Chromium: for pictures of pages, and to see whether they fit on a phone."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FLAGS = ["headless=new", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-sync", "hide-scrollbars"]
FLAGS += ["disable-background-networking", "disable-component-update", "disable-dev-shm-usage"]  # /dev/shm may be small


@contextmanager
def chromium() -> Iterator[Any]:
    """Yield a driver of Chromium; both programs have to be on the PATH."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        for flag in (*FLAGS, f"user-data-dir={profile}"):
            options.add_argument(f"--{flag}")
        driver = webdriver.Chrome(options, Service(executable_path=shutil.which("chromedriver")))
        try:
            yield driver
        finally:
            driver.quit()


def show(driver: Any, page: Path, width: int, theme: str, *, height: int = 844, density: float = 1) -> None:
    """Open a page on a screen of that size, with the system's theme light or dark."""
    screen = {"width": width, "height": height, "deviceScaleFactor": density, "mobile": width < 600}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": theme}]})
    driver.get(page.as_uri())

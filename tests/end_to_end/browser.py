"""Headless Chromium, as the tests of the report drive it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

# Names of the programs on the distributions; `apt-get install chromium chromium-driver` has the first of both.
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")


def programs() -> tuple[str, str] | None:
    """Chromium and its driver, if both are installed."""
    chromium = next((path for name in CHROMIUM if (path := shutil.which(name))), None)
    driver = shutil.which("chromedriver")
    return (chromium, driver) if chromium and driver else None


@contextmanager
def browser(width: int = 1280, height: int = 1000, scheme: str = "light") -> Iterator[Any]:
    """A headless Chromium without network; its console is kept."""
    found = programs()
    if not found:
        pytest.skip("NOT RUN: Chromium and its driver are not installed (Debian: apt-get install chromium chromium-driver)")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = found[0]
    for argument in (
        "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
        "--host-resolver-rules=MAP * ~NOTFOUND", f"--window-size={width},{height}",
    ):  # fmt: skip
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(found[1]))
    try:
        # The window's size holds a frame; this is the page's.
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        feature = {"name": "prefers-color-scheme", "value": scheme}
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "screen", "features": [feature]})
        driver.set_script_timeout(60)
        yield driver
    finally:
        driver.quit()


def screenshot(driver: Any, path: Path) -> None:
    """The whole page, not the window."""
    import base64

    size = driver.execute_script("return [document.documentElement.scrollWidth, document.documentElement.scrollHeight]")
    clip = {"x": 0, "y": 0, "width": size[0], "height": min(size[1], 9000), "scale": 1}
    shot = driver.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip})
    path.write_bytes(base64.b64decode(shot["data"]))

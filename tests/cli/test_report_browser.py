"""The page in a real browser: at a desk and on a phone, in light and in dark, without a request or a complaint."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from tests.conftest import Ftcli

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DRIVER = shutil.which("chromedriver")
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
OVERFLOW = "const page = document.documentElement; return page.scrollWidth - page.clientWidth"
WIDER = """
const edge = document.documentElement.clientWidth + 1
return [...document.querySelectorAll("body *")]
  .filter(e => !e.closest(".wide, pre, svg") && e.getBoundingClientRect().right > edge)
  .map(e => e.outerHTML.slice(0, 80))
"""

pytestmark = pytest.mark.skipif(not BROWSER or not DRIVER, reason="needs chromium and chromedriver")


@pytest.fixture(scope="module")
def browser() -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = str(BROWSER)
    for flag in FLAGS:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield driver
    driver.quit()


def opened(browser: webdriver.Chrome, page: Path, *, width: int, scheme: str) -> None:
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    feature = {"name": "prefers-color-scheme", "value": scheme}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    browser.get(page.resolve().as_uri())


def requests(browser: webdriver.Chrome) -> list[str]:
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    sent = [
        message["params"]["request"]["url"] for message in messages if message["method"] == "Network.requestWillBeSent"
    ]
    return [url for url in sent if not url.startswith("data:")]


def colours(browser: webdriver.Chrome) -> tuple[str, str, str]:
    return tuple(
        browser.execute_script(
            "const of = (e, p) => getComputedStyle(e)[p];"
            "return [of(document.body, 'backgroundColor'), of(document.body, 'color'),"
            " of(document.querySelector('svg text'), 'fill')]"
        )
    )


@pytest.mark.parametrize("runs", [("run",), ("run", "stopped")], ids=["one run", "two runs"])
def test_a_page_fits_and_asks_for_nothing(
    browser: webdriver.Chrome, trained: Path, tmp_path: Path, ftcli: Ftcli, runs: tuple[str, ...]
) -> None:
    page = tmp_path / "page.html"
    assert ftcli("report", *runs, "--output", page).code == 0
    seen: dict[str, tuple[str, str, str]] = {}
    for width in (1280, 390):
        for scheme in ("light", "dark"):
            browser.get_log("performance")
            opened(browser, page, width=width, scheme=scheme)
            browser.execute_script("document.querySelectorAll('details').forEach(e => e.open = true)")
            assert browser.execute_script(OVERFLOW) <= 0
            assert browser.execute_script(WIDER) == []
            assert requests(browser) == [page.resolve().as_uri()]
            assert browser.get_log("browser") == []
            seen[scheme] = colours(browser)
    assert all(light != dark for light, dark in zip(seen["light"], seen["dark"], strict=True))
    assert seen["dark"][1] == seen["dark"][2]

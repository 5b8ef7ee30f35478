"""The page in a real browser: two widths, light and dark, without a network."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from osler.report.page import write_report

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if not CHROMIUM.is_file():
        pytest.skip(f"no Chromium at {CHROMIUM}")
    playwright = pytest.importorskip("playwright.sync_api", reason="the package playwright is not installed")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield opened
        opened.close()


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_shows_its_plots_and_asks_for_nothing(
    browser: Any, long_run: Path, width: int, scheme: str
) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    asked: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    address = write_report(long_run).as_uri()
    try:
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        for name in ("plot-flow", "plot-steps", "plot-loss", "plot-scores", "plot-rates"):
            shown = page.locator(f"#{name} svg:visible")
            assert shown.count() == 1
            box = shown.bounding_box()
            assert box["width"] >= 300
            assert box["height"] >= 150
            # Text is drawn at no less than nine tenths of its 12 px.
            assert box["width"] / float(shown.get_attribute("viewBox").split()[2]) >= 0.9
        assert set(asked) <= {address, "data:,"}
        assert complaints == []
    finally:
        page.close()

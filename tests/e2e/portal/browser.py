"""A real browser for tests of the portal: Debian's Chromium, driven by Playwright, which reports what it objects to.

`MEDSPACE_CHROMIUM` names another one, `MEDSPACE_LOOKS` a folder that gets a picture of each page that was checked, at
each width. A page that complains on its console (also of the content security policy), or throws, fails its test.
"""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import axe_playwright_python
import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect, sync_playwright

from medspace.app.node.language import header_language, speaker

PATIENCE = 60_000  # milliseconds until something stands on a page, on a loaded machine
LOOKS = os.environ.get("MEDSPACE_LOOKS", "")
expect.set_options(timeout=PATIENCE)
AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
WIDTHS = (360, 1024, 1600)


def chromium() -> str:
    """Where the browser is; without one the test is skipped, but not in continuous integration."""
    found = os.environ.get("MEDSPACE_CHROMIUM") or shutil.which("chromium")
    if found is None and not os.environ.get("CI"):
        pytest.skip("there is no Chromium: apt-get install chromium")
    assert found, "there is no Chromium: apt-get install chromium"
    return found


@contextmanager
def browsing() -> Iterator[Browser]:
    """A running browser."""
    with sync_playwright() as playwright, reading_after_clicks():
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def reading_after_clicks() -> Iterator[None]:
    """A click that leads to another page returns when that page has been read to its end.

    By itself it returns with the page's first bytes, and what is looked for at once may not be there yet.
    """
    click = Locator.click

    def clicked(self: Locator, **settings: Any) -> None:
        click(self, **settings)
        self.page.wait_for_load_state("domcontentloaded")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Locator, "click", clicked)
        yield


class Visitor:
    """Somebody with a browser of their own, at the portal of one participant."""

    def __init__(self, context: BrowserContext, url: str, locale: str = "en-GB") -> None:
        self.context, self.url, self.language = context, url, header_language(locale)
        self.objections: list[str] = []
        self.page = self.watched(context.new_page())

    def watched(self, page: Page) -> Page:
        """A page whose complaints are kept."""
        page.on("console", lambda said: said.type in ("error", "warning") and self.objections.append(said.text))
        page.on("pageerror", lambda error: self.objections.append(str(error)))
        return page

    def enter(self, link: str) -> None:
        """Sign in with a one-time link."""
        self.page.goto(link)
        self.page.locator("form[action$='/enter'] button").click()
        self.page.wait_for_url(f"{self.url}/portal/")

    def open(self, path: str) -> int:
        """Open a page of the portal; its status."""
        answer = self.page.goto(f"{self.url}/portal{path}")
        assert answer is not None
        return answer.status

    def said(self, sentence: str) -> str:
        """A sentence of the program as this person reads it."""
        return speaker(self.language)(sentence)

    def link(self, name: str) -> Locator:
        """The first link of this name, which is given in English."""
        return self.page.get_by_role("link", name=self.said(name), exact=True).first

    def button(self, name: str) -> Locator:
        """The first button of this name, which is given in English."""
        return self.page.get_by_role("button", name=self.said(name), exact=True).first

    def field(self, name: str) -> Locator:
        """The field of this label, which is given in English."""
        return self.page.get_by_label(self.said(name), exact=True)

    def sees(self, sentence: str) -> None:
        """Wait until this text, which is given in English, stands on the page."""
        self.page.get_by_text(self.said(sentence)).first.wait_for()

    def violations(self) -> list[str]:
        """What axe-core finds against WCAG 2.2 AA on the page as it stands, with its style sheets."""
        self.page.wait_for_load_state()
        found = self.page.evaluate(
            f"async () => {{ {AXE}; return (await axe.run({{runOnly: {RULES}}})).violations"
            ".map(one => one.id + ': ' + one.nodes.map(node => node.html).join(' | ').slice(0, 300)) }"
        )
        return list(found)

    def overflows(self) -> bool:
        """Whether the page has to be moved sideways to be read."""
        return bool(
            self.page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth + 1")
        )

    def suits(self) -> None:
        """Check that the page as it stands can be used by everybody: nothing for axe, and it fits at every width."""
        found = self.violations()
        assert not found, f"{self.page.url}: {found}"
        for width in WIDTHS:
            self.page.set_viewport_size({"width": width, "height": 900})
            assert not self.overflows(), (self.page.url, width)
            if LOOKS:
                self._look(width)

    def _look(self, width: int) -> None:
        theme = "dark" if self.page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches") else "light"
        name = re.sub(r"[^a-z]+", "-", self.page.url.partition("/portal")[2].lower())[:40].strip("-") or "home"
        mark = sha256(self.page.url.encode()).hexdigest()[:4]
        file = Path(LOOKS, f"{name}-{mark}-{self.language}-{theme}-{width}.png")
        self.page.screenshot(path=file, full_page=True)


@contextmanager
def visiting(browser: Browser, url: str, **settings: object) -> Iterator[Visitor]:
    """Somebody who comes to the portal at `url`; what their browser objects to fails the test at the end."""
    settings = {"locale": "en-GB", **settings}
    context = browser.new_context(**settings)  # type: ignore[arg-type]
    context.set_default_timeout(PATIENCE)
    visitor = Visitor(context, url, str(settings["locale"]))
    yield visitor
    context.close()
    assert visitor.objections == []

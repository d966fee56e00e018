"""Steps of a page of the docs, followed in a browser as they are written.

In a numbered step **bold** is the name of what to press, in its order. A step with `code` is about one field: what is
bold is its label, the code is what to write, choose or upload. What is *slanted* is to be seen once the step is done.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Locator, Page

SECTION = re.compile(r"^## ", re.MULTILINE)
STEP = re.compile(r"^\d+\. (?P<text>(?:.*\n)(?:[ ]{3}.*\n)*)", re.MULTILINE)
BOLD, CODE = re.compile(r"\*\*([^*]+)\*\*"), re.compile(r"`([^`]+)`")
SLANTED = re.compile(r"(?<!\*)\*([^*\n]+)\*(?!\*)")
CONFIG = re.compile(r"[\w/]+/medspace\.toml")
LONG = 120_000  # milliseconds: a training, on a loaded machine


@dataclass(frozen=True)
class TutorialStep:
    """One step: the names of what is pressed, or a field with its value; what is seen afterwards."""

    names: list[str]
    value: str
    seen: list[str]

    def follow(self, page: Page, folder: Path) -> None:
        """Do it."""
        if self.value:
            (label,) = self.names
            fill(page.get_by_label(label, exact=True), self.value, folder)
        else:
            for name in self.names:
                press(page, name)
        for text in self.seen:
            page.get_by_text(text).filter(visible=True).first.wait_for(timeout=LONG)


def steps(section: str) -> list[TutorialStep]:
    """The numbered steps of a section."""
    found = []
    for step in STEP.finditer(section.partition("\n")[2]):  # the first line is the heading
        text = " ".join(step["text"].split())
        values = CODE.findall(text)
        found.append(TutorialStep(BOLD.findall(text), "".join(values[:1]), SLANTED.findall(text)))
    return found


def sections(page: Path) -> list[str]:
    """The sections of a page, the first of them without what stands above it."""
    return SECTION.split(page.read_text(encoding="utf-8"))[1:]


def whose(section: str) -> str:
    """The configuration of the connector whose pages a section is about."""
    return CONFIG.findall(section)[-1]


def press(page: Page, name: str) -> None:
    """Press a button, a link or a box of this name."""
    exact, near = (
        page.get_by_role("button", name=name, exact=exact)
        .or_(page.get_by_role("link", name=name, exact=exact))
        .or_(page.get_by_role("checkbox", name=name, exact=exact))
        .first
        for exact in (True, False)
    )
    exact.or_(near).first.wait_for()
    found = exact if exact.count() else near
    if found.get_attribute("data-passkey") is None:
        found.click()
    else:  # once the device has answered, a script opens the next page
        with page.expect_navigation():
            found.click()
    page.wait_for_load_state()


def fill(field: Locator, value: str, folder: Path) -> None:
    """Write into a field, choose in it, or give it a file."""
    kind = field.evaluate("one => one.type")
    if kind == "file":
        field.set_input_files(folder / value)
    elif kind.startswith("select"):
        field.select_option(value)
    else:
        field.fill(value)

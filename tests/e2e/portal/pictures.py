"""The pictures of the manual: taken by the tests of its stories, so that they show the pages as they are.

`make pictures` takes them. An ordinary run of the tests looks whether they are there, by name: fonts differ from
machine to machine, and so would the pixels.
"""

import ast
import io
import os
import re
from pathlib import Path

from PIL import Image

from medspace.app.node.language import CHINESE, ENGLISH
from tests.e2e.portal.browser import Visitor

HERE = Path(__file__).parent
MANUAL = HERE.parents[2] / "docs" / "manual"
FOLDERS = {ENGLISH: MANUAL, CHINESE: MANUAL / "zh"}
TAKING = bool(os.environ.get("MEDSPACE_PICTURES"))
SIZE = {"width": 1024, "height": 680}
COLOURS = 64
SECRET = re.compile(r"msl_\w")  # how the secret of a link begins
USED = re.compile(r"!\[[^\]]*\]\(pictures/([^)]+)\.png\)")


def picture(visitor: Visitor, name: str, at: str = "") -> None:
    """The page as it stands goes into the manual in the visitor's language, from the heading `at` on (in English)."""
    page = visitor.page
    assert not SECRET.search(page.locator("body").inner_text()), "a link that signs somebody in is not shown"
    file = FOLDERS[visitor.language] / "pictures" / f"{name}.png"
    if not TAKING:
        assert file.is_file(), f"there is no {file}: make pictures"
        return
    page.set_viewport_size(SIZE)
    heading = page.get_by_role("heading", name=visitor.said(at), exact=True).first if at else page.locator("body")
    heading.evaluate("one => { document.activeElement.blur(); one.scrollIntoView(true); scrollBy(0, -24); }")
    shot = page.screenshot(caret="initial")  # what hides the caret is a style sheet that the page does not allow
    file.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(io.BytesIO(shot)) as drawn:
        drawn.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(file, optimize=True)


def taken() -> list[str]:
    """The names of all pictures that tests take."""
    calls = (one for file in HERE.glob("test_*.py") for one in ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
    return [
        one.args[1].value  # type: ignore[attr-defined]
        for one in calls
        if isinstance(one, ast.Call) and isinstance(one.func, ast.Name) and one.func.id == picture.__name__
    ]

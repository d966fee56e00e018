"""A refusal has a button for its next step: to a page that is there, and that the person may open."""

import re
from pathlib import Path

import pytest

from medspace.app.compose.features import FEATURES
from medspace.app.doors.portal.home import PAGES as HOME
from medspace.app.doors.portal.rendering import Frame
from medspace.app.node.language import CHINESE, ENGLISH
from medspace.app.node.pages import PortalRemedy

ERRORS = Path(__file__).parents[3] / "docs" / "reference" / "errors.md"
ALL = [*(feature.pages() for feature in FEATURES if feature.pages), HOME]
REMEDIES = [one for pages in ALL for one in pages.remedies]
PAGES = {page.path: page for pages in ALL for page in pages.pages}
NEW = PortalRemedy("learning.", "/training/new", "Choose anew")
ONE = PortalRemedy("learning.units", "/catalogue", "Find data")


@pytest.mark.parametrize("one", REMEDIES, ids=lambda one: one.code)
def test_a_remedy_is_for_refusals_that_there_are_and_leads_to_a_page_that_the_person_may_open(one):
    codes = re.findall(r"^## (\S+)$", ERRORS.read_text(encoding="utf-8"), re.MULTILINE)
    assert any(one.suits(code) for code in codes)
    assert one.scopes == PAGES[one.path].scopes
    assert "{" not in one.path


def frame(path, page="", language=ENGLISH, remedies=(NEW, ONE)):
    return Frame(language, "Clinic", path=path, page=page, remedies=remedies)


@pytest.mark.parametrize("language", [ENGLISH, CHINESE])
def test_the_way_on_is_that_of_the_longest_code(language):
    assert frame("/training", language=language).way_on("learning.units") == ("/portal/catalogue", "Find data")
    assert frame("/training").way_on("learning.far") == ("/portal/training/new", "Choose anew")
    assert frame("/training").way_on("learning") is None


def test_without_a_way_on_it_is_the_page_that_the_form_stands_on():
    page = "/portal/contracts/negotiation?id=1"
    assert frame("/contracts/answer", page).way_on("request.version") == (page, "Open this page again")
    assert frame("/contracts/negotiation", page).way_on("request.version") is None, "it is that page"
    assert frame("/training/new", "/portal/training/new").way_on("learning.far") is None, "the form stands below"

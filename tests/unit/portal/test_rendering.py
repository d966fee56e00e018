"""What pages say: escaped, in the language of the person, times with their zone."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medspace.app.doors.portal.rendering import AddressError, Frame, Renderer, number, segment, url, when
from medspace.app.doors.portal.shelf import Shelf

RENDERER = Renderer({}, Shelf([]))


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=40))
def test_names_never_become_markup(name):
    frame = Frame("en", name, person=name, token="t")
    page = RENDERER.render("problem.html", frame, {"problem": {"code": name, "sentence": name, "next_step": name}})
    assert "<script>" not in page.replace('<script type="module"', "")
    if "<" in name:
        assert name not in page


def test_a_block_can_be_had_alone():
    frame = Frame("en", "Clinic", person="owner", token="t")
    facts = {"notices": []}
    whole, part = RENDERER.render("home.html", frame, facts), RENDERER.render("home.html", frame, facts, "content")
    assert part.strip() in whole
    assert "<html" not in part
    with pytest.raises(AddressError):
        RENDERER.render("home.html", frame, facts, "elsewhere")


def test_times_say_their_zone_and_follow_the_language():
    assert "29 Nov 2026, 16:05 UTC" in when("2026-11-29T17:05:00+01:00", "en")
    assert "2026年11月29日 16:05 UTC" in when("2026-11-29T16:05:00Z", "zh_Hans")
    assert when(None, "en") == "–"
    assert when("<b>", "en") == "&lt;b&gt;"


def test_numbers_and_addresses():
    assert number(1234567) == "1,234,567"
    assert number(0.123456789) == "0.123457"
    assert url("/catalogue", search="", after="a b") == "/portal/catalogue?after=a+b"
    assert segment("a/b?c") == "a%2Fb%3Fc"


def test_templates_parse():
    folder = Path("src/medspace/app/doors/portal/templates")
    for path in folder.glob("*.html"):
        RENDERER._environment.get_template(path.name)


@pytest.mark.parametrize(
    "stamp", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "<b>2026</b>", "2026-01-01<00:00:00+00:00"]
)
def test_a_time_that_is_none_breaks_no_page(stamp):
    assert "<b>" not in when(stamp, "en")
    assert "01-01<" not in when(stamp, "en")

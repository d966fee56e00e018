"""The manual: it shows all pictures that are taken and no others, and calls things what the pages call them."""

import re

import pytest
from babel.messages.pofile import read_po

from medspace.app.node.language import CHINESE, ENGLISH
from tests.e2e.portal.following import BOLD
from tests.e2e.portal.pictures import FOLDERS, MANUAL, USED, taken

HEADING = re.compile(r"^#+ ", re.MULTILINE)
LARGEST = 2_500_000  # bytes of all pictures
BESIDE = {"DID", "bold", "粗体"}  # a word of all languages, and what the manual says of itself
CATALOGUE = MANUAL.parents[1] / "src/medspace/app/locale/zh_Hans/LC_MESSAGES/medspace.po"
PAGES = sorted(page.name for page in MANUAL.glob("*.md"))


def text(language, page):
    return (FOLDERS[language] / page).read_text(encoding="utf-8")


def used(language):
    """The names of the pictures that the manual shows in a language."""
    return [name for page in PAGES for name in USED.findall(text(language, page))]


def words(language):
    """All that the program says in a language."""
    with CATALOGUE.open("rb") as catalogue:
        said = [(str(one.id), str(one.string)) for one in read_po(catalogue)]
    return {pair[language == CHINESE] for pair in said}


def test_a_picture_is_taken_by_one_test_and_shown_once():
    assert sorted(taken()) == sorted(used(ENGLISH))
    assert len(set(taken())) == len(taken())


@pytest.mark.parametrize("language", [ENGLISH, CHINESE])
def test_every_file_is_shown_and_every_picture_is_there(language):
    files = sorted(file.name for file in (FOLDERS[language] / "pictures").iterdir())
    assert files == sorted(f"{name}.png" for name in used(language))


def test_the_pictures_are_small():
    assert sum(file.stat().st_size for file in MANUAL.rglob("*.png")) < LARGEST


@pytest.mark.parametrize("page", PAGES)
def test_both_languages_have_the_same_parts(page):
    both = [text(language, page) for language in (ENGLISH, CHINESE)]
    assert USED.findall(both[0]) == USED.findall(both[1])
    for part in (HEADING, re.compile(r"^(?:\d+\.|-) ", re.MULTILINE), BOLD):
        assert len(part.findall(both[0])) == len(part.findall(both[1])), part.pattern


@pytest.mark.parametrize("language", [ENGLISH, CHINESE])
def test_what_is_bold_is_what_the_pages_say(language):
    said = words(language) | BESIDE
    assert [name for page in PAGES for name in BOLD.findall(text(language, page)) if name not in said] == []

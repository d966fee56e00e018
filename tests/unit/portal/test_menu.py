"""The menu as a whole: every feature's entries have a place, a key of their own, and a page."""

from collections import Counter

from medspace.app.compose.features import FEATURES
from medspace.app.node.pages import GROUPS

PAGES = [feature.pages() for feature in FEATURES if feature.pages is not None]
MENU = [entry for pages in PAGES for entry in pages.menu]


def test_every_entry_has_a_letter_of_its_own():
    letters = Counter(entry.key for entry in MENU)
    assert [letter for letter, count in letters.items() if count > 1 or letter == "h" or len(letter) != 1] == []


def test_every_entry_stands_in_a_group_and_leads_to_a_page_for_the_same_people():
    pages = {page.path: set(page.scopes) for feature in PAGES for page in feature.pages}
    assert {entry.group for entry in MENU} <= {name for name, _ in GROUPS}
    assert [entry.path for entry in MENU if set(entry.scopes) != pages.get(entry.path)] == []


def test_no_path_is_taken_twice():
    paths = Counter(page.path for feature in PAGES for page in feature.pages)
    actions = Counter(action.path for feature in PAGES for action in feature.actions)
    assert [path for counted in (paths, actions) for path, count in counted.items() if count > 1] == []

"""A TOML file is changed as its owner wrote it, or not at all."""

import stat
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medspace.adapters.ownership import replace_owned, write_owned
from medspace.adapters.toml_editing import TomlEditError, appended, changed

FILE = """\
# Ours.
name = 'a' # why

[[assets]]
id = "one"  # the first
[assets.label]
until = "x"
[[assets.offers]]
template = "t"
[assets.offers.terms]
count = 5 # few
until = "2030"

[[assets]]
id = "two"
offers = [{ template = "t", terms = { count = 7 } }]
"""
TERMS = ("assets", 0, "offers", 0, "terms")


def test_other_values_stand_where_the_old_ones_stood():
    new = changed(FILE, {(*TERMS, "count"): 9, (*TERMS, "until"): None, ("assets", 0, "offered"): False})
    assert "# Ours." in new
    assert 'id = "one"  # the first' in new
    assert tomllib.loads(new)["assets"][0]["offers"] == [{"template": "t", "terms": {"count": 9}}]
    assert tomllib.loads(new)["assets"][0]["offered"] is False
    assert changed(new, {("assets", 0, "offered"): None, (*TERMS, "gone"): None}).count("offered") == 0


def test_tables_in_one_line_are_changed_too():
    new = changed(FILE, {("assets", 1, "offers", 0, "terms", "count"): 1, ("assets", 1, "questions"): 3})
    assert tomllib.loads(new)["assets"][1]["offers"][0]["terms"]["count"] == 1
    assert tomllib.loads(new)["assets"][1]["questions"] == 3


@pytest.mark.parametrize(
    "place", [("assets", 7, "id"), ("none", "x"), ("name", "x"), ("assets", 0, "label", "until", "x")]
)
def test_what_is_not_there_is_not_changed(place):
    with pytest.raises(TomlEditError):
        changed(FILE, {place: 1}, "medspace.toml")


@given(st.text(max_size=30), st.integers(-5, 5))
def test_what_is_read_back_is_what_was_meant(text, number):
    new = changed(FILE, {("assets", 1, "title"): text, (*TERMS, "count"): number})
    read = tomllib.loads(new)["assets"]
    assert (read[1]["title"], read[0]["offers"][0]["terms"]["count"]) == (text, number)


def test_a_block_is_added_at_the_end():
    new = appended(FILE, '[[assets]]\nid = "three"\n')
    assert [one["id"] for one in tomllib.loads(new)["assets"]] == ["one", "two", "three"]
    assert new.startswith(FILE.rstrip())
    assert tomllib.loads(appended("x = 1", '[[assets]]\nid = "one"'))["assets"] == [{"id": "one"}]


@pytest.mark.parametrize("text", ["assets = []", "assets = 1", "x = ", 'text = """\n'])
def test_a_block_that_would_mean_something_else_is_not_added(text):
    with pytest.raises(TomlEditError):
        appended(text, '[[assets]]\nid = "one"\n')


def test_a_file_is_replaced_at_once_with_the_rights_that_it_had(tmp_path):
    file, draft = tmp_path / "a", tmp_path / "b"
    write_owned(file, "old")
    file.chmod(0o644)
    write_owned(draft, "new")
    replace_owned(file, draft)
    assert (file.read_text(), stat.S_IMODE(file.stat().st_mode), draft.exists()) == ("new", 0o644, False)


def test_a_link_stays_a_link(tmp_path):
    file, draft, link = tmp_path / "a", tmp_path / "b", tmp_path / "c"
    write_owned(file, "old")
    write_owned(draft, "new")
    link.symlink_to(file)
    replace_owned(link, draft)
    assert (link.is_symlink(), file.read_text()) == (True, "new")

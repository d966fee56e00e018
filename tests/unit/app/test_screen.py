"""What other participants wrote is shown, and drives nobody's terminal."""

import json

import pytest

from medspace.app.doors.cli.screen import Screen
from medspace.core.errors import RefusedError
from medspace.core.text import Text, plain

HOSTILE = "\x1b[2J\x1b]0;title\x07a\nb\u202ec\x9b[bold]d[/x]"
HARMLESS = " [2J ]0;title a b c [bold]d[/x]"
PEOPLE = Screen(as_json=False, language="en")


class SaidError(RefusedError):
    code = "test.refused"
    sentence = "It says: {words}"
    next_step = "Ask {words}"


@pytest.mark.parametrize("text", ["", "Zürich", "上海 瑞金医院", "a  b"])
def test_words_stay_as_they_are(text):
    assert plain(text) == text


def test_what_is_no_word_becomes_a_space():
    assert plain(HOSTILE) == HARMLESS


def test_sentences_tables_lists_and_problems_hold_no_control_characters(capsys):
    PEOPLE.line(Text("{words}", {"words": HOSTILE}))
    PEOPLE.table(Text("{words}", {"words": HOSTILE}), [Text("column")], [[HOSTILE], [None], [7]])
    PEOPLE.blocks(Text("title"), [(HOSTILE, HOSTILE)])
    PEOPLE.problem(SaidError(words=HOSTILE))
    shown = capsys.readouterr()
    for line in (shown.out + shown.err).splitlines():
        assert line.isprintable(), line
    assert (shown.out + shown.err).count(HARMLESS) == 7


def test_json_escapes_them(capsys):
    words = HOSTILE + "\U000e0041 \\ 上海"
    Screen(as_json=True, language="en").show({"words": words}, lambda: None)
    Screen(as_json=True, language="en").problem(SaidError(words=words))
    shown = capsys.readouterr().out
    first, _, second = shown.partition("}\n{")
    assert json.loads(first + "}") == {"words": words}
    assert json.loads("{" + second)["error"]["sentence"] == f"It says: {words}"
    assert all(line.isprintable() for line in shown.splitlines())
    assert "上海" in shown

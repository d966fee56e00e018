"""Questions at a terminal: in the language of the screen, Enter is the safe answer, what is none is asked again."""

import pytest
import typer

from medspace.app.doors.cli.asking import number, yes
from medspace.app.doors.cli.screen import Screen
from medspace.app.main import main
from medspace.core.text import Text

CHINESE = Screen(as_json=False, language="zh_Hans")
QUESTION = Text("Change the offer?")


@pytest.fixture
def typed(monkeypatch):
    """What is typed at the questions; it returns what was asked."""

    def set_up(*answers):
        left, asked = iter(answers), []

        def prompt(text, **_):
            asked.append(text)
            return next(left)

        monkeypatch.setattr(typer, "prompt", prompt)
        return asked

    return set_up


@pytest.mark.parametrize(
    ("said", "default", "meant"),
    [("y", False, True), ("Yes", False, True), ("n", True, False), ("", True, True), ("", False, False)],
)
def test_yes_and_no_are_asked_in_chinese(typed, said, default, meant):
    asked = typed(said)
    assert yes(CHINESE, QUESTION, default=default) is meant
    assert ("[y/N]" in asked[0], "y 表示是" in asked[0]) == (False, True)


def test_what_is_neither_is_asked_again(typed):
    asked = typed("是", "y")
    assert yes(CHINESE, QUESTION, default=False)
    assert "请输入 y 或 n" in asked[1]


def test_a_number_is_asked_for_until_it_is_one(typed, capsys):
    typed("many", "1.5", "12")
    assert number(CHINESE, QUESTION) == 12
    assert "many 不是整数。" in capsys.readouterr().out
    typed("-3")
    assert number(CHINESE, QUESTION, 5) == -3


@pytest.mark.parametrize(("language", "told"), [("zh", "在完成之前被中止"), ("en", "Stopped before it was done.")])
def test_who_ends_the_input_at_a_question_has_stopped(monkeypatch, capsys, tmp_path, language, told):
    def aborted(*_, **__):
        raise typer.Abort

    monkeypatch.setattr("medspace.app.main.root", aborted)
    with pytest.raises(SystemExit) as end:
        main(["init", str(tmp_path / "h"), "--lang", language])
    shown = capsys.readouterr()
    assert (end.value.code, "Abort" in shown.err + shown.out) == (130, False)
    assert told in shown.err

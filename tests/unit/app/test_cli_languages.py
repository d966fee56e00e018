"""What the command line says of itself, in Chinese: help, and what its parser objects to."""

import json
import re
from collections import Counter

import pytest
import typer
from rich.cells import cell_len
from typer import rich_utils
from typer.main import get_command

from medspace.app.doors.cli.help import speak_help, with_all_below
from medspace.app.doors.cli.parsing import objection
from medspace.app.main import main
from medspace.app.verbs import language_first, tree
from tests.ports import claim
from tools.messages import sentences_of_help

# Three English words in a row, but for what is typed as it stands.
ENGLISH = re.compile(r"(?<![`\w-])(?!medspace )[A-Za-z]{2,} [a-z]{2,} [a-z]{2,}")


@pytest.fixture
def said(capsys, monkeypatch):
    """What a command line prints, to standard output and to standard error, and how it ends."""
    monkeypatch.setenv("COLUMNS", "80")
    for name in ("MEDSPACE_LANG", "LC_ALL", "LC_MESSAGES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "en_US.UTF-8")

    def run(*words):
        with pytest.raises(SystemExit) as end:
            main(words)
        shown = capsys.readouterr()
        return end.value.code or 0, shown.out, shown.err

    return run


def paths(command=None, name=()):
    command = command or get_command(tree())
    yield name
    for word, inner in getattr(command, "commands", {}).items():
        yield from paths(inner, (*name, word))


@pytest.mark.parametrize("verb", list(paths()), ids=" ".join)
def test_the_help_of_every_verb_is_chinese_and_nothing_of_it_is_cut_off(said, verb):
    code, out, err = said("--lang", "zh", *verb, "--help")
    assert (code, err) == (0, "")
    assert f"用法： medspace {' '.join(verb)}".strip() in out
    assert ENGLISH.search(out) is None
    assert " …" not in out
    for word in ("Usage", "Options", "Arguments", "Commands", "default", "required", "<str>", "<path>", "<bool>"):
        assert word not in out


@pytest.mark.parametrize("verb", [("init",), ("label",), ("backup",), ("offer", "add"), ("agreements",)])
def test_no_character_of_help_is_lost_at_any_width(said, monkeypatch, verb):
    def shown(width):
        monkeypatch.setattr(rich_utils, "MAX_WIDTH", width)
        return Counter(one for one in said("--lang", "zh", *verb, "--help")[1] if one not in "│╭╮╰╯─ \n")

    whole = shown(500)
    for width in range(80, 130, 3):
        assert not whole - shown(width), width


def test_arguments_have_chinese_names(said):
    assert "medspace init [选项] {文件夹}" in said("init", "--lang", "zh", "-h")[1]
    assert "medspace init [OPTIONS] {folder}" in said("init", "--lang", "en", "-h")[1]


def test_roles_are_explained(said):
    for language, told in (("en", "checker: lets results go"), ("zh", "checker（结果审核员）：放行或扣留结果")):
        for verb in ("new", "roles"):
            assert told in said("account", verb, "--lang", language, "-h")[1]


@pytest.mark.parametrize("words", [["--lang=zh", "init", "-h"], ["init", "--lang", "zh", "-h"]])
def test_the_language_of_help_is_said_before_or_behind_the_verb(said, words):
    assert "存放配置、密钥和数据库的新文件夹。" in said(*words)[1]


def test_help_follows_the_system_and_what_is_said_last(said, monkeypatch):
    assert "Usage: medspace" in said("--help")[1]
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")
    assert "用法： medspace" in said("--help")[1]
    assert "用法： medspace" in said()[1]
    assert "Usage: medspace" in said("--lang", "en", "--help")[1]
    assert "Usage: medspace" in said("--lang", "zh", "init", "--lang", "en", "--help")[1]


def test_the_language_before_a_verb_is_that_of_the_verb(said, tmp_path):
    words = ("doctor", "--config", str(tmp_path / "none.toml"))
    assert "下一步" in said("--lang", "zh", *words)[1]
    assert "next step" in said("--lang", "zh", *words, "--lang", "en")[1]


def test_english_help_has_no_line_that_breaks_in_the_middle(said):
    assert "since something is missing or was\n not over yet" not in said("audit", "verify", "--help")[1]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["nosuch"], "没有 'nosuch' 这个命令。\n  请看：medspace --help"),
        (["doctr"], "没有 'doctr' 这个命令。您是否要用 'doctor'？"),
        ([], "缺少命令。\n  请看：medspace --help"),
        (["doctor", "--nope"], "没有 --nope 这个选项"),
        (["init", "--nam"], "没有 --nam 这个选项（可能是：--name, --names）"),
        (["export"], "缺少参数 'folder'。\n  请看：medspace export --help"),
        (["export", "a", "b"], "多余的参数（b）"),
        (["doctor", "--from"], "选项 '--from' 需要一个值。"),
        (["doctor", "--json=1"], "选项 '--json' 不带值。"),
        (["demo", "--port", "x"], "'--port' 的值无效：不是整数"),
        (["demo", "--port", "-1"], "'--port' 的值无效：小于 0"),
        (["demo", "--port", "65525"], "'--port' 的值无效：大于 65524"),
        (["train", "t", "--wait", "x"], "'--wait' 的值无效：不是数字"),
    ],
)
def test_what_the_parser_objects_to_is_said_in_chinese_with_a_next_step(said, words, sentence):
    code, _, err = said("--lang", "zh", *words)
    assert code == 2
    assert sentence in err
    assert "请看：medspace" in err


def test_the_doctor_names_its_checks_and_what_to_look_at_and_fits_eighty_columns(said, tmp_path):
    port = str(claim(2)[0])
    assert said("init", str(tmp_path / "h"), "--name", "H", "--port", port)[0] == 0
    words = ("doctor", "--config", str(tmp_path / "h" / "medspace.toml"))
    code, out, err = said("--lang", "zh", *words)
    assert (code, err) == (0, "")
    assert max(cell_len(line) for line in out.splitlines()) <= 80
    assert re.search(r"正常 │ 签名密钥 ", out)
    assert re.search(r"注意 │ 连接器 +│ 没有在运行。 +│\n│ +│ +│ → 请用 `medspace up` 启动", out)
    assert re.search(r"LOOK +│ connector", said(*words)[1])
    checks = {one["name"]: one for one in json.loads(said("--lang", "zh", *words, "--json")[1])["checks"]}
    assert {name: checks[name]["state"] for name in ("key", "connector", "extra dp")} == {
        "key": "ok", "connector": "look", "extra dp": "ok",
    }  # fmt: skip
    (tmp_path / "h" / "keys" / "participant.pem").chmod(0o644)
    code, out, _ = said("--lang", "zh", *words)
    assert code == 1
    assert "│ 未通过 │ 密钥" in out


def test_an_objection_that_is_not_known_stays_as_it_is():
    assert str(objection("It rains {cats}.")) == "It rains {cats}."


def test_whoever_collects_sentences_hears_what_help_shows(capsys):
    sums = typer.Typer()

    @sums.command()
    def add(first: int = typer.Argument(help="One number."), second: float = typer.Option(1.0, help="Another.")):
        """Add numbers.

        They may be
        negative.
        """

    heard = []
    command = get_command(sums)
    speak_help(command, lambda sentence: heard.append(sentence) or sentence)
    assert list(with_all_below(command)) == [command]
    command.main(["--help"], standalone_mode=False)
    capsys.readouterr()
    assert {"One number.", "Another.", "Add numbers.", "They may be negative.", "<int>", "Usage:"} <= set(heard)
    assert {"Print one JSON object.", "Only those on this dataset.", "[OPTIONS]", "<path>"} <= sentences_of_help()


@pytest.mark.parametrize(
    "words",
    [
        ["offer", "--lang", "zh", "change", "-h"],
        ["audit", "--lang=zh", "verify", "-h"],
        ["token", "new", "-h", "--lang", "zh"],
        ["offer", "change", "--lang", "en", "-h", "--lang", "zh"],
    ],
)
def test_the_language_may_stand_anywhere(said, words):
    code, out, err = said(*words)
    assert (code, err, "用法：" in out) == (0, "", True)


def test_a_word_that_only_looks_like_the_language_stays_where_it_is():
    assert language_first(["a", "--", "--lang", "zh"]) == ["a", "--", "--lang", "zh"]
    assert language_first(["a", "--lang"]) == ["a", "--lang"]
    assert language_first(["offer", "--lang", "zh", "x"]) == ["--lang", "zh", "offer", "x"]

"""The command line where the system is set to ASCII, to GBK, or to nothing: every sentence is written."""

import json
import os
import subprocess
import sys

import pytest

from tests.e2e.terminal import PATIENCE

SURROUNDINGS = {
    "posix": {"LC_ALL": "POSIX", "PYTHONUTF8": "0"},
    "c": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "c-as-usual": {"LC_ALL": "C"},
    "gbk": {"LC_ALL": "zh_CN.GBK", "PYTHONIOENCODING": "gbk", "PYTHONUTF8": "0"},
    "ascii": {"PYTHONIOENCODING": "ascii"},
    "latin": {"PYTHONIOENCODING": "latin-1"},
}
ENCODINGS = {"gbk": "gbk", "ascii": "ascii", "latin": "latin-1"}
UTF8 = ("posix", "c", "c-as-usual")


def said(words, folder, surroundings):
    """What the program wrote, on both streams, as that encoding has it; its exit code."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "PYTHON"))}
    done = subprocess.run(
        [sys.executable, "-m", "medspace", *words],
        cwd=folder,
        env=kept | SURROUNDINGS[surroundings],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    encoding = ENCODINGS.get(surroundings, "utf-8")
    assert b"Traceback" not in done.stderr
    return done.returncode, done.stdout.decode(encoding), done.stderr.decode(encoding)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("words")
    words = ["init", "one", "--name", "某医院 🏥", "--port", "8450"]
    done = subprocess.run([sys.executable, "-m", "medspace", *words], cwd=folder, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("surroundings", SURROUNDINGS)
def test_a_refusal_in_chinese_is_a_sentence_and_a_json_object(folder, surroundings):
    code, out, err = said(["runs", "--config", "none.toml", "--lang", "zh"], folder, surroundings)
    assert (code, out) == (2, "")
    assert "config.invalid" in err
    assert ("无法使用" in err) is (surroundings in (*UTF8, "gbk"))
    code, out, err = said(["runs", "--config", "none.toml", "--lang", "zh", "--json"], folder, surroundings)
    assert (code, err) == (2, "")
    assert "无法使用" in json.loads(out)["error"]["sentence"]


@pytest.mark.parametrize("surroundings", SURROUNDINGS)
def test_a_table_with_names_of_every_script_is_shown(folder, surroundings):
    code, out, err = said(["doctor", "--config", "one/medspace.toml", "--lang", "zh"], folder, surroundings)
    assert (code, err) == (0, "")
    assert "medspace" in out
    told = json.loads(
        said(["doctor", "--config", "one/medspace.toml", "--lang", "zh", "--json"], folder, surroundings)[1]
    )
    assert any("地址" in check["sentence"] for check in told["checks"])


@pytest.mark.parametrize("surroundings", ["posix", "gbk", "ascii"])
def test_help_is_shown(folder, surroundings):
    for words in (["--help"], ["train", "--help", "--lang", "zh"], ["init", "--help"]):
        code, out, err = said(words, folder, surroundings)
        assert (code, err) == (0, "")
        assert "medspace" in out
        if "--lang" not in words and surroundings != "gbk":
            assert "Usage: medspace" in out
        elif surroundings in (*UTF8, "gbk"):
            assert "用法" in out


@pytest.mark.parametrize("surroundings", ["posix", "c-as-usual"])
def test_arguments_and_files_of_every_script_are_taken(tmp_path, surroundings):
    words = ["init", "医院", "--name", "某医院", "--port", "8452", "--json"]
    code, out, err = said(words, tmp_path, surroundings)
    assert (code, err) == (0, "")
    assert json.loads(out)
    assert 'name = "某医院"' in (tmp_path / "医院" / "medspace.toml").read_text(encoding="utf-8")

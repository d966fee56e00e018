"""Whatever a file is called by somebody outside, asking for it is answered in a sentence."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medspace.adapters.filenames import absolute, is_file, is_folder, is_there
from medspace.app.main import main
from medspace.app.node.offering.origins import OriginInvalidError, origin, source_of

ODD = {"long": "a" * 300, "deep": "b/" * 3000, "loop": "loop", "address": "postgresql:" + "a" * 300}
COMMANDS = {
    "draft": ("draft", "{odd}"),
    "offered": ("init", "new", "--offer", "{odd}"),
    "dictionary": ("init", "new", "--offer", "{odd}", "--dictionary", "{odd}"),
    "folder": ("init", "{odd}"),
    "configuration": ("up", "{odd}"),
    "doctor": ("doctor", "--config", "{odd}"),
    "service": ("service", "--config", "{odd}"),
    "backup": ("backup", "{odd}", "--passphrase-file", "{odd}"),
    "restore": ("restore", "{odd}", "new", "--passphrase-file", "{odd}"),
}


@given(st.text(st.characters(codec="utf-8"), max_size=400) | st.sampled_from(["a" * 300, "x\0y", "\0", "a/" * 3000]))
def test_no_name_raises(name):
    assert absolute(name).is_absolute()
    for look in (is_there, is_file, is_folder):
        look(name)


@given(st.text(st.sampled_from("ab/.-_ é"), min_size=1, max_size=40))
def test_a_usual_name_is_what_pathlib_says(name):
    """The oracle."""
    assert absolute(name) == Path(name).resolve()
    assert (is_there(name), is_folder(name)) == (Path(name).exists(), Path(name).is_dir())


def test_a_circle_of_links_is_no_file(tmp_path):
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    assert absolute(loop).is_absolute()
    assert not is_there(loop)
    with pytest.raises(RuntimeError):
        loop.resolve(strict=False)  # the control


@pytest.mark.parametrize("said", ["a\0b.csv", "postgresql://x\0", Path("a\0b")])
def test_a_nul_is_in_no_name_of_a_table(said):
    with pytest.raises(OriginInvalidError):
        origin(said)
    with pytest.raises(ValueError, match="null"):
        os.stat("a\0b")  # noqa: PTH116 - the control


@pytest.mark.parametrize("name", ["long", "deep", "loop"])
def test_how_the_configuration_names_it_asks_nobody(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("loop").symlink_to("loop")
    assert source_of(origin(ODD[name])).startswith(str(tmp_path))


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_says_what_is_wrong_with_a_name(command, odd, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("loop").symlink_to("loop")
    before = set(tmp_path.iterdir())
    with pytest.raises(SystemExit) as end:
        main([part.format(odd=ODD[odd]) for part in COMMANDS[command]])
    said = capsys.readouterr()
    assert end.value.code
    assert "medspace.unforeseen" not in said.err + said.out
    assert "Traceback" not in said.err
    assert set(tmp_path.iterdir()) == before

"""What the demo says when it has ended: how its space is started again."""

import shlex
import subprocess
from pathlib import Path

from medspace.app.demo.story import say_how_to_start_again
from medspace.app.doors.cli.screen import Screen

SCREEN = Screen(as_json=False, language="en")


def test_a_space_that_stays_is_started_by_the_command_that_is_said(tmp_path, capsys):
    folder = tmp_path / "my space"
    for party in ("authority", "company"):
        (folder / party).mkdir(parents=True)
    say_how_to_start_again(SCREEN, folder)
    command = capsys.readouterr().out.splitlines()[-1].strip()
    shell = 'medspace() { echo "$@"; }; ' + command
    said = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=True).stdout
    assert sorted(said.splitlines()) == [f"up {folder}/authority/", f"up {folder}/company/"]
    assert shlex.quote(str(folder)) in command


def test_of_a_space_in_a_temporary_folder_nothing_is_left(capsys):
    say_how_to_start_again(SCREEN, None)
    said = capsys.readouterr().out
    assert "is deleted when it ends" in said
    assert "medspace demo --folder space" in said
    assert not Path("space").exists()

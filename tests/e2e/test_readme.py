"""The commands of the README and of the quickstart do what these pages say, typed in their order."""

import json
import re
import tomllib

import pytest

from tests.e2e.terminal import ROOT, blocks, commands, free_range, run, running

README, CHINESE, QUICKSTART = ROOT / "README.md", ROOT / "README.zh.md", ROOT / "docs" / "quickstart.md"
LONG = {"medspace demo": "Ctrl-C ends it.", "medspace up": " is running: "}
PORTS = 14  # twelve of the demo, two of the hospital


def flow():
    """The commands of the README from the space on."""
    return [command for command in commands(README) if command.startswith("medspace ")]


def substituted(text, first):
    """With ports that are free here in place of 8100 to 8111 and 8200."""
    text = re.sub(r"\b81(\d\d)\b", lambda found: str(first + int(found[1])), text)
    return text.replace("3A81", "3A81").replace("8200", str(first + 12))


def localised(command, first):
    command = re.sub(r"(?<=%3A)81(\d\d)\b", lambda found: str(first + int(found[1])), command)
    return substituted(command, first)


@pytest.fixture(scope="module")
def typed(tmp_path_factory):
    """The quickstart, typed: what each command wrote, by its first words; long ones keep running meanwhile."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / "examples").symlink_to(ROOT / "examples")
    first = free_range(PORTS)
    key, results, open_now = "", {}, []
    pages = re.findall(r"^(?:medspace [^#\n]*)(?:# exit code (\d))?$", text_of(QUICKSTART), re.MULTILINE)
    codes = [int(code or 0) for code in pages]
    given = commands(QUICKSTART)
    assert len(codes) == len(given)
    try:
        for command, code in zip(given, codes, strict=True):
            start = " ".join(command.split()[:2])
            asked = localised(command, first).replace("KEY", key)
            if start in LONG:
                background = running(asked, folder, LONG[start])
                open_now.append(background)
                results[command] = background.__enter__().output
                continue
            done = run(asked, folder)
            assert done.returncode == code, (command, done.stdout, done.stderr)
            results[command] = done.stdout + done.stderr
            if start == "medspace doctor":
                said = run(f"{asked} --json", folder).stdout  # a table breaks a long line anywhere
                key = re.search(r"with the public key (\S{43})\.", said)[1]
        yield folder, results
    finally:
        for background in reversed(open_now):
            background.__exit__(None, None, None)


def text_of(page):
    return "".join(blocks(page, "sh")).replace("\\\n", " ")


def test_the_road_takes_at_most_six_commands_and_they_are_those_of_the_quickstart():
    own = [command for command in flow() if command != ".venv/bin/medspace demo"]
    assert len(own) <= 6
    rest = iter(commands(QUICKSTART))
    assert all(command in rest for command in own)


def test_both_languages_give_the_same_commands_and_parts():
    assert commands(README) == commands(CHINESE)
    headings = [
        len(re.findall(r"^#+ ", page.read_text(encoding="utf-8"), re.MULTILINE)) for page in (README, CHINESE)
    ]
    assert headings[0] == headings[1]


def test_the_targets_and_the_extra_of_the_set_up_are_there():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in ("demo", "test"):
        assert f"make {target}" in commands(README)
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)
    by_hand = [command for command in commands(README) if command.startswith(".venv/bin/p")]
    assert by_hand[:2] == [
        ".venv/bin/python tools/pins.py demo > .venv/pins.txt",
        ".venv/bin/pip install --require-hashes --no-deps -r .venv/pins.txt",
    ]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert "demo" in project["project"]["optional-dependencies"]


def test_the_rooms_of_the_readme_are_the_folders():
    folders = {path.name for path in (ROOT / "src" / "medspace").iterdir() if path.is_dir()} - {"__pycache__"}
    for page in (README, CHINESE):
        assert set(re.findall(r"^\| `(\w+)` \|", page.read_text(encoding="utf-8"), re.MULTILINE)) == folders


@pytest.mark.parametrize(("page", "language"), [(README, "en"), (CHINESE, "zh")])
def test_the_picture_of_the_demo_is_what_the_demo_says(tmp_path, page, language):
    told = run(f"medspace demo --once --lang {language}", tmp_path).stdout
    (picture,) = blocks(page, "text")

    def without_figures(text):
        plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
        return re.sub(r"[\d.]+(e-\d+)?", "0", " ".join(plain.split()))

    assert without_figures(picture) in without_figures(told)


def test_a_researcher_trains_on_the_hospital_s_own_table(typed):
    _, results = typed
    (trained,) = [output for command, output in results.items() if command.startswith("medspace train")]
    assert re.search(r"all together\s+│ 900", trained)  # five hospitals with 180 patients each, and none by itself
    assert "Hospital" not in trained
    assert "Took part: 5." in trained
    (signed,) = [output for command, output in results.items() if command.startswith("medspace negotiate")]
    assert "It takes at least 4 data holders." in signed
    assert "You may not download the data." in signed
    (refused,) = [output for command, output in results.items() if command.startswith("medspace download")]
    assert "/prohibition/0" in refused


def test_what_happened_is_proven_without_any_server(typed):
    folder, results = typed
    (verified,) = [output for command, output in results.items() if command.startswith("medspace audit verify")]
    assert "Not proven:" in verified
    assert "Everything holds" not in verified
    assert "FAILED" not in verified
    bundle = json.loads((folder / "hospital.log.json").read_text())
    table = (ROOT / "examples" / "first-steps" / "patients.csv").read_text().splitlines()[1:]
    assert not [row for row in table if row.split(",")[0] in json.dumps(bundle)]

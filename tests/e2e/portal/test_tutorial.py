"""The tutorial does what it says, followed step by step in a browser: in each language, in a space of its own."""

import json
import re
from contextlib import ExitStack

import pytest

from tests.e2e.portal.browser import browsing, visiting
from tests.e2e.portal.following import sections, steps, whose
from tests.e2e.portal.keys import give_key
from tests.e2e.terminal import ROOT, commands, free_range, run, running

ENGLISH, CHINESE = ROOT / "docs" / "tutorial.md", ROOT / "docs" / "tutorial.zh.md"
PAGES = pytest.mark.parametrize(("page", "locale"), [(ENGLISH, "en-GB"), (CHINESE, "zh-CN")])
DEMO, UP, PORTAL = "medspace demo", "medspace up", "medspace portal"
LONG = {DEMO: "Ctrl-C ends it.", UP: " is running: "}
PORTS = 12  # of the demo


@pytest.fixture
def space(tmp_path_factory):
    """The space of the first command: its folder, and its first port."""
    folder, first = tmp_path_factory.mktemp("tutorial"), free_range(PORTS)
    (command,) = (one for one in commands(ENGLISH) if one.startswith(DEMO))
    with running(command.replace("8100", str(first)), folder, LONG[DEMO]):
        yield folder / "space", first


@pytest.fixture(scope="module")
def browser():
    with browsing() as browser:
        yield browser


def test_both_languages_give_the_same_commands_and_as_many_steps():
    assert commands(ENGLISH) == commands(CHINESE)
    both = [[steps(section) for section in sections(page)] for page in (ENGLISH, CHINESE)]
    shapes = [[[(len(one.names), bool(one.value), len(one.seen)) for one in each] for each in page] for page in both]
    assert shapes[0] == shapes[1]
    assert sum(map(len, both[0])) > 30


@PAGES
def test_a_reader_gets_from_a_table_to_a_proof(space, browser, tmp_path, page, locale):
    root, first = space
    (tmp_path / "space").symlink_to(root)
    ports = {"8100": str(first), "8200": str(free_range(2))}

    def here(text):
        return re.sub(r"(?<=[A ])8[12]00\b", lambda found: ports[found[0]], text)

    (tmp_path / "tutorial.md").write_text(here(page.read_text(encoding="utf-8")), encoding="utf-8")
    visitors = {}
    with ExitStack() as open_now:
        for section in sections(tmp_path / "tutorial.md"):
            (tmp_path / "section.md").write_text(section, encoding="utf-8")
            for command in commands(tmp_path / "section.md"):
                start = " ".join(command.split()[:2])
                if start == UP:
                    open_now.enter_context(running(command, tmp_path, LONG[UP]))
                elif start == PORTAL:
                    link = json.loads(run(f"{command} --json --no-browser", tmp_path).stdout)["url"]
                    visitor = open_now.enter_context(visiting(browser, link.partition("/portal")[0], locale=locale))
                    give_key(visitor)
                    visitor.page.goto(link)
                    visitors[whose(section)] = visitor
                elif start != DEMO:  # that one runs
                    done = run(command, tmp_path)
                    assert done.returncode == 0, done.stdout + done.stderr
            for step in steps(section):
                step.follow(visitors[whose(section)].page, ROOT)

"""Uses and output checking in a real browser: suspended and ended by the holder, two persons for one output."""

from dataclasses import replace

import pytest
from playwright.sync_api import expect

from medspace.app.compose.connector import ENGINES, ConnectorParts
from tests.e2e.counting import Counting
from tests.e2e.portal.browser import browsing, visiting
from tests.e2e.portal.keys import confirm
from tests.e2e.space import PURPOSE, Holding, staged, step, table

STATISTICS = "medspace:statistics"
EVIL = "<img src=x onerror=alert(1)>"
TASK = {"task": "count", "column": "sex", "purpose": PURPOSE, "min_sites": 1}


MEN = "statistics.men"


class Sparing(Counting):
    """Counts that can be made without those of men."""

    def optional(self, output):
        return (MEN,) if "m" in output.values else ()

    def without(self, output, parts):
        return replace(output, values={code: count for code, count in output.values.items() if code != "m"})


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    with staged(tmp_path_factory.mktemp("uses")) as stage:
        parts = ConnectorParts(engines={**ENGINES, (STATISTICS, "count"): Sparing})
        holding = Holding(table(2), "statistics-only", kinds=(STATISTICS,), label={"review": 2})
        stage.add("authority")
        stage.add("clinic", holding, parts=parts)
        stage.add("user")
        stage.open()
        user = stage.nodes["user"]
        stage.space("authority").admit(user.did, name=EVIL, region=user.region)
        stage.admit("clinic")
        stage.checker = stage.space("clinic").new_account("Wang Li", ["checker"])["id"]
        yield stage


@pytest.fixture(scope="module")
def browser():
    with browsing() as browser:
        yield browser


def origin(stage):
    return f"http://localhost:{stage.nodes['clinic'].config.private.port}"


@pytest.fixture(scope="module")
def owner(stage, browser):
    with visiting(browser, origin(stage)) as owner:
        owner.enter(stage.space("clinic").portal_link()["url"])
        confirm(owner)
        yield owner


@pytest.fixture(scope="module")
def checker(stage, browser):
    with visiting(browser, origin(stage)) as checker:
        checker.enter(stage.space("clinic").account_link(stage.checker)["url"])
        confirm(checker)
        yield checker


def begin(stage):
    """A use of the clinic's data that has started, as the clinic calls it."""
    transfer = stage.space("user").request(stage.agree("user", "clinic"), STATISTICS)["id"]
    newest = stage.space("clinic").uses(role="provider", most=1)[0]["id"]
    return transfer, newest


def held(stage, **inputs):
    """An output that waits to be checked."""
    transfer, _ = begin(stage)
    told = stage.ask("user", "clinic", transfer, step("counts", task=TASK, **inputs))
    assert told.json()["state"] == "held", told.text
    return stage.space("clinic").steps("held", most=1)[0]["id"]


def decide(visitor, key, comment):
    """Decide by the keyboard alone."""
    visitor.page.keyboard.press(key)
    visitor.page.locator("#comment").fill(comment)
    visitor.page.locator("h1").click()
    with visitor.page.expect_navigation():
        visitor.page.keyboard.press("s")


def test_an_output_leaves_once_two_persons_have_looked(stage, owner, checker):
    one = held(stage, first=1)
    owner.open("/")
    owner.page.get_by_text("1 output waits to be checked").click()
    owner.page.get_by_text("0 of 2 have let it go").wait_for()
    expect(owner.page.locator("main")).to_contain_text("at least 10 patients")
    expect(owner.page.locator("table code", has_text="f").first).to_be_attached()
    assert owner.violations() == []
    decide(owner, "a", "cells are large")
    owner.open(f"/outputs/output?id={one}")
    owner.page.get_by_text("Another person has to look as well").wait_for()
    expect(owner.page.locator("#approve")).to_have_count(0)
    checker.open("/outputs")
    checker.page.keyboard.press("n")
    checker.page.get_by_text("1 of 2 have let it go").wait_for()
    expect(checker.page.locator("main")).to_contain_text("cells are large")
    decide(checker, "a", EVIL)
    checker.page.get_by_text("No output waits to be checked.").wait_for()
    shown = stage.space("clinic").step(one)
    assert shown["state"] == "released"
    assert [said["text"] for said in shown["comments"]] == ["cells are large", EVIL]
    checker.open(f"/outputs/output?id={one}")
    expect(checker.page.locator("img")).to_have_count(0)
    expect(checker.page.locator("main")).to_contain_text(EVIL)


def test_one_no_keeps_it_back_and_the_next_one_comes(stage, checker):
    first, second = held(stage, second=1), held(stage, third=1)
    checker.open(f"/outputs/output?id={first}")
    checker.page.keyboard.press("k")
    checker.page.wait_for_url(f"**id={second.replace(':', '%3A')}")
    checker.page.locator("button", has_text="Send the decision").evaluate("one => one.form.noValidate = true")
    checker.page.locator("button", has_text="Send the decision").click()
    checker.page.get_by_text("Choose what is to happen with it").wait_for()
    assert "400" in checker.objections.pop()
    checker.page.keyboard.press("r")
    checker.page.keyboard.press("s")
    checker.page.wait_for_url(f"**id={first.replace(':', '%3A')}")
    assert stage.space("clinic").step(second)["state"] == "withheld"
    stage.space("clinic").check(first, approve=False)


def test_it_is_made_anew_with_less_in_it_and_everybody_looks_again(stage, owner, checker):
    one = held(stage, fourth=1)
    owner.open(f"/outputs/output?id={one}")
    decide(owner, "a", "")
    checker.open(f"/outputs/output?id={one}")
    checker.page.get_by_text("1 of 2 have let it go").wait_for()
    expect(checker.page.locator("table code", has_text="m")).to_have_count(1)
    expect(checker.page.get_by_label(MEN)).to_be_checked()
    decide(checker, "c", "men are few")
    checker.page.get_by_text("0 of 2 have let it go").wait_for()
    expect(checker.page.locator("table code", has_text="m")).to_have_count(0)
    expect(checker.page.locator("main")).to_contain_text(f"had it made anew without {MEN}")
    expect(checker.page.locator("main")).to_contain_text("men are few")
    expect(checker.page.locator("#change")).to_have_count(0)
    checker.page.get_by_text("can leave nothing out of it").wait_for()
    assert checker.violations() == []
    owner.open(f"/outputs/output?id={one}")
    decide(owner, "a", "")
    checker.open(f"/outputs/output?id={one}")
    decide(checker, "a", "")
    assert stage.space("clinic").step(one)["state"] == "released"
    (entry,) = stage.entries("clinic", "use.changed")
    assert entry["facts"]["left_out"] == [MEN]


def test_who_may_not_check_sees_no_output(stage, browser):
    account = stage.space("clinic").new_account("Li Na", ["user"])["id"]
    with visiting(browser, origin(stage)) as reader:
        reader.enter(stage.space("clinic").account_link(account)["url"])
        expect(reader.page.locator("nav").get_by_text("Output checking")).to_have_count(0)
        assert reader.open("/outputs") == 403
        assert "403" in reader.objections.pop()


def test_a_holder_suspends_a_use_lets_it_go_on_and_ends_it(stage, owner):
    _, use = begin(stage)
    owner.open("/uses")
    expect(owner.page.get_by_text(EVIL).first).to_be_attached()
    owner.open(f"/uses/use?id={use}")
    owner.page.locator("#stand .state.live").wait_for()
    owner.page.get_by_label("Why").fill("the ethics board asks")
    owner.page.get_by_role("button", name="Suspend").click()
    owner.page.get_by_text("you: you have suspended it").wait_for()
    assert owner.violations() == []
    owner.page.get_by_role("button", name="Let it go on").click()
    owner.page.locator("#stand .state.live").wait_for()
    owner.page.get_by_role("button", name="End for good").click()
    owner.page.get_by_text("nobody: it is over").wait_for()
    owner.open("/uses?role=provider")
    owner.page.locator("tbody .state.bad").first.wait_for()


@pytest.mark.parametrize(("language", "theme"), [("en-GB", "light"), ("zh-CN", "dark")])
def test_pages_are_accessible_and_fit(stage, browser, language, theme):
    one = held(stage, looked=theme)
    use = stage.space("clinic").uses(role="provider", most=1)[0]["id"]
    with visiting(browser, origin(stage), locale=language, color_scheme=theme) as owner:
        owner.enter(stage.space("clinic").portal_link()["url"])
        for path in ("/uses", f"/uses/use?id={use}", "/outputs", f"/outputs/output?id={one}"):
            assert owner.open(path) == 200, path
            owner.suits()
            expect(owner.page.locator("img"), path).to_have_count(0)
    stage.space("clinic").check(one, approve=False)

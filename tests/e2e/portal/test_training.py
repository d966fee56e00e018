"""Trainings in a real browser: chosen, priced, started, followed live, stopped, shown, compared."""

import re
from dataclasses import replace
from math import exp
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from medspace.app.compose.connector import ConnectorParts
from medspace.app.doors.sdk import SpaceError
from medspace.core.usage import Brakes
from tests.e2e.house.pausing import Pausing
from tests.e2e.portal.browser import browsing, visiting
from tests.e2e.portal.keys import confirm
from tests.e2e.space import DICTIONARY, TASK, Holding, staged, table

ROUND = 2
OFTEN = replace(Brakes(), exposure=False)  # the same few rows are trained on again and again
EVIL = "<img src=x onerror=alert(1)>"
ONLY_HERE = f"""
[columns."{EVIL}"]
type = "number"
description = "{EVIL}"
minimum = 0
maximum = 9
"""


def evil(rows):
    """The rows with one column more, whose name is a piece of HTML."""
    head, *lines = rows.splitlines()
    return "\n".join([f"{head},{EVIL}", *(f"{line},1" for line in lines)]) + "\n"


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    engine = Pausing(ROUND)
    with staged(tmp_path_factory.mktemp("training")) as stage:
        stage.engine = engine
        stage.add("authority")
        stage.add("north", Holding(table(1)), parts=replace(engine.parts, brakes=OFTEN))
        south = Holding(evil(table(2)), dictionary=DICTIONARY + ONLY_HERE)
        stage.add("south", south, parts=ConnectorParts(brakes=OFTEN))
        stage.add("user")
        stage.open()
        south = stage.nodes["south"]
        stage.space("authority").admit(south.did, name=EVIL, region=south.region)
        stage.admit("north", "user")
        stage.agreements = [stage.agree("user", key) for key in ("north", "south")]
        try:
            yield stage
        finally:
            engine.go.set()


@pytest.fixture(scope="module")
def browser():
    with browsing() as browser:
        yield browser


def origin(stage):
    return f"http://localhost:{stage.nodes['user'].config.private.port}"


@pytest.fixture
def owner(stage, browser):
    with visiting(browser, origin(stage)) as owner:
        owner.enter(stage.space("user").portal_link()["url"])
        yield owner


@pytest.fixture(scope="module")
def trained(stage):
    """Two runs that are finished."""
    stage.engine.go.set()
    user = stage.space("user")
    return [user.train(TASK | {"l2": penalty}, stage.agreements, wait=120) for penalty in (1.0, 3.0)]


def begin(stage, penalty):
    """A run that waits in its second round; what was asked before is answered at once, so it asks something new."""
    stage.engine.go.clear()
    stage.engine.reached.clear()
    run = stage.space("user")._post("/runs", {"task": TASK | {"l2": penalty}, "agreements": stage.agreements})
    assert stage.engine.reached.wait(60)
    return run["id"]


def test_a_training_is_chosen_priced_started_and_followed_to_its_end(stage, owner):
    stage.engine.go.clear()
    stage.engine.reached.clear()
    confirm(owner)
    page = owner.page
    owner.open("/training/new")
    page.get_by_role("button", name="Go on to the columns").click()
    features = page.locator("input[name='feature']")
    expect(features).to_have_count(4)
    values = features.evaluate_all("all => all.map(one => one.value)")
    assert values == ["age", "sex", "sbp", "disease"]
    page.get_by_text("Columns that are left out").click()
    page.get_by_text("it is missing at").wait_for()
    page.locator("#target").select_option("disease > 0")
    for name in ("age", "sbp", "sex"):
        page.locator(f"input[name='feature'][value='{name}']").check()
    page.get_by_label("L2 penalty").fill("7")
    page.get_by_role("button", name="Look at the cost").click()
    page.get_by_text("takes nothing from a privacy budget", exact=True).wait_for()
    assert owner.violations() == []
    page.get_by_role("button", name="Start the training").click()
    page.wait_for_url("**/training/run?**")
    assert stage.engine.reached.wait(60)
    page.locator("#standing .state.live").wait_for()
    assert owner.violations() == []
    stage.engine.go.set()
    page.locator("#standing .state.ok").wait_for(timeout=60_000)  # without loading the page again
    expect(page.locator("svg.chart polyline")).to_have_count(1)
    page.get_by_role("link", name="Model card").click()
    page.get_by_role("heading", name="How good it is, and where").wait_for()


def test_what_cannot_be_trained_is_said_above_the_form_with_what_was_typed_kept(stage, owner):
    asked = "&".join(f"agreement={quote(one)}" for one in stage.agreements)
    purpose = quote(TASK["purpose"])
    for wrong, said in (
        ("target=nothing&feature=age", "target has to be chosen"),
        ("target=disease+%3E+0", "features has to be chosen"),
        (f"target=disease+%3E+0&feature=age&l2=much&purpose={purpose}", "l2 is not a number"),
        ("target=disease+%3E+0&feature=age&purpose=x", "purpose has to be chosen"),
    ):
        assert owner.open(f"/training/new?look=1&{asked}&{wrong}") in (400, 422)
        expect(owner.page.locator("#problem")).to_contain_text(said)
        assert owner.objections.pop()
    expect(owner.page.locator("input[name='feature'][value='age']")).to_be_checked()


def test_what_blocks_a_training_is_said_before_its_start(stage, owner):
    """These contracts let no masks be used, and noise needs them."""
    asked = "&".join(f"agreement={quote(one)}" for one in stage.agreements)
    chosen = f"target=disease+%3E+0&feature=age&purpose={quote(TASK['purpose'])}&epsilon=2&persons=5000"
    assert owner.open(f"/training/new?look=1&{asked}&{chosen}") == 400
    expect(owner.page.locator("#problem")).to_contain_text("needs the protection masked-sums")
    expect(owner.page.get_by_label("Epsilon")).to_have_value("2")
    assert "400" in owner.objections.pop()


def test_a_training_is_stopped(stage, owner):
    run = begin(stage, 5.0)
    owner.open(f"/training/run?id={run}")
    owner.page.get_by_role("button", name="Stop this training").click()
    owner.page.locator("#standing .state.off").wait_for()
    stage.engine.go.set()
    assert stage.space("user").run(run)["state"] == "cancelled"
    assert stage.space("user").run(run)["cancelled_by"]["name"]


def test_without_javascript_a_training_is_a_table(stage, browser, trained):
    with visiting(browser, origin(stage), java_script_enabled=False) as owner:
        owner.enter(stage.space("user").portal_link()["url"])
        owner.open(f"/training/run?id={trained[0]['id']}")
        owner.page.get_by_text("All rounds as a table").click()
        course = stage.space("user").course(trained[0]["id"])
        expect(owner.page.locator("details tbody tr")).to_have_count(len(course["rounds"]))


@pytest.mark.parametrize(("language", "theme"), [("en-GB", "light"), ("zh-CN", "dark")])
def test_pages_are_accessible_and_fit(stage, browser, trained, language, theme):
    (one, two), agreements = trained, "&".join(f"agreement={quote(each)}" for each in stage.agreements)
    paths = [
        "/training",
        f"/training/run?id={one['id']}",
        f"/training/model?id={one['model']['id']}",
        f"/training/study?id={one['model']['id']}",
        f"/training/compare?run={one['id']}&run={two['id']}",
        "/training/compare",
        "/training/new",
        f"/training/new?{agreements}",
        f"/training/new?{agreements}&look=1&target=disease+%3E+0&feature=age&purpose={quote(TASK['purpose'])}",
    ]
    with visiting(browser, origin(stage), locale=language, color_scheme=theme) as owner:
        owner.enter(stage.space("user").portal_link()["url"])
        for path in paths:
            assert owner.open(path) == 200, path
            owner.suits()
            expect(owner.page.locator("img"), path).to_have_count(0)


def test_a_study_says_who_saw_what_and_shows_no_curve_that_it_has_not(stage, owner, trained):
    owner.open(f"/training/study?id={trained[0]['model']['id']}")
    said = owner.page.locator("main")
    expect(said).to_contain_text("the sums of each hospital, one by one; no rows")
    expect(said).to_contain_text("no joint statistics yet")
    expect(said).to_contain_text("2 hospitals have a seat")
    drawn = len(trained[0]["model"]["coefficients"]) - 1
    expect(owner.page.locator("tbody svg.interval")).to_have_count(drawn)
    expect(owner.page.locator("thead svg.interval text", has_text="1").first).to_be_attached()
    expect(said).to_contain_text("Odds ratio, 95 % interval")
    (age,) = [one for one in trained[0]["model"]["coefficients"] if one["name"] == "age"]
    expect(owner.page.locator("tr", has_text="age").first).to_contain_text(f"{exp(float(age['value'])):.3g}")


def test_programs_choose_from_the_same(stage):
    user = stage.space("user")
    known = user.agreements_to_train()
    assert {one["id"] for one in known} == set(stage.agreements)
    found = user.columns_to_train(stage.agreements)
    assert [one["name"] for one in found["columns"]] == ["age", "sex", "sbp", "disease"]
    assert found["left_out"][0]["name"] == EVIL
    assert TASK["purpose"] in [one["name"] for one in found["purposes"]]
    assert (found["silent"], found["problems"]) == ([], [])


def test_a_failed_training_is_told_on_the_first_page(stage, owner):
    stage.engine.go.set()
    with pytest.raises(SpaceError):
        stage.space("user").train(TASK | {"purpose": "dpv:Marketing"}, stage.agreements, wait=120)
    owner.open("/")
    owner.page.get_by_text("The last training failed").click()
    expect(owner.page.locator("#problem code")).to_have_text(re.compile(r"policy\."))
    owner.page.locator("#problem").get_by_role("link", name="To the contracts").click()
    expect(owner.page.get_by_role("heading", name="Contracts", level=1)).to_be_visible()

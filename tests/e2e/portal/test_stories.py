"""What each role comes for, from its first page to its last, in the languages that people work in.

The pictures of the manual are taken on the way.
"""

import csv
import io
import json
import random
import re
import time
from contextlib import ExitStack
from dataclasses import replace
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from playwright.sync_api import expect

from medspace.app.compose.connector import ENGINES, ConnectorParts
from medspace.app.doors.portal.guarding import SESSION, cookie_of
from medspace.app.doors.sdk import SpaceError
from medspace.core.usage import Brakes
from tests.e2e.counting import Counting
from tests.e2e.portal.browser import browsing, visiting
from tests.e2e.portal.pictures import TAKING, picture
from tests.e2e.space import ASSET, PATIENCE, PURPOSE, TASK, Holding, staged, step, table
from tests.passkeys import Authenticator

AUTHORITY, CITY, LAKE, HILL, COMPANY, NEW = (
    "space authority",
    "city hospital",
    "lake hospital",
    "hill hospital",
    "heart research",
    "river clinic",
)
STATISTICS = "medspace:statistics"
COUNTED = {"task": "count", "column": "sex", "purpose": PURPOSE, "min_sites": 1}
OFTEN = replace(Brakes(), exposure=False)  # the same few rows are trained on in each language
ROWS = 240


def registry():
    """Invented patients (CSV)."""
    chance, text = random.Random(5), io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("patient", "age", "sex", "hba1c", "smoker", "readmitted"))
    for number in range(ROWS):
        hba1c = "" if number % 11 == 0 else round(chance.gauss(6.4, 0.9), 1)
        flags = (chance.choice("01"), chance.choice("01"))
        writer.writerow((f"P{number:04}", chance.randint(25, 88), chance.choice("fm"), hba1c, *flags))
    return text.getvalue()


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    with staged(tmp_path_factory.mktemp("stories")) as stage:
        counting = ConnectorParts(engines={**ENGINES, (STATISTICS, "count"): Counting})
        often, manual = ConnectorParts(brakes=OFTEN), '[negotiations]\nanswers = "manual"'
        stage.add(AUTHORITY)
        stage.add(
            CITY, Holding(table(1, ROWS), "statistics-only", kinds=(STATISTICS,), label={"review": 2}), parts=counting
        )
        stage.add(LAKE, Holding(table(2, ROWS)), more=manual, parts=often)
        stage.add(HILL, Holding(table(3, ROWS)), parts=often)
        stage.add(COMPANY)
        stage.add(NEW)
        members = (AUTHORITY, CITY, LAKE, HILL, COMPANY)
        stage.open(*members)
        stage.admit(*members[1:])
        stage.open(NEW)  # who is no member yet
        stage.hill = stage.agree(COMPANY, HILL)
        yield stage


@pytest.fixture(scope="module")
def browser():
    with browsing() as browser:
        yield browser


def session(stage, where, account):
    """The cookie of somebody who has signed in and confirmed with a passkey; that by pages is in test_shell."""
    desk = stage.nodes[where].connector.of("accounts")
    opened = stage.run(desk.enter(stage.space(where).account_link(account)["text"], "test"))
    visitor = stage.run(desk.accounts.look(opened.secret))
    key = Authenticator(origin=desk.origin, host="localhost")
    answer = key.create(stage.run(desk.passkeys.begin_registration(visitor)))
    stage.run(desk.passkeys.finish_registration(visitor, answer, "key"))
    answer = key.get(stage.run(desk.passkeys.begin_confirmation(visitor)))
    stage.run(desk.confirm(visitor, answer, "test"))
    cookie = {"name": cookie_of(SESSION, desk.origin), "value": opened.secret}
    return cookie | {"domain": "localhost", "path": "/", "secure": True, "httpOnly": True}


@pytest.fixture
def comes(stage, browser):
    """Somebody with an account of their own comes in, in a language, and has a passkey."""
    with ExitStack() as leaving:

        def comes(where, name, *roles, language="en-GB"):
            space = stage.space(where)
            account = space.new_account(name, roles)["id"]
            leaving.callback(space.close_account, account)
            url = f"http://localhost:{stage.nodes[where].config.private.port}"
            visitor = leaving.enter_context(visiting(browser, url, locale=language))
            visitor.context.add_cookies([session(stage, where, account)])
            visitor.open("/")
            return visitor

        yield comes


BOTH = ["en-GB", "zh-CN"]
LANGUAGES = pytest.mark.parametrize("language", BOTH)
PICTURED = pytest.mark.parametrize("language", BOTH if TAKING else BOTH[:1])  # in Chinese for its pictures alone


# --- the data steward ---------------------------------------------------------------------------------------------
@LANGUAGES
def test_a_steward_offers_a_table_and_answers_who_asks_for_it(stage, comes, tmp_path, language):
    name = "registry" if language == "en-GB" else "registry-zh"
    file = tmp_path / "Diabetes registry.csv"
    file.write_text(registry())
    steward = comes(LAKE, "Dr Wang", "steward", language=language)
    steward.link("My datasets").click()
    steward.link("Offer a dataset").click()
    steward.field("A table of patients").set_input_files(file)
    picture(steward, "steward-file")
    steward.button("Look at the columns").click()
    steward.page.get_by_role("heading", name="Diabetes registry.csv").wait_for()
    picture(steward, "steward-columns")
    picture(steward, "steward-column", at="Columns")
    steward.button("Next: the terms").click()
    steward.field("Short name").fill(name)
    picture(steward, "steward-terms", at="Who may use it?")
    steward.button("Next: read the contract").click()
    steward.page.get_by_role("heading", name=steward.said("What it would say")).wait_for()
    picture(steward, "steward-contract")
    steward.button("Publish the offer").click()
    steward.sees("It is published: members of the space find it from now on.")
    picture(steward, "steward-published")

    refused, _ = ask(stage, name)
    steward.open("/")
    picture(steward, "steward-overview")
    steward.page.locator(".note.wait a").click()
    steward.button("Refuse").click()
    assert settled(stage, refused) == "TERMINATED"
    asked, here = ask(stage, name)
    steward.open(f"/contracts/negotiation?id={quote(here)}")
    picture(steward, "steward-negotiation")
    steward.button("Sign and bind").click()
    assert settled(stage, asked) == "FINALIZED"
    over(stage, asked)


def over(stage, negotiation):
    """The agreement that a negotiation of the company came to is ended: the next test begins without it."""
    agreement = stage.space(COMPANY)._get(f"/negotiations/{negotiation}")["agreement"]
    stage.space(LAKE).end_agreement(agreement)


def ask(stage, dataset=ASSET):
    """The company asks the lake hospital for a contract: how both call the negotiation, once it waits there."""
    before = {one["id"] for one in stage.space(LAKE).negotiations()}
    asked = {"participant": stage.nodes[LAKE].did, "dataset": dataset, "offer": ""}
    return stage.space(COMPANY)._post("/negotiations", asked)["id"], waiting(stage, before)


def waiting(stage, before):
    """The negotiation that the lake hospital did not have before, once somebody there has to answer it."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        for one in stage.space(LAKE).negotiations():
            if one["owner"] == "us" and one["id"] not in before:
                return one["id"]
    raise AssertionError("nobody asked")


def settled(stage, negotiation):
    """How it ended, as the company sees it."""
    return [now["state"] for now in stage.space(COMPANY).watch_negotiation(negotiation, wait=PATIENCE)][-1]


# --- the data user ------------------------------------------------------------------------------------------------
@LANGUAGES
def test_a_user_finds_data_gets_a_contract_and_trains_a_model(stage, comes, language):
    before = {one["id"] for one in stage.space(LAKE).negotiations()}
    user = comes(COMPANY, "Dr Li", "user", language=language)
    page = user.page
    page.get_by_role("searchbox").first.fill("heart")
    page.keyboard.press("Enter")
    page.wait_for_url("**/catalogue?**")
    picture(user, "user-catalogue")
    page.locator("li.card", has_text=LAKE.title()).get_by_role("link", name="Heart patients").click()
    picture(user, "user-dataset")
    dataset = page.url
    user.link("Policies").click()
    user.link("Fill in an example").click()
    user.button("Evaluate it").click()
    user.sees("It would be allowed.")
    picture(user, "user-policies")
    page.goto(dataset)
    user.button("Ask for this contract").click()
    page.locator("#stand").wait_for()
    picture(user, "user-negotiation")
    stage.space(LAKE).answer(waiting(stage, before), approve=True)
    (asked,) = parse_qs(urlsplit(page.url).query)["id"]
    page.locator("#stand .state.ok").wait_for()  # without loading the page again
    user.link("Contracts").click()
    picture(user, "user-contracts")
    page.locator("tbody tr", has_text=LAKE.title()).get_by_role("link").first.click()
    picture(user, "user-agreement")
    (agreement,) = parse_qs(urlsplit(page.url).query)["id"]
    train(user, {agreement, stage.hill})
    picture(user, "user-training")
    user.link("Model card").click()
    picture(user, "user-model", at="How good it is, and where")
    over(stage, asked)


def train(user, agreements):
    """A training under these contracts, up to its end."""
    page = user.page
    user.link("Trainings").click()
    user.link("New training").click()
    expect(user.button("Go on to the columns")).to_be_visible()  # the last thing on the page
    for box in page.locator("input[name=agreement]").all():
        box.set_checked(box.get_attribute("value") in agreements)
    picture(user, "user-choice")
    user.button("Go on to the columns").click()
    user.field("What is to be learned").select_option("disease > 0")
    for name in ("age", "sbp", "sex"):
        page.locator(f"input[name=feature][value={name}]").check()
    picture(user, "user-columns", at="What to train")
    user.button("Look at the cost").click()
    user.sees("takes nothing from a privacy budget")
    picture(user, "user-cost", at="What it costs")
    user.button("Start the training").click()
    page.locator("#standing .state.ok").wait_for(timeout=PATIENCE * 1000)


# --- the output checker -------------------------------------------------------------------------------------------
def held(stage, **inputs):
    """An output of the city hospital that waits to be checked."""
    transfer = stage.space(COMPANY).request(stage.agree(COMPANY, CITY), STATISTICS)["id"]
    told = stage.ask(COMPANY, CITY, transfer, step("counts", task=COUNTED, **inputs))
    assert told.json()["state"] == "held", told.text
    return stage.space(CITY).steps("held", most=1)[0]["id"]


def decide(visitor, output, answer, comment=""):
    """Open an output and decide on it; the decision is sent, and its answer not waited for."""
    visitor.open(f"/outputs/output?id={quote(output)}")
    choose(visitor, answer, comment)
    visitor.button("Send the decision").click()


def choose(visitor, answer, comment=""):
    visitor.page.locator(f"#{answer}").check()
    visitor.field("Comment").fill(comment)


def state(stage, output):
    return stage.space(CITY).step(output)["state"]


@PICTURED
def test_two_checkers_let_an_output_go_and_one_keeps_it_back(stage, comes, language):
    output = held(stage, first=language)
    one = comes(CITY, "Zhao Min", "checker", language=language)
    other = comes(CITY, "Chen Jie", "checker", language=language)
    picture(one, "checker-overview")
    one.open("/outputs")
    picture(one, "checker-queue")
    one.page.locator("tbody th a").first.click()
    picture(one, "checker-output")
    choose(one, "approve", "All cells are large.")
    picture(one, "checker-decision", at="Who has looked")
    one.button("Send the decision").click()
    one.page.wait_for_url("**/outputs")
    one.open(f"/outputs/output?id={quote(output)}")
    one.sees("You have let it go. Another person has to look as well.")
    assert state(stage, output) == "held"
    decide(other, output, "approve")
    other.sees("No output waits to be checked.")
    assert state(stage, output) == "released"
    output = held(stage, second=language)
    decide(one, output, "reject", "Too fine.")
    one.sees("No output waits to be checked.")
    assert state(stage, output) == "withheld"


def test_one_checker_is_not_two(stage, comes):
    output = held(stage, alone=1)
    checker = comes(CITY, "Zhao Min", "checker")
    stale = checker.watched(checker.context.new_page())
    stale.goto(f"{checker.url}/portal/outputs/output?id={quote(output)}")
    decide(checker, output, "approve")
    checker.page.wait_for_url("**/outputs")
    stale.locator("#approve").check()
    stale.locator("button.main", has_text="Send the decision").click()
    stale.locator("#problem").wait_for()
    assert checker.objections.pop()  # the browser reports the refusal
    assert state(stage, output) == "held"
    second = comes(CITY, "Chen Jie", "checker")
    decide(second, output, "approve")  # the control: another person
    second.page.wait_for_url("**/outputs")
    assert state(stage, output) == "released"


# --- the auditor --------------------------------------------------------------------------------------------------
@PICTURED
def test_an_auditor_verifies_in_the_browser_and_sees_a_forged_log_fail(stage, comes, tmp_path, language):
    stage.space(COMPANY).train(TASK, [stage.hill])
    auditor = comes(HILL, "Sun Yan", "auditor", language=language)
    page = auditor.page
    auditor.link("Audit").click()
    picture(auditor, "auditor-entries")
    page.locator("tbody th a").first.click()
    assert verified(page, "[data-verify]") == "verified"
    picture(auditor, "auditor-entry")
    auditor.open("/audit")
    auditor.link("Verify the log").click()
    assert verified(page, "[data-verify]") == "verified"
    picture(auditor, "auditor-log")
    bundle = stage.space(HILL).audit_bundle()
    for forged, outcome in ((False, "verified"), (True, "failed")):
        if forged:
            bundle["entries"][2] = bundle["entries"][2].replace("T", "U", 1)
        file = tmp_path / f"hill-hospital-{outcome}.json"
        file.write_text(json.dumps(bundle))
        auditor.field("File").set_input_files(file)
        auditor.button("Verify the file here").click()
        page.locator("[data-of=log] [data-file-name]", has_text=file.name).wait_for()
        assert verified(page, "[data-of=log]") == outcome
    expect(page.locator("[data-of=log] [data-banner]")).to_be_visible()
    picture(auditor, "auditor-failed", at="A file of somebody else")
    auditor.link("Who used our data").click()
    picture(auditor, "auditor-uses")
    assert auditor.open("/contracts") == 200
    expect(page.locator("main form")).to_have_count(0)  # an auditor reads


def verified(page, place):
    page.wait_for_selector(f"{place}[data-outcome]", state="attached")
    return page.locator(place).get_attribute("data-outcome")


# --- the authority ------------------------------------------------------------------------------------------------
@PICTURED
def test_an_authority_admits_a_member_and_removes_it(stage, comes, language):
    authority = comes(AUTHORITY, "Guo Wei", "authority", language=language)
    page, name, did = authority.page, NEW.title(), stage.nodes[NEW].did
    authority.link("Members").click()
    picture(authority, "authority-members")
    authority.field("DID").fill(did)
    authority.field("Name").fill(name)
    authority.field("Region").fill("DE")
    authority.field("Holds data").check()
    picture(authority, "authority-admit", at="Admit a member")
    authority.button("Admit").click()
    row = page.locator("tbody tr", has_text=did)
    row.wait_for()
    stage.space(NEW).refresh()
    assert stage.space(NEW)._get("/catalog")["datasets"]  # members answer it
    row.get_by_role("button", name=authority.said("Remove")).click()
    row.wait_for(state="detached")
    stage.space(HILL).refresh()
    assert did not in {one["did"] for one in stage.space(HILL)._get("/members")["members"]}
    with pytest.raises(SpaceError):
        stage.space(NEW).negotiate(stage.nodes[HILL].did, ASSET, wait=PATIENCE)


# --- a patient ----------------------------------------------------------------------------------------------------
def test_a_patient_sees_nothing_of_the_connectors_work(stage, browser):
    account = stage.space(HILL).new_account("Mrs Qian", ["patient"])["id"]
    with visiting(browser, f"http://localhost:{stage.nodes[HILL].config.private.port}") as patient:
        patient.enter(stage.space(HILL).account_link(account)["url"])
        for path, status in (("/", 200), ("/catalogue", 403), ("/audit", 403)):
            assert patient.open(path) == status
            expect(patient.page.locator("nav.menu li"), "the first page alone").to_have_count(1)
        patient.objections.clear()  # the browser reports the refusals
        assert patient.open("/preferences") == 200


# --- two who decide at once ---------------------------------------------------------------------------------------
def race(one, other, *buttons):
    """Both press their button before either has an answer; the one who was told that it was too late."""
    with one.page.expect_navigation(), other.page.expect_navigation():
        for visitor, button in zip((one, other), buttons, strict=True):
            visitor.button(button).click(no_wait_after=True)
    late = [visitor for visitor in (one, other) if visitor.page.locator("#problem").count()]  # both pages are read
    assert len(late) == 1, "one of both decides"
    assert late[0].objections.pop()  # the browser reports the refusal


def test_of_two_stewards_one_answers_and_both_pages_end_alike(stage, comes):
    asked, here = ask(stage)
    both = [comes(LAKE, name, "steward") for name in ("Dr Wang", "Dr Zhou")]
    for visitor in both:
        visitor.open(f"/contracts/negotiation?id={quote(here)}")
    race(*both, "Sign and bind", "Refuse")
    ended = settled(stage, asked)
    shown = {"FINALIZED": "in force", "TERMINATED": "ended"}[ended]
    for visitor in both:
        visitor.open(f"/contracts/negotiation?id={quote(here)}")
        visitor.page.locator("#stand .state", has_text=shown).wait_for()
        expect(visitor.button("Sign and bind")).to_have_count(0)
    if ended == "FINALIZED":
        over(stage, asked)


def test_of_two_checkers_one_has_the_last_word_and_both_pages_end_alike(stage, comes):
    output = held(stage, race=1)
    first, *both = (comes(CITY, name, "checker") for name in ("Zhao Min", "Chen Jie", "He Lan"))
    decide(first, output, "approve")
    first.page.wait_for_url("**/outputs")
    for visitor, answer in zip(both, ("approve", "reject"), strict=True):
        visitor.open(f"/outputs/output?id={quote(output)}")
        choose(visitor, answer)
    race(*both, "Send the decision", "Send the decision")
    shown = {"released": "released", "withheld": "kept back"}[state(stage, output)]
    for visitor in both:
        visitor.open(f"/outputs/output?id={quote(output)}")
        visitor.page.locator(".state", has_text=shown).wait_for()
        expect(visitor.button("Send the decision")).to_have_count(0)


# --- a session that was copied ------------------------------------------------------------------------------------
def test_a_copied_cookie_opens_nothing_once_its_owner_has_signed_out(stage, comes, browser):
    user = comes(COMPANY, "Dr Li", "user")
    with visiting(browser, user.url) as thief:
        thief.context.add_cookies(user.context.cookies())
        thief.open("/contracts")
        expect(thief.page, "the control: a copied cookie is a session").to_have_url(f"{user.url}/portal/contracts")
        user.button("Sign out").click()
        user.button("Sign in with a passkey").wait_for()
        thief.open("/contracts")
        expect(thief.page).to_have_url(re.compile("/portal/sign-in"))

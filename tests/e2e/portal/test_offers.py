"""A data manager goes from a file on the desk to a published offer, changes and withdraws it: in a real browser."""

import random

import pytest
from playwright.sync_api import expect

from tests.e2e.portal.browser import browsing, visiting
from tests.e2e.space import hospital, staged

MOST_STEPS = 12
XSS = "<img src=x onerror=alert(1)>"


def registry(rows=400):
    """Invented patients, written as hospitals write."""
    chance = random.Random(3)
    lines = ["patient_id;age;sex;glucose;smoker;ward;note"]
    for number in range(rows):
        glucose = "" if number % 9 == 0 else f"{chance.gauss(5.8, 1.1):.1f}".replace(".", ",")
        ward = XSS if number % 2 else "=cmd|' /C calc'!A0"
        note = f"seen by Dr Example on ward {number}"
        lines.append(
            f"p{number};{chance.randint(25, 85)};{chance.choice('fm')};{glucose};{chance.choice('01')};{ward};{note}"
        )
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    with staged(tmp_path_factory.mktemp("offers")) as stage:
        stage.add("authority")
        stage.add("clinic", hospital())
        stage.open()
        stage.admit()
        yield stage


@pytest.fixture(scope="module")
def browser():
    with browsing() as browser:
        yield browser


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    file = tmp_path_factory.mktemp("desk") / "Diabetes registry.csv"
    file.write_text(registry())
    return file


class Steps:
    """What a person has touched."""

    def __init__(self, visitor):
        self.page, self.count = visitor.page, 0

    def click(self, target):
        target.click()
        self.count += 1

    def choose(self, target, file):
        target.set_input_files(file)
        self.count += 1


def origin(stage, key):
    return f"http://localhost:{stage.nodes[key].config.private.port}"


def link(stage, key):
    return stage.space(key).portal_link()["url"]


def with_passkey(visitor):
    """Give the browser a device that keeps passkeys, and the account one of them, as people have who work here."""
    device = visitor.context.new_cdp_session(visitor.page)
    device.send("WebAuthn.enable")
    options = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True}
    device.send(
        "WebAuthn.addVirtualAuthenticator",
        {"options": options | {"isUserVerified": True, "automaticPresenceSimulation": True}},
    )
    visitor.open("/preferences")
    visitor.page.get_by_label("What to call it").fill("desk")
    visitor.page.get_by_role("button", name="Add a passkey").click()
    visitor.page.get_by_role("rowheader", name="desk").wait_for()
    visitor.open("/")


def manager(stage, name):
    """A link for a data manager with an account of their own."""
    made = stage.space("clinic").new_account(name, ["steward"])
    return stage.space("clinic").account_link(made["id"])["url"]


def checked(visitor):
    """A page as everybody must be able to use it."""
    visitor.suits()


def test_from_a_file_on_the_desk_to_a_published_offer(stage, browser, table, record_property):
    with visiting(browser, origin(stage, "clinic")) as owner:
        owner.enter(manager(stage, "Dr Wang"))
        with_passkey(owner)
        page, steps = owner.page, Steps(owner)
        steps.click(page.get_by_role("link", name="My datasets").first)
        steps.click(page.get_by_role("link", name="Offer a dataset").first)
        steps.choose(page.get_by_label("A table of patients"), table)
        steps.click(page.get_by_role("button", name="Look at the columns").first)
        page.get_by_role("heading", name="Diabetes registry.csv").wait_for()
        expect(page.get_by_label("Which column names the patients?")).to_have_value("=patient_id")
        expect(page.locator("svg.plot rect.bar").nth(10)).to_be_attached()
        expect(page.locator("article.column", has_text="note").get_by_text("left out").first).to_be_attached()
        checked(owner)
        steps.click(page.get_by_role("button", name="Next: the terms"))
        page.get_by_role("heading", name="What may leave?").wait_for()
        steps.click(page.get_by_label("How many patients it has"))
        checked(owner)
        steps.click(page.get_by_role("button", name="Next: read the contract"))
        page.get_by_role("heading", name="What it would say").wait_for()
        expect(page.get_by_text("allowed", exact=True)).to_have_count(1)
        expect(page.get_by_text("refused", exact=True)).to_have_count(3)
        page.get_by_text("The catalogue says how many patients it has, in coarse steps.").wait_for()
        checked(owner)
        steps.click(page.get_by_role("button", name="Publish the offer"))
        page.wait_for_url("**/confirm**")
        steps.click(page.get_by_role("button", name="Confirm with a passkey"))
        page.wait_for_url("**/contract")
        steps.click(page.get_by_role("button", name="Publish the offer"))
        page.get_by_text("It is published").wait_for()
        page.get_by_text("About 400 patients, in steps of 50.").wait_for()
        record_property("steps", steps.count)
        assert steps.count <= MOST_STEPS
    offers = {one["dataset"]: one for one in stage.space("clinic").offers()}
    assert offers["Diabetes-registry"]["offered"]
    folder = stage.nodes["clinic"].folder
    assert list((folder / "uploads").iterdir()) == []
    (kept,) = (folder / "tables").iterdir()
    assert kept.read_text() == table.read_text()
    assert kept.stat().st_mode & 0o077 == 0


PATHS = (
    "/offers",
    "/offers/new",
    "/offers/own/hearts",
    "/offers/change/hearts?until=2029-01-01",
    "/offers/change/hearts?publish=both",
    "/offers/withdraw/hearts",
)


@pytest.mark.parametrize(("language", "theme"), [("en-GB", "light"), ("zh-CN", "dark")])
def test_pages_are_accessible_and_fit(stage, browser, table, language, theme):
    with visiting(browser, origin(stage, "clinic"), locale=language, color_scheme=theme) as owner:
        owner.enter(link(stage, "clinic"))
        for path in PATHS:
            assert owner.open(path) == 200
            checked(owner)
        owner.open("/offers/new")
        uploaded(owner, table)
        for summary in owner.page.locator("article.column summary").all():
            summary.click()
        checked(owner)
        discarded(owner)


def uploaded(visitor, file):
    """A draft of a file, looked at."""
    visitor.page.locator("#table").set_input_files(file)
    visitor.page.locator("form[action$='/upload'] button").click()
    visitor.page.wait_for_url("**/columns")


def discarded(visitor):
    """Drafts of a test do not wait for the next."""
    visitor.open("/offers")
    while visitor.page.locator("form[action$='/discard']").count():
        visitor.page.locator("form[action$='/discard'] button").first.click()
        visitor.page.wait_for_load_state()


def test_columns_are_corrected_without_javascript_and_what_is_wrong_is_listed(stage, browser, table):
    with visiting(browser, origin(stage, "clinic"), java_script_enabled=False) as owner:
        owner.enter(link(stage, "clinic"))
        page = owner.page
        owner.open("/offers/new")
        uploaded(owner, table)
        for name in ("ward", "glucose", "sex"):
            page.locator("article", has_text=name).locator("summary", has_text="Describe").click()
        expect(page.locator("fieldset", has_text="What the codes mean").get_by_text(XSS)).to_have_count(1)
        expect(page.locator("main img")).to_have_count(0)
        page.get_by_label("=cmd|' /C calc'!A0").fill("a formula")
        page.locator("article", has_text="glucose").get_by_label("Unit").fill("mmol/L")
        page.locator("article", has_text="sex").get_by_label("What it holds").select_option("number")
        page.get_by_role("button", name="Save and look again").click()
        found = page.locator("section", has_text="Cells that do not fit their column")
        expect(found.locator("tbody th").first).to_contain_text("2")
        expect(found.locator("tbody tr").first).to_contain_text("not a finite number")
        page.locator("article", has_text="sex").get_by_label("What it holds").select_option("code")
        page.get_by_role("button", name="Next: the terms").click()
        page.get_by_label("From these places only").check()
        page.get_by_role("button", name="Next: read the contract").click()
        expect(page.locator("#problem")).to_contain_text("chose none")
        owner.objections.clear()  # the browser reports the 400
        page.get_by_label("the European Union").check()
        page.get_by_label("Short name").fill("second")
        page.get_by_role("button", name="Next: read the contract").click()
        page.get_by_role("heading", name="What it would say").wait_for()
        pid = page.url.split("/")[-2]
        seen = page.locator("input[name=seen]").get_attribute("value")
        stage.space("clinic")._post(f"/offer-drafts/{pid}/publish", {"seen": seen})  # the owner's token: no passkey
    folder = stage.nodes["clinic"].folder
    dictionary = (folder / "second.dictionary.toml").read_text()
    assert 'unit = "mmol/L"' in dictionary
    assert "a formula" in dictionary
    assert 'title = "Diabetes registry"' in dictionary
    assert 'regions = ["EU"]' in (folder / "medspace.toml").read_text()


def test_what_is_typed_on_a_page_of_other_columns_is_not_saved(stage, browser, table):
    with visiting(browser, origin(stage, "clinic"), java_script_enabled=False) as owner:
        owner.enter(link(stage, "clinic"))
        page = owner.page
        owner.open("/offers/new")
        uploaded(owner, table)
        pid = page.url.split("/")[-2]
        (file,) = (one for one in (stage.nodes["clinic"].folder / "uploads" / pid).iterdir() if one.suffix == ".csv")
        rows = (line.split(";") for line in registry().splitlines())
        file.write_text("\n".join(";".join((first, *rest)) for first, _, *rest in rows) + "\n")  # no age any more
        page.locator("article", has_text="glucose").locator("summary", has_text="Describe").click()
        page.locator("article", has_text="glucose").get_by_label("Unit").fill("mmol/L")
        page.get_by_role("button", name="Save and look again").click()
        expect(page.locator("#problem")).to_contain_text("Nothing was saved")
        owner.objections.clear()  # the browser reports the 400
        assert stage.space("clinic")._get(f"/offer-drafts/{pid}/columns")["said"]["columns"] == {}
        page.locator("article", has_text="glucose").locator("summary", has_text="Describe").click()
        expect(page.locator("article", has_text="glucose").get_by_label("Unit")).to_have_value("")
        discarded(owner)


def test_terms_are_changed_and_the_offer_is_withdrawn_and_offered_again(stage, browser):
    with visiting(browser, origin(stage, "clinic")) as owner:
        owner.enter(manager(stage, "Dr Chen"))
        with_passkey(owner)
        page = owner.page
        owner.open("/offers/own/hearts")
        page.get_by_role("link", name="Change the terms").click()
        page.get_by_label("Uses under one agreement").fill("7")
        page.get_by_role("button", name="See what it means").click()
        page.get_by_text("No agreement is in force under it.").wait_for()
        page.get_by_role("button", name="Change the offer").click()
        page.wait_for_url("**/confirm**")
        page.get_by_role("button", name="Confirm with a passkey").click()
        page.wait_for_url("**/change/hearts**count=7**")
        page.get_by_role("button", name="Change the offer").click()
        page.get_by_text("Only up to 7 times.").wait_for()
        page.get_by_role("link", name="Withdraw the offer").click()
        page.get_by_text("Nobody can negotiate hearts any more").wait_for()
        page.get_by_role("button", name="Withdraw Heart patients").click()
        page.get_by_text("withdrawn", exact=True).wait_for()
        page.get_by_role("button", name="Offer it again").click()
        page.get_by_text("in the catalogue", exact=True).wait_for()


def test_a_steward_uploads_but_names_no_path(stage, browser, table):
    with visiting(browser, origin(stage, "clinic")) as steward:
        steward.enter(manager(stage, "Dr Li"))
        steward.open("/offers/new")
        expect(steward.page.get_by_label("Its path")).to_have_count(0)
        steward.page.locator("form[action$='/upload']").evaluate(
            "form => { form.action = '/portal/offers/point'; form.enctype = 'application/x-www-form-urlencoded';"
            " form.table.removeAttribute('required'); form.submit() }"
        )
        steward.page.locator("#problem").wait_for()
        expect(steward.page.locator("#problem")).to_contain_text("token.scope")
        steward.objections.clear()
        steward.open("/offers/new")
        uploaded(steward, table)
        discarded(steward)


UPLOAD = """async ([token, late, kind]) => {
  const form = new FormData(), file = new File(['person,age\\np1,2\\n'], 'x.csv');
  if (token) form.append('token', token);
  form.append('table', file);
  if (late) form.append('token', late);
  const sent = kind ? new URLSearchParams({token}) : form;
  return (await fetch('/portal/offers/upload', {method: 'POST', body: sent})).status;
}"""


def test_no_byte_of_a_file_is_kept_before_the_forms_token_is_right(stage, browser):
    with visiting(browser, origin(stage, "clinic")) as owner:
        owner.enter(link(stage, "clinic"))
        owner.open("/offers/new")
        token = owner.page.locator("form[action$='/upload'] input[name=token]").input_value()
        tried = (["", "", ""], ["0" * 64, "", ""], ["", token, ""], [token, "", "urlencoded"])
        assert [owner.page.evaluate(UPLOAD, one) for one in tried] == [403, 403, 403, 400]
        assert stage.space("clinic")._get("/offer-drafts")["drafts"] == []
        owner.page.evaluate(UPLOAD, [token, "", ""])
        owner.objections.clear()  # the browser reports each refusal
        discarded(owner)

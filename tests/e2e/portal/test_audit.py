"""The audit in a real browser: it verifies by itself, says what it proved, and shows in red what fails."""

import json
import re

import pytest
from playwright.sync_api import expect

from medspace.app.features.audit.auditing import verify_entry_files
from medspace.core.clock import stamp
from medspace.ledger import service
from medspace.ledger.model import Entry
from medspace.sdk import SpaceError
from medspace.trust.jws import encode
from tests.e2e.portal.browser import browsing, visiting
from tests.e2e.space import PURPOSE, TASK, hospital, staged
from tests.verify_cases import KEY, SCRIPT, cases, expected, exported, proven

EVIL = "<img/src=x/onerror=alert(1)>"
PAGES = ("/audit", "/audit/entry?index=3", "/audit/log", "/audit/uses", "/audit/lineage")


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    with staged(tmp_path_factory.mktemp("audit")) as stage:
        stage.add("authority")
        stage.add("clinic", hospital())
        stage.add("user")
        stage.open()
        stage.admit()
        agreement = stage.agree("user", "clinic")
        stage.space("user").train(TASK, [agreement])
        stage.add_evil = _note(stage, "clinic", "user")
        yield stage


def _note(stage, key, other):
    """What another participant chose the names of: an entry of a use whose every token is markup."""
    node = stage.nodes[key].connector.node
    facts = dict.fromkeys(("admission", "agreement", "transfer", "asset", "use_kind", "purpose", "step"), EVIL)
    facts |= {"task": f"sha256:{'1' * 64}", "question": f"sha256:{'2' * 64}", "round": 1}
    facts |= {"user": stage.nodes[other].did, "run": EVIL}
    entry = Entry("use.admitted", stamp(node.clock.now()), node.did, facts)
    return stage.run(node.database.write(lambda tx: service.record(tx, entry)))


@pytest.fixture(scope="module")
def browser():
    with browsing() as browser:
        yield browser


@pytest.fixture(scope="module")
def clinic(stage, browser):
    with visiting(browser, f"http://localhost:{stage.nodes['clinic'].config.private.port}") as owner:
        owner.enter(stage.space("clinic").portal_link()["url"])
        yield owner


def outcome(page, place="[data-verify]"):
    page.wait_for_selector(f"{place}[data-outcome]", state="attached")
    return page.locator(place).get_attribute("data-outcome")


def failing(page, place="[data-verify]"):
    return page.locator(f"{place} li[data-outcome=fails]").evaluate_all("all => all.map(one => one.dataset.step)")


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize(("language", "theme"), [("en-GB", "light"), ("zh-CN", "dark")])
def test_pages_are_accessible_and_fit(stage, browser, path, language, theme):
    url = f"http://localhost:{stage.nodes['clinic'].config.private.port}"
    with visiting(browser, url, locale=language, color_scheme=theme) as owner:
        owner.enter(stage.space("clinic").portal_link()["url"])
        assert owner.open(path) == 200
        if owner.page.locator("[data-verify]").count():
            assert outcome(owner.page) == "verified"
        owner.suits()


def test_an_entry_is_verified_by_the_browser_which_says_what_it_proved(stage, clinic):
    clinic.open("/audit?kind=use.released")
    clinic.page.locator("tbody a").first.click()
    assert outcome(clinic.page) == "verified"
    steps = clinic.page.locator("[data-verify] li:visible")
    assert steps.evaluate_all("all => all.map(one => one.dataset.step)") == [
        *("entry", "path", "members", "key", "checkpoint")
    ]
    expect(clinic.page.locator("[data-banner]")).to_be_hidden()
    expect(clinic.page.locator("[data-step=members]")).to_contain_text(stage.nodes["authority"].did)


def test_the_authority_s_own_log_is_verified_with_the_key_that_signs_the_list(stage, browser):
    url = f"http://localhost:{stage.nodes['authority'].config.private.port}"
    with visiting(browser, url) as authority:
        authority.enter(stage.space("authority").portal_link()["url"])
        authority.open("/audit/log")
        assert outcome(authority.page) == "verified"
        expect(authority.page.get_by_text("This connector is the authority of the space.")).to_be_visible()


WITHOUT_WORKER = (
    "navigator.serviceWorker.getRegistrations().then((all) => Promise.all(all.map((one) => one.unregister())))"
)


def test_what_the_page_shows_is_what_is_hashed(clinic):
    """A server that shows other words than it logged is found out."""
    address = re.compile(r"/portal/audit/entry\?")
    clinic.page.evaluate(WITHOUT_WORKER)  # whatever a worker fetches passes by the route below
    clinic.page.route(address, _altered)
    clinic.open("/audit/entry?index=3")
    assert outcome(clinic.page) == "failed"
    assert failing(clinic.page) == ["path"]
    expect(clinic.page.locator("[data-banner]")).to_be_visible()
    expect(clinic.page.locator("[data-banner]")).to_be_focused()
    assert clinic.violations() == []
    clinic.page.unroute(address)


def _altered(route):
    answer = route.fetch()
    route.fulfill(response=answer, body=answer.text().replace("&#34;clinic", "x").replace("provider", "consumer"))


def test_a_page_whose_proof_cannot_be_loaded_says_that_nothing_was_verified(clinic):
    clinic.page.route("**/audit/proof?**", lambda route: route.abort())
    clinic.open("/audit/entry?index=3")
    assert outcome(clinic.page) == "unfinished"
    expect(clinic.page.locator("[data-summary]")).to_contain_text("Nothing was verified")
    clinic.page.unroute("**/audit/proof?**")
    clinic.objections.clear()  # the browser says that it could not load it


def test_the_whole_log_is_verified_and_a_log_that_is_cut_off_is_not(clinic):
    clinic.open("/audit/log")
    assert outcome(clinic.page) == "verified"
    clinic.page.route("**/audit/texts?**", _shortened)
    clinic.page.reload()
    assert outcome(clinic.page) == "failed"
    assert failing(clinic.page) == ["count"]
    clinic.page.unroute("**/audit/texts?**")


def _shortened(route):
    texts = route.fetch().json()["texts"] if "after=0" in route.request.url else []
    route.fulfill(json={"texts": texts[:-1]})


@pytest.mark.parametrize(
    ("told", "of", "fails"),
    [
        (exported(), "log", []),
        (exported() | {"entries": exported()["entries"][:-1]}, "log", ["count"]),
        (exported() | {"entries": [*exported()["entries"][:-1], EVIL]}, "log", ["root"]),
        (proven(), "entry", []),
        (proven() | {"entry": EVIL}, "entry", ["entry", "path"]),
    ],
)
def test_a_file_of_somebody_else_is_verified_without_being_sent(clinic, tmp_path, told, of, fails):
    file = tmp_path / "shown.json"
    file.write_text(json.dumps(told))
    clinic.open("/audit/log")
    assert outcome(clinic.page) == "verified"
    sent = []
    clinic.page.on("request", lambda request: sent.append(request.url))
    clinic.page.locator("#chosen").set_input_files(file)
    clinic.page.locator("#authority_key").fill(KEY)
    clinic.page.get_by_role("button", name="Verify the file here").click()
    place = f'[data-of="{of}"]'
    assert outcome(clinic.page, place) == ("failed" if fails else "verified")
    assert failing(clinic.page, place) == fails
    assert clinic.page.locator(f"{place} [data-banner]").is_visible() is bool(fails)
    assert sent == []
    expect(clinic.page.locator("main img")).to_have_count(0)


def test_a_file_that_is_no_proof_is_said_to_be_none(clinic, tmp_path):
    file = tmp_path / "shown.json"
    file.write_text("[]")
    clinic.open("/audit/log")
    clinic.page.locator("#chosen").set_input_files(file)
    clinic.page.get_by_role("button", name="Verify the file here").click()
    clinic.page.locator("[data-file-problem]").wait_for()
    assert clinic.violations() == []


def test_the_script_says_in_a_browser_what_it_says_elsewhere(clinic):
    clinic.open("/audit/log")
    told = {name: facts for name, (what, facts, _) in cases().items() if what == "file"}
    answers = clinic.page.evaluate(
        """async (told) => {
          const verify = await import("/portal/static/verify.js");
          const answers = {};
          for (const [name, { file, key }] of Object.entries(told)) {
            try { answers[name] = await verify.verifyFile(verify.readFile(file), verify.fromBase64url(key)); }
            catch (error) { answers[name] = `error ${error.message}`; }
          }
          return answers;
        }""",
        told,
    )
    assert {name: expected(answer) for name, answer in answers.items()} == {name: cases()[name][2] for name in told}
    assert SCRIPT.is_file()


def test_a_proof_that_was_downloaded_is_verified_offline(stage, clinic, tmp_path):
    clinic.open("/audit/entry?index=3")
    with clinic.page.expect_download() as waited:
        clinic.page.get_by_role("link", name="Download the proof").click()
    file = tmp_path / waited.value.suggested_filename
    waited.value.save_as(file)
    key = encode(stage.nodes["authority"].connector.node.signing.public_key)
    assert verify_entry_files([file], key, "en")["outcome"] == "verified"


def test_who_used_a_dataset_is_told_with_the_agreement_and_the_proof(stage, clinic):
    clinic.open("/audit/uses?dataset=hearts")
    row = clinic.page.locator("table", has_text="Uses, the latest first").locator("tbody tr")
    expect(row).to_have_count(1)
    expect(row).to_contain_text(PURPOSE)
    row.get_by_role("link").click()
    assert outcome(clinic.page) == "verified"
    expect(clinic.page.get_by_role("heading", name="A question was admitted")).to_be_visible()


def test_who_used_the_data_is_told_by_participant_and_leads_to_the_entries(stage, clinic):
    clinic.open("/audit/uses?dataset=hearts")
    users = clinic.page.locator("table", has_text="By participant").locator("tbody tr")
    expect(users).to_have_count(1)
    name = users.get_by_role("rowheader").inner_text()
    users.get_by_role("rowheader").get_by_role("link").click()
    clinic.page.get_by_role("link", name="Uses of all participants").wait_for()
    uses = clinic.page.locator("table", has_text="Uses, the latest first").locator("tbody tr")
    expect(uses.first).to_contain_text(name)
    (user,) = stage.space("clinic").audit_users("hearts")
    assert (user["user"], user["uses"], len(user["agreements"])) == (stage.nodes["user"].did, 1, 1)
    clinic.page.get_by_role("link", name="Its entries").first.click()
    expect(clinic.page.get_by_label("Participant (DID)")).to_have_value(user["user"])
    clinic.open("/audit/uses?user=did:web:nobody.example")
    expect(clinic.page.get_by_text("Uses, the latest first")).to_have_count(0)


def test_programs_are_told_the_same(stage):
    clinic, user = stage.space("clinic"), stage.space("user")
    found = clinic.audit_entries(kind="use.admitted", dataset="hearts", limit=2)
    assert [entry["said"] for entry in found["entries"]] == ["A question was admitted"] * 2
    earlier = clinic.audit_entries(kind="use", before=found["entries"][-1]["index"], limit=1)["entries"]
    assert earlier[0]["index"] < found["entries"][-1]["index"]
    assert clinic.audit_entries(since="2999-01-01")["entries"] == []
    (use,) = clinic.audit_uses("hearts")
    assert (use["user"], use["admitted"] >= use["released"] > 1) == (stage.nodes["user"].did, True)
    assert clinic.audit_entry(use["entry"])["format"] == "medspace-entry-1"
    (run,) = user._get("/audit/runs")["runs"]
    assert [source["datasets"] for source in user.audit_lineage(run["run"])["sources"]] == [["hearts"]]
    with pytest.raises(SpaceError):
        clinic.audit_entry(found["size"] + 100)
    with pytest.raises(SpaceError):
        clinic.audit_lineage(run["run"])  # a hospital's log does not know the run


def test_names_that_others_chose_are_text(stage, clinic):
    for path in ("/audit", "/audit/uses", f"/audit/entry?index={stage.add_evil}"):
        clinic.open(path)
        expect(clinic.page.locator("main")).to_contain_text(EVIL)
        expect(clinic.page.locator("main img")).to_have_count(0)
    assert outcome(clinic.page) == "verified"


def test_what_one_actor_did_is_found_by_the_actor(clinic):
    clinic.open("/audit?kind=session.opened")
    clinic.page.locator("tbody td a").first.click()
    expect(clinic.page).to_have_url(re.compile("actor%3A"))
    expect(clinic.page.locator("tbody tr").nth(1)).to_be_attached()
    expect(clinic.page.get_by_text("the connector", exact=True)).to_have_count(0)
    assert clinic.violations() == []


def test_entries_are_found_by_what_happened_dataset_and_participant(stage, clinic):
    clinic.open("/audit")
    clinic.page.get_by_label("What happened").select_option("use.released")
    clinic.page.get_by_label("Participant (DID)").fill(stage.nodes["user"].did)
    clinic.page.get_by_role("button", name="Find").click()
    expect(clinic.page.get_by_text("None of the entries")).to_be_visible()  # a release names no participant
    clinic.page.get_by_label("What happened").select_option("use.admitted")
    clinic.page.get_by_role("button", name="Find").click()
    expect(clinic.page.locator("tbody tr").nth(1)).to_be_attached()


def test_where_a_model_came_from_is_drawn_and_told_in_a_table(stage, browser):
    url = f"http://localhost:{stage.nodes['user'].config.private.port}"
    with visiting(browser, url) as owner:
        owner.enter(stage.space("user").portal_link()["url"])
        owner.open("/audit/lineage")
        owner.page.locator("tbody a").first.click()
        expect(owner.page.locator("svg.graph .node")).to_have_count(4)
        expect(owner.page.locator("tbody")).to_contain_text("hearts")
        assert owner.violations() == []
        owner.page.set_viewport_size({"width": 360, "height": 900})
        assert not owner.overflows()

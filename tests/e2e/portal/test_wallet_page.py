"""The wallet's page in a real browser: card, two questions, consent, receipt, withdrawal; offline; both languages."""

import base64
import hashlib
import hmac
import json
import os
from pathlib import Path

import pytest

from medspace.core.canonical import canonical
from medspace.services.consents import signed
from medspace.services.wallets.ports import UseOfPatient
from tests.e2e.portal.browser import AXE, RULES, WIDTHS, browsing, visiting
from tests.e2e.portal.keys import confirm
from tests.e2e.space import ASSET, PURPOSE, hospital, staged
from tests.e2e.test_wallets import FORM

LOOKS = os.environ.get("MEDSPACE_LOOKS", "")
KEPT = """async () => {
  const open = indexedDB.open("wallet");
  await new Promise((resolve) => { open.onsuccess = resolve; });
  const all = open.result.transaction("kept").objectStore("kept").getAll();
  await new Promise((resolve) => { all.onsuccess = resolve; });
  return all.result;
}"""
EXTRACT = """async () => {
  const open = indexedDB.open("wallet");
  await new Promise((resolve) => { open.onsuccess = resolve; });
  const kept = open.result.transaction("kept").objectStore("kept");
  const asked = [kept.get("places"), kept.get("root")];
  await new Promise((resolve) => { asked[1].onsuccess = resolve; });
  const failed = [];
  for (const key of [asked[0].result[0].key.privateKey, asked[1].result]) {
    for (const form of ["jwk", "pkcs8", "raw"]) {
      try { await crypto.subtle.exportKey(form, key); } catch { failed.push(form); }
    }
  }
  return failed.length;
}"""


def used(tx, patient, most):
    """A use of everybody's data."""
    return [UseOfPatient("2026-11-01T08:00:00.000Z", "did:web:user.example", PURPOSE, running=True, entry=7)]


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wallet-page")
    with pytest.MonkeyPatch.context() as patch, staged(folder) as stage:
        patch.setattr(signed, "uses", used)
        stage.add("authority")
        clinic = stage.add("clinic", hospital(route="consent"))
        origin = f"http://localhost:{clinic.config.public.port}"
        clinic.file.write_text(clinic.file.read_text() + f'\n[wallets]\nurl = "{origin}"\n')
        stage.open()
        stage.admit()
        stage.space("clinic").publish_consent_form("hearts", FORM)
        yield stage


@pytest.fixture(scope="module")
def browser():
    with browsing() as browser:
        yield browser


class Person:
    """Somebody with a browser at the page."""

    def __init__(self, browser, stage, locale="en-GB", scheme="light"):
        self.stage, self.origin = stage, stage.nodes["clinic"].config.wallets.origin
        self.context = browser.new_context(locale=locale, color_scheme=scheme, viewport={"width": 420, "height": 900})
        self.objections = []
        self.page = self.context.new_page()
        self.page.on("console", lambda said: said.type in ("error", "warning") and self.objections.append(said.text))
        self.page.on("pageerror", lambda error: self.objections.append(str(error)))

    def press(self, name):
        self.page.get_by_role("button", name=name, exact=True).click()

    def sees(self, words):
        self.page.get_by_text(words).first.wait_for()

    def invited(self, patient):
        told = self.stage.space("clinic").invite_patient(patient)
        self.page.goto(told["page"])
        self.page.locator("#pin").fill(told["pin"])

    def consents(self, button="Read and decide", q=("yes", "no"), sign="Yes, I consent"):
        self.press(button)
        for name, value in zip(("q1", "q2"), q, strict=True):
            self.page.locator(f"input[name={name}][value={value}]").check()
        self.press(sign)

    def looks(self, name):
        found = self.page.evaluate(
            f"async () => {{ {AXE}; return (await axe.run({{runOnly: {RULES}}})).violations"
            ".map(one => one.id + ': ' + one.nodes.map(node => node.html).join(' | ').slice(0, 300)) }"
        )
        assert found == []
        for width in WIDTHS:
            self.page.set_viewport_size({"width": width, "height": 900})
            assert self.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        self.page.set_viewport_size({"width": 420, "height": 900})
        if LOOKS:
            self.page.screenshot(path=Path(LOOKS) / f"wallet-{name}.png", full_page=True)


@pytest.fixture
def person(browser, stage):
    made = Person(browser, stage)
    yield made
    made.context.close()
    assert made.objections == []


def test_a_patient_decides_sees_and_withdraws(person, stage):
    person.invited("p-1")
    person.looks("welcome")
    person.press("Fetch my card")
    code = person.page.locator("code.code").text_content()
    assert len(code.replace("-", "")) == 32
    person.looks("code")
    person.press("I have written it down")
    person.sees("You have not decided")
    person.looks("home")

    person.press("Read and decide")
    person.looks("deciding")
    person.press("Yes, I consent")
    person.sees("Please answer both questions.")
    person.press("Not now")
    person.consents(q=("yes", "yes"))
    person.sees("That is not what it says above.")
    person.press("Not now")
    person.consents()
    person.sees("Thank you. The receipt is in your wallet.")
    person.page.locator("summary").first.click()
    person.looks("consented")
    (kept,) = [one for one in stage.space("clinic").wallet_patients() if one["patient"] == "p-1"]
    assert kept == {"patient": "p-1", "keys": 1, "consents": 1}

    person.press("Show who used my data")
    person.sees("did:web:user.example, for health research")
    person.looks("uses")
    person.press("Withdraw")
    person.sees("Models that were already released stay as they are.")
    person.sees("Uses that are running now: 1.")
    person.looks("withdrawing")
    person.press("Yes, withdraw")
    person.sees("Withdrawn. The hospital has signed that it was told.")
    person.page.locator("summary").first.click()
    person.sees("the hospital has signed, the authority has signed")
    person.looks("withdrawn")
    (kept,) = [one for one in stage.space("clinic").wallet_patients() if one["patient"] == "p-1"]
    assert kept["consents"] == 0
    assert person.page.evaluate(EXTRACT) == 6
    places = next(one for one in person.page.evaluate(KEPT) if isinstance(one, list))
    proof = places[0]["consents"][0]["withdrawal"]
    made = hmac.new(bytes.fromhex(proof["salt"]), canonical(proof["said"]), hashlib.sha256).hexdigest()
    assert proof["commitment"] == f"hmac-sha256:{made}"
    stated = proof["stated"].split(".")[1]
    assert json.loads(base64.urlsafe_b64decode(stated + "=="))["commitment"] == proof["commitment"]


def test_the_printed_code_opens_a_new_wallet_and_closes_the_old_one(browser, stage, person):
    person.invited("p-2")
    person.press("Fetch my card")
    code = person.page.locator("code.code").text_content()
    person.press("I have written it down")
    person.sees("You have not decided")
    other = Person(browser, stage, "zh-CN", "dark")
    other.page.goto(other.origin)
    other.page.locator("summary").click()
    other.page.locator("#code").fill("AAAA")
    other.press("在这家医院使用恢复码")
    other.sees("这不是钱包的恢复码。")
    other.page.locator("#code").fill(code.lower())
    other.press("在这家医院使用恢复码")
    other.sees("您还没有决定")
    other.looks("zh-dark")
    other.context.close()
    assert other.objections == []
    person.consents()
    person.sees("This key does not stand for the patient, or no longer.")
    person.objections[:] = [one for one in person.objections if "403" not in one]


def test_it_opens_without_a_network_and_sends_the_withdrawal_later(person, stage):
    person.invited("p-3")
    person.press("Fetch my card")
    person.press("I have written it down")
    person.consents()
    person.sees("Thank you. The receipt is in your wallet.")
    person.page.evaluate("navigator.serviceWorker.ready.then((found) => found.active.state)")
    person.page.reload()
    person.context.set_offline(True)
    person.page.reload()
    person.sees("There is no connection.")
    person.press("Withdraw")
    person.press("Yes, withdraw")
    person.sees("Withdrawn. It is kept here and sent as soon as there is a connection.")
    person.context.set_offline(False)
    person.sees("You withdrew on")
    person.objections[:] = [one for one in person.objections if "ERR_INTERNET_DISCONNECTED" not in one]
    (kept,) = [one for one in stage.space("clinic").wallet_patients() if one["patient"] == "p-3"]
    assert kept["consents"] == 0


def test_nothing_of_anybody_is_in_a_cache_or_a_storage_that_scripts_read(person):
    person.invited("p-4")
    person.press("Fetch my card")
    person.press("I have written it down")
    person.page.evaluate("navigator.serviceWorker.ready.then((found) => found.active.state)")
    names = person.page.evaluate(
        "caches.keys().then((names) => caches.open(names[0])).then((one) => one.keys())"
        ".then((found) => found.map((request) => new URL(request.url).pathname))"
    )
    assert "/" in names
    assert all(name == "/" or name.startswith("/wallet-page/") for name in names)
    assert person.page.evaluate("Object.keys(localStorage)") == []
    assert person.context.cookies() == []
    answer = person.context.request.get(person.origin)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


@pytest.fixture(scope="module")
def officer(stage, browser):
    """Somebody of the clinic's data office, who has used a passkey a moment ago."""
    with visiting(browser, f"http://localhost:{stage.nodes['clinic'].config.private.port}") as officer:
        officer.enter(stage.space("clinic").portal_link()["url"])
        confirm(officer)
        yield officer


def asks_about(officer, patient):
    officer.open("/consent")
    officer.suits()
    officer.page.get_by_label("The patient, as the rows of the dataset say it").fill(patient)
    officer.page.get_by_role("button", name="What did this patient say?").click()
    officer.page.get_by_role("heading", name=f"Patient {patient}").wait_for()
    assert patient not in officer.page.url
    officer.suits()


def test_the_data_office_sees_what_was_said_in_a_wallet_and_records_a_withdrawal(stage, person, officer):
    person.invited("p-41")
    person.press("Fetch my card")
    person.press("I have written it down")
    person.sees("You have not decided")
    person.consents()
    person.sees("Thank you. The receipt is in your wallet.")
    asks_about(officer, "p-41")
    officer.page.get_by_text("counts", exact=True).wait_for()
    officer.page.get_by_role("button", name="Record the withdrawal").click()
    officer.page.get_by_text("withdrawn", exact=True).wait_for()
    assert stage.space("clinic").explain_consent("p-41")["consents"][0]["why"] == "withdrawn"


def test_the_data_office_decides_where_a_consent_leaves_it_open(stage, officer):
    space = stage.space("clinic")
    unread = [{"expression": {"language": "text/cql", "expression": "x"}}]
    made = {"resourceType": "Consent", "id": "c1", "status": "active", "decision": "permit", "provision": unread}
    space.record_consents([made | {"subject": {"reference": "Patient/p1-7"}}])
    space.put_consent_terms(ASSET, "person")
    assert space.undecided_patients(ASSET, PURPOSE) == ["p1-7"]
    asks_about(officer, "p1-7")
    officer.page.get_by_label("Dataset and purpose").select_option(f"{ASSET} {PURPOSE}")
    officer.page.get_by_label("Why").fill("seen in the file")
    officer.page.get_by_role("button", name="It is allowed").click()
    officer.page.get_by_role("heading", name="Patient p1-7").wait_for()
    assert space.undecided_patients(ASSET, PURPOSE) == []

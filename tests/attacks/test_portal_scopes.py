"""Every role asks for every page and sends every form of the portal, over HTTP: it gets what its scopes open."""

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import quote

import httpx
import pytest

from medspace.app.compose.features import FEATURES
from medspace.app.doors.portal.guarding import SESSION, cookie_of
from medspace.app.doors.portal.home import PAGES as HOME
from medspace.core.errors import WaitingError
from medspace.services.accounts.model import AccountRole
from medspace.services.accounts.rules import SCOPES
from tests.e2e.space import ASSET, hospital, staged
from tests.passkeys import Authenticator

PAGES = [page for feature in FEATURES if feature.pages for page in feature.pages().pages] + list(HOME.pages)
ACTIONS = [action for feature in FEATURES if feature.pages for action in feature.pages().actions]
ENTRIES = [entry for feature in FEATURES if feature.pages for entry in feature.pages().menu]
CODE = re.compile(r"<code>([a-z_]+\.[a-z_.]+)</code>")
NO_SCOPE = "token.scope"
OWNER = AccountRole.OWNER


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    with staged(tmp_path_factory.mktemp("scopes")) as stage:
        stage.add("clinic", hospital(), more='[negotiations]\nanswers = "manual"')
        stage.add("user")
        stage.open()
        stage.admit()
        yield stage


@dataclass
class Person:
    """Somebody signed in at the clinic's portal, over its listener."""

    client: httpx.Client
    origin: str
    session: str
    token: str = ""

    @property
    def cookie(self):
        return f"{cookie_of(SESSION, self.origin)}={self.session}"

    def ask(self, method, path, **request):
        headers = {"cookie": self.cookie, "origin": self.origin} | request.pop("headers", {})
        return self.client.request(method, path, headers=headers, timeout=30, **request)

    def send(self, path, **form):
        return self.ask("POST", path, data={"token": self.token, **form})


def comes_in(stage, client, link, key=None):
    """Signed in by a link, and confirmed where there is a passkey."""
    desk = stage.nodes["clinic"].connector.of("accounts")
    opened = stage.run(desk.enter(link, "test"))
    person = Person(client, desk.origin, opened.secret)
    person.token = stage.run(desk.accounts.look(opened.secret)).form
    if key is not None:
        visitor = stage.run(desk.accounts.look(opened.secret))
        answer = key.create(stage.run(desk.passkeys.begin_registration(visitor)))
        stage.run(desk.passkeys.finish_registration(visitor, answer, "key"))
        answer = key.get(stage.run(desk.passkeys.begin_confirmation(visitor)))
        stage.run(desk.confirm(visitor, answer, "test"))
    return person


@pytest.fixture(scope="module")
def client(stage):
    with httpx.Client(base_url=stage.nodes["clinic"].private_url) as client:
        yield client


@pytest.fixture(scope="module")
def people(stage, client):
    """One person of each role; nobody has a passkey."""
    space, made = stage.space("clinic"), {}
    for role in AccountRole:
        account = space.new_account(f"Dr {role.title()}", [role.value])
        made[role] = comes_in(stage, client, space.account_link(account["id"])["text"])
    return made


def may(role, scopes):
    return role is OWNER or bool(SCOPES[role] & set(scopes))


def where(page):
    """The address of a page or form; what it names does not exist."""
    return "/portal" + re.sub(r"{[^}]*}", "x", page.path)


def said(answer):
    return CODE.findall(answer.text)


@pytest.mark.parametrize("role", AccountRole)
def test_a_role_is_shown_the_pages_that_its_scopes_open(people, role):
    for page in PAGES:
        answer = people[role].ask("GET", where(page))
        refused = answer.status_code == httpx.codes.FORBIDDEN and NO_SCOPE in said(answer)
        assert answer.status_code < httpx.codes.INTERNAL_SERVER_ERROR, page.path
        assert refused is not (page.everybody or may(role, page.scopes)), page.path


def test_everybody_sees_the_first_page_and_on_it_only_what_their_role_may(people):
    """A patient's page leads nowhere; the control: the owner's leads everywhere."""
    menus = {role: people[role].ask("GET", "/portal/") for role in AccountRole}
    assert {one.status_code for one in menus.values()} == {200}
    for role, answer in menus.items():
        seen = set(re.findall(r'href="(/portal/[^"?]*)', answer.text))
        for entry in ENTRIES:
            assert (f"/portal{entry.path}" in seen) is may(role, entry.scopes), (role, entry.path)
    assert 'class="note' not in menus[AccountRole.PATIENT].text
    assert "no page for your role" in menus[AccountRole.PATIENT].text
    assert "no page for your role" not in menus[OWNER].text


@pytest.mark.parametrize("role", AccountRole)
def test_a_role_sends_the_forms_that_its_scopes_open_and_what_weighs_more_with_a_passkey(stage, people, role):
    before = len(stage.entries("clinic"))
    for action in ACTIONS:
        if not may(role, action.scopes):
            answer = people[role].send(where(action))
            assert (answer.status_code, said(answer)) == (403, [NO_SCOPE]), action.path
        elif action.confirmed:
            answer = people[role].send(where(action))
            assert answer.headers["location"].startswith("/portal/confirm?"), action.path
    assert len(stage.entries("clinic")) == before
    for action in ACTIONS:
        if may(role, action.scopes) and not action.confirmed:
            assert NO_SCOPE not in said(people[role].send(where(action))), action.path


def test_reading_changes_nothing(stage, people):
    before = [len(stage.entries(key)) for key in stage.nodes]
    for page in PAGES:
        people[OWNER].ask("GET", where(page))
        people[OWNER].ask("HEAD", where(page))
    assert [len(stage.entries(key)) for key in stage.nodes] == before


def test_without_a_session_there_is_nothing(client):
    for page in PAGES:
        answer = client.get(where(page))
        assert (answer.status_code, answer.headers["location"][:15]) == (302, "/portal/sign-in"), page.path
    assert client.get("/portal/events/negotiations/x").status_code == 401


ASTRAY = [
    "/portal/../labels",
    "/portal/%2e%2e/labels",
    "/portal/..%2flabels",
    "/portal//accounts",
    "//portal/accounts",
    "/PORTAL/accounts",
    "/portal/Accounts",
    "/portal/accounts/",
    "/portal/accounts%2f",
    "/portal/accounts;x=y",
    "/portal/accounts%00",
    "/portal%2faccounts",
    "/portal/static/..%2f..%2fapp.py",
    "/portal/static/%2e%2e/app.py",
    "/portal/events/../labels",
    "/portal/events/%2e%2e/labels",
    "/portal/events/..%2flabels",
    "/portal/events/x%3f/../../labels",
    "/portal/./accounts",
    "/portal/\\accounts",
    "/portal/%5caccounts",
]


@pytest.mark.parametrize("path", ASTRAY)
def test_no_spelling_leads_to_another_page_or_past_the_session(stage, people, path, client):
    """Not to the management API either: that knows no cookie."""
    raw = httpx.URL(scheme="http", host=client.base_url.host, port=client.base_url.port, raw_path=path.encode())
    for role in (None, AccountRole.AUDITOR):
        cookie = {} if role is None else {"cookie": people[role].cookie}
        answer = client.request("GET", raw, headers=cookie)
        assert answer.status_code in (302, 307, 400, 401, 403, 404), role
        assert "labels" not in answer.text or "problem" in answer.text or "code" in answer.text
        assert "import " not in answer.text


@pytest.mark.parametrize("path", ["/labels", "/status", "/accounts", "/openapi.json", "/links"])
def test_the_management_api_takes_no_session(people, path):
    for method in ("GET", "POST"):
        assert people[OWNER].ask(method, path).status_code in (401, 429)  # as any call without a token


def test_a_stream_is_a_persons_who_may_see_it(stage, people):
    assert people[AccountRole.PATIENT].ask("GET", "/portal/events/negotiations/x").status_code == 403
    assert people[AccountRole.CHECKER].ask("GET", "/portal/events/negotiations/x").status_code != 200


def waiting(stage):
    """A negotiation that waits for somebody at the clinic."""
    user = stage.space("user")
    with pytest.raises(WaitingError):
        user.negotiate(stage.nodes["clinic"].did, ASSET, wait=0.2)
    return next(one["id"] for one in stage.space("clinic").negotiations() if one["owner"] == "us")


def test_a_stream_ends_with_its_session(stage, client):
    pid = waiting(stage)
    account = stage.space("clinic").new_account("Dr Three", ["steward"])
    person = comes_in(stage, client, stage.space("clinic").account_link(account["id"])["text"])
    headers = {"cookie": person.cookie}
    with client.stream("GET", f"/portal/events/negotiations/{quote(pid)}", headers=headers, timeout=30) as stream:
        lines = stream.iter_lines()
        assert (stream.status_code, next(lines)) == (200, "retry: 2000")
        assert any(line.startswith("data: ") for line in lines)
        person.send("/portal/sign-out")
        stage.space("clinic").answer(pid, approve=False)
        assert [line for line in lines if line.startswith("data: ")] == []


def test_of_two_people_who_decide_at_once_one_decides_and_the_other_is_told(stage, client):
    space = stage.space("clinic")
    pid, both = waiting(stage), []
    seen = next(one["version"] for one in space.negotiations() if one["id"] == pid)
    for name in ("Dr One", "Dr Two"):
        account = space.new_account(name, ["steward"])
        origin = stage.nodes["clinic"].connector.of("accounts").origin
        key = Authenticator(origin=origin, host="localhost")
        both.append(comes_in(stage, client, space.account_link(account["id"])["text"], key))
    with ThreadPoolExecutor(2) as pool:
        answers = pool.map(
            lambda pair: pair[0].send("/portal/contracts/answer", id=pid, decision=pair[1], seen=seen),
            zip(both, ("approve", "refuse"), strict=True),
        )
    told = sorted(answers, key=lambda answer: answer.status_code)
    assert [answer.status_code for answer in told] in ([303, 403], [303, 503])  # moved, or a message is under way
    assert 'role="alert"' in told[1].text

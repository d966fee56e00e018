"""The hospital's login in a real browser: there and back, a confirmation, and what the doctor says of it."""

import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from medspace.app.compose import doctor
from medspace.app.features.upkeep.backing_up import back_up
from medspace.app.features.upkeep.restoring import restore
from tests.e2e.portal.browser import browsing, visiting
from tests.e2e.space import staged
from tests.oidc import CLIENT, SECRET, Provider, provided

OIDC = """
[portal.oidc]
issuer = "{issuer}"
client_id = "{client}"
client_secret = "keys/login.secret"
role_claim = "realm_access.roles"
roles = {{ "data-office" = ["steward", "checker"] }}
name = "Hospital ID"
"""


@pytest.fixture(scope="module")
def provider():
    with provided(Provider()) as provider:
        provider.person = {"sub": "4711", "name": "Li Wei", "realm_access": {"roles": ["data-office", "staff"]}}
        yield provider


@pytest.fixture(scope="module")
def stage(tmp_path_factory, provider):
    with staged(tmp_path_factory.mktemp("login")) as stage:
        node = stage.add("clinic", more=OIDC.format(issuer=provider.issuer, client=CLIENT))
        secret = node.folder / "keys" / "login.secret"
        secret.write_text(SECRET + "\n")
        secret.chmod(0o600)
        stage.open()
        yield stage


@pytest.fixture(scope="module")
def browser():
    with browsing() as browser:
        yield browser


def origin(stage):
    return f"http://localhost:{stage.nodes['clinic'].config.private.port}"


def test_somebody_signs_in_works_and_confirms(stage, browser, provider):
    """The login is on 127.0.0.1 and the portal on localhost: another site, as in a hospital."""
    with visiting(browser, origin(stage)) as visitor:
        visitor.open("/accounts")
        visitor.page.get_by_role("button", name="Sign in with Hospital ID").click()
        visitor.page.wait_for_url(f"{origin(stage)}/portal/accounts")
        assert "403" in visitor.objections.pop(), "accounts are the owner's"
        visitor.open("/preferences")
        visitor.page.get_by_text("Li Wei @ 127.0.0.1").wait_for()
        visitor.page.get_by_text("a passkey would outlive it").wait_for()
        visitor.open("/confirm?next=/portal/catalogue")
        assert visitor.violations() == []
        visitor.page.get_by_role("button", name="Confirm with Hospital ID").click()
        visitor.page.wait_for_url(f"{origin(stage)}/portal/catalogue")
        opened = [one["facts"] for one in stage.entries("clinic", "session.opened")]
        assert [one["how"] for one in opened] == ["oidc"]
        assert provider.asked.count("authorize") == 2


@pytest.mark.parametrize(("language", "theme"), [("en-GB", "light"), ("zh-CN", "dark")])
def test_the_pages_are_accessible_and_fit(stage, browser, language, theme):
    with visiting(browser, origin(stage), locale=language, color_scheme=theme) as visitor:
        visitor.open("/sign-in")
        seen = visitor.page.content()
        visitor.suits()
        assert ("医院" in seen) is (language == "zh-CN")


def test_who_is_in_no_group_reads_why(stage, browser, provider):
    known, provider.person = provider.person, {"sub": "4712", "name": "Eve", "groups": ["data-office"]}
    with visiting(browser, origin(stage)) as visitor:
        visitor.open("/sign-in")
        visitor.page.get_by_role("button", name="Sign in with Hospital ID").click()
        visitor.page.get_by_text("nobody said what you may do at this connector").wait_for()
        visitor.page.get_by_text("claim realm_access.roles").wait_for()
        assert "403" in visitor.objections.pop()
    provider.person = known


def checked(stage):
    with ThreadPoolExecutor() as beside:  # the browser has an event loop in this thread
        found = beside.submit(doctor.examine, stage.nodes["clinic"].file, "en").result()["checks"]
    return next(one for one in found if one["name"] == "hospital login")


def test_the_doctor_says_whether_it_can_be_reached(stage, provider, monkeypatch):
    found = checked(stage)
    assert found["state"] == "ok"
    assert f"{origin(stage)}/portal/oidc/callback" in found["sentence"]
    provider.described = {"issuer": "https://other.example"}
    found = checked(stage)
    assert (found["state"], "[network] allow" in found["next_step"]) == ("failed", True)
    provider.described = {}
    secret = stage.nodes["clinic"].folder / "keys" / "login.secret"
    secret.chmod(0o644)
    assert "chmod" in checked(stage)["next_step"]
    secret.chmod(0o600)
    monkeypatch.setitem(sys.modules, "joserfc", None)
    assert checked(stage)["next_step"] == 'Run: pip install "medspace[oidc]"'


def test_a_restored_connector_closes_what_the_login_would_open(stage, browser, provider, tmp_path):
    node, passphrase = stage.nodes["clinic"], b"a passphrase for tests"
    made = back_up(node.file, tmp_path / "it.backup", passphrase, cost=14)
    assert "keys/login.secret" in made["files"]
    restore(tmp_path / "it.backup", tmp_path / "new", passphrase)
    stage.close("clinic")
    node.file = tmp_path / "new" / "medspace.toml"
    stage.open("clinic")
    assert (tmp_path / "new" / "keys" / "login.secret").stat().st_mode & 0o077 == 0
    (closed,) = stage.entries("clinic", "account.closed")
    assert closed["facts"]["code"] == "connector.restored"
    space = stage.space("clinic")
    with visiting(browser, origin(stage)) as visitor:
        visitor.open("/sign-in")
        visitor.page.get_by_role("button", name="Sign in with Hospital ID").click()
        visitor.page.get_by_text("your account here is closed").wait_for()
        assert "403" in visitor.objections.pop()
        (account,) = [one for one in space.accounts() if one["closed"]]
        space.new_account(account["name"], ["steward"])
        visitor.open("/sign-in")
        visitor.page.get_by_role("button", name="Sign in with Hospital ID").click()
        visitor.page.wait_for_url(f"{origin(stage)}/portal/")

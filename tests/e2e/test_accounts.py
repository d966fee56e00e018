"""Accounts of the portal, over the running connector: made by the owner, entered by links, used by sessions."""

import json

import httpx
import pytest
import typer

from medspace.app.doors.sdk import SpaceError
from medspace.app.features.accounts.verbs import ROLES, has_display
from medspace.app.main import main
from medspace.app.node.attempts import MOST_WRONG, TooManyAttemptsError
from medspace.core.actors import ActorKind
from medspace.services.accounts.errors import LinkRefusedError, PasskeyRefusedError
from medspace.services.accounts.model import AccountRole
from medspace.services.accounts.ports import RelyingParty
from medspace.services.accounts.rules import confirmed
from tests.e2e.space import staged
from tests.passkeys import Authenticator

HERE = "127.0.0.1"


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    with staged(tmp_path_factory.mktemp("accounts")) as stage:
        stage.add("clinic")
        stage.open()
        yield stage


@pytest.fixture
def desk(stage):
    return stage.nodes["clinic"].connector.of("accounts")


@pytest.fixture
def typed(stage, capsys):
    config = str(stage.nodes["clinic"].file)

    def run(*arguments, code=0, lang="en"):
        with pytest.raises(SystemExit) as ended:
            main([*arguments, "-c", config, "--lang", lang])
        told = capsys.readouterr()
        assert int(ended.value.code or 0) == code, told
        return told

    return run


def test_verbs_make_change_link_and_close_accounts(typed, stage):
    assert (
        "Dr Li has an account as checker, steward."
        in typed("account", "new", "Dr Li", "--role", "steward", "--role", "checker").out
    )
    made = json.loads(typed("account", "new", "Dr Wang", "--role", "user", "--json").out)
    assert typed("account", "roles", "Dr Wang", "--role", "auditor").out.startswith(
        "Dr Wang has an account as auditor"
    )
    shown = json.loads(typed("account", "list", "--json").out)["accounts"]
    assert {one["name"]: one["roles"] for one in shown} == {"Dr Li": ["checker", "steward"], "Dr Wang": ["auditor"]}
    link = json.loads(typed("account", "link", made["id"], "--json").out)
    assert link["url"].endswith(f"/portal/enter?link={link['text']}")
    assert link["url"].startswith("http://localhost:")
    assert "/portal/enter?link=msl_" in typed("account", "link", "Dr Wang", "--reset").out
    assert "2 个账户" in typed("account", "list", lang="zh").out
    assert "closed" in typed("account", "close", "Dr Wang").out
    assert "closed at" in typed("account", "list").out
    typed("account", "new", "Dr Sun", "--role", "patient")
    assert "deleted" in typed("account", "close", "Dr Sun", "--forget").out
    assert "Sun" not in typed("account", "list").out
    assert "account.unknown" in typed("account", "link", "Dr Wang", code=3).err
    assert "account.name_unknown" in typed("account", "close", "Nobody", code=2).err
    assert "account.role_unknown" in typed("account", "new", "X", "--role", "boss", code=2).err
    assert tuple(AccountRole) == ROLES


def test_the_portal_is_opened_where_it_can_be_seen(typed, monkeypatch):
    opened = []
    monkeypatch.setattr(typer, "launch", opened.append)
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.delenv("SSH_CONNECTION", raising=False)
    told = typed("portal").out
    assert [url for url in opened if url in told] == opened != []
    for more in (["--no-browser"], ["--json"]):
        assert "/portal/enter?link=msl_" in typed("portal", *more).out
    assert len(opened) == 1


@pytest.mark.parametrize(
    ("environment", "platform", "seen"),
    [
        ({}, "linux", False),
        ({"DISPLAY": ":0"}, "linux", True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", True),
        ({"DISPLAY": ":0", "SSH_CONNECTION": "10.0.0.1 1 10.0.0.2 22"}, "linux", False),
        ({}, "darwin", True),
        ({}, "win32", True),
    ],
)
def test_a_display_is_one_that_is_seen(environment, platform, seen):
    assert has_display(environment, platform) is seen


def test_the_owner_and_a_colleague_sign_in(stage, desk):
    space = stage.space("clinic")
    link = space.portal_link()
    opened = stage.run(desk.enter(link["text"], HERE))
    visitor = stage.run(desk.accounts.look(opened.secret))
    assert visitor.actor.kind is ActorKind.OWNER
    assert visitor.actor.id == space.own_token()["actor"]
    account = space.new_account("Dr Chen", ["steward"])
    assert account["name"] == "Dr Chen"
    assert account["id"] in [one["id"] for one in space.accounts()]
    visitor = stage.run(
        desk.accounts.look(stage.run(desk.enter(space.account_link(account["id"])["text"], HERE)).secret)
    )
    party = desk.passkeys.party
    assert party == RelyingParty("localhost", desk.origin, party.name)
    key = Authenticator(origin=party.origin, host=party.id)
    answer = key.create(stage.run(desk.passkeys.begin_registration(visitor)))
    stage.run(desk.passkeys.finish_registration(visitor, answer, "key"))
    visit = desk.accounts.secret()
    signed = stage.run(desk.sign_in(visit, key.get(stage.run(desk.passkeys.begin_sign_in(visit))), HERE))
    visitor = stage.run(desk.accounts.look(signed.secret))
    answer = key.get(stage.run(desk.passkeys.begin_confirmation(visitor)))
    visitor = stage.run(desk.confirm(visitor, answer, HERE))
    assert confirmed(visitor.session, desk.accounts.clock.now())
    assert [one["facts"]["how"] for one in stage.entries("clinic", "session.opened")] == ["link", "link", "passkey"]


def test_a_person_asks_for_a_link_and_only_the_owner_for_others(stage):
    space, url = stage.space("clinic"), stage.nodes["clinic"].private_url
    account = space.new_account("Dr Zhao", ["owner"])
    token = space.new_token("Dr Zhao", ["read", "check"], person=True)["text"]

    def post(path, **body):
        return httpx.post(url + path, headers={"Authorization": f"Bearer {token}"}, json=body, timeout=30)

    mine = post("/links")
    assert (mine.status_code, mine.headers["cache-control"]) == (201, "no-store")
    assert mine.json()["account"] == account["id"]
    for refused in (
        post("/accounts", name="X", roles=["owner"]),
        post(f"/accounts/{account['id']}/link", reset=False),
        post(f"/accounts/{account['id']}/roles", roles=["owner"]),
        post(f"/accounts/{account['id']}/close"),
    ):
        assert (refused.status_code, refused.json()["code"]) == (403, "token.scope")
    robot = space.new_token("robot", ["read"])["text"]
    refused = httpx.post(url + "/links", headers={"Authorization": f"Bearer {robot}"}, json={}, timeout=30)
    assert (refused.status_code, refused.json()["code"]) == (403, "account.unknown")
    with pytest.raises(SpaceError, match="role"):
        space.new_account("X", ["boss"])


def test_guesses_are_few(stage, desk):
    good = stage.space("clinic").portal_link()["text"]
    for _ in range(MOST_WRONG):
        with pytest.raises((LinkRefusedError, PasskeyRefusedError)):
            stage.run(desk.enter("msl_" + "0" * 64, "10.9.9.9"))
    for attempt in (desk.enter(good, "10.9.9.9"), desk.sign_in("a" * 64, b"{}", "10.9.9.9")):
        with pytest.raises(TooManyAttemptsError):
            stage.run(attempt)
    stage.run(desk.enter(good, HERE))

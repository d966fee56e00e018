"""Tokens of the private door, over real HTTP: each opens what it was made for, and once it ended it opens nothing."""

import re
from urllib.parse import quote

import httpx
import pytest

from medspace.adapters.memory import ManualClock
from medspace.app.compose.connector import ConnectorParts
from medspace.core.actors import Scope
from medspace.services.tokens import rules
from tests.e2e.space import ASSET, confirmed, hospital, staged

DAY = 86_400.0
OWNERS = {  # routes that no scope opens
    "POST /offers",
    "POST /offer-drafts/path",
    "POST /duties/clock",
    *(f"POST /credentials/{what}" for what in ("requests", "presentations", "revocations")),
    "GET /setup",
    "POST /backups",
    "POST /backups/check",
    "GET /backups",
    "GET /backups/none",
    "GET /accounts",
    "POST /accounts",
    *(f"POST /accounts/none/{what}" for what in ("roles", "close", "link")),
}


class Door:
    """The private door of a hospital, whose clock stands still until it is moved."""

    def __init__(self, stage, clock, key="hospital"):
        self.stage, self.clock = stage, clock
        self.node = stage.nodes[key]
        self.owner = stage.space(key)

    def make(self, *scopes, by=None, **more):
        return self.send("POST", "/tokens", by or self.node.token, {"name": "x", "scopes": list(scopes)} | more)

    def token(self, *scopes, by=None, **more):
        made = self.make(*scopes, by=by, **more)
        assert made.status_code == httpx.codes.CREATED, made.text
        return made.json()

    def send(self, method, path, token, body=None, **headers):
        sent = {"Authorization": f"Bearer {token}"} | headers
        return httpx.request(method, f"{self.node.private_url}{path}", headers=sent, json=body, timeout=30)


@pytest.fixture(scope="module")
def door(tmp_path_factory):
    clock = ManualClock()
    with staged(tmp_path_factory.mktemp("tokens")) as stage:
        stage.add("hospital", hospital(), parts=ConnectorParts(clock=clock))
        stage.open()
        yield Door(stage, clock)


def routes(door):
    """Every route of the description, with the scopes that open it; gaps of its path are filled."""
    described = door.send("GET", "/openapi.json", door.node.token).json()["paths"]
    for path, methods in described.items():
        for method, said in methods.items():
            yield method.upper(), re.sub(r"\{\w+\}", "none", path), said


def test_every_route_declares_its_scopes_and_is_closed_to_every_other(door):
    """Least privilege: a token with every scope but those of the route is refused, with what it lacks."""
    tried = 0
    for method, path, said in routes(door):
        needed = said.get("x-scopes")
        assert needed is not None, f"{method} {path} declares no scope"
        assert needed or f"{method} {path}" in OWNERS
        assert set(needed) | set(said.get("x-scopes-also", ())) <= set(Scope)
        others = [scope.value for scope in Scope if scope.value not in needed]
        if not others:
            continue
        refused = door.send(method, path, door.token(*others)["text"], {})
        assert refused.status_code == httpx.codes.FORBIDDEN, (method, path, refused.text)
        problem = refused.json()
        assert problem["code"] == "token.scope"
        assert problem["sentence"]
        assert problem["next_step"]
        tried += 1
    assert tried > 40


def test_what_needs_two_scopes_is_closed_to_each_alone(door):
    """A download may begin a negotiation: who may only use may not negotiate, nor the other way round."""
    for scopes in ([Scope.USE], [Scope.TERMS], [scope for scope in Scope if scope is not Scope.TERMS]):
        refused = door.send("POST", "/downloads", door.token(*scopes)["text"], {"participant": "x", "dataset": "y"})
        assert (refused.status_code, refused.json()["code"]) == (403, "token.scope")
    both = door.token(Scope.USE, Scope.TERMS)["text"]
    assert door.send("POST", "/downloads", both, {"participant": "x", "dataset": "y"}).json()["code"] != "token.scope"


def test_a_token_opens_what_it_was_made_for(door):
    """The control."""
    for method, path, said in routes(door):
        if method != "GET" or not said["x-scopes"]:
            continue
        token = door.token(*said["x-scopes"])["text"]
        answered = door.send(method, path, token)
        if answered.headers["content-type"] == "application/json":
            assert answered.json().get("code") != "token.scope", path


def test_no_token_and_a_wrong_token_get_the_same_and_learn_nothing(door):
    made = door.token(Scope.READ)
    unknown = rules.written("f" * 16, "0" * 64)
    wrong = rules.written(made["id"], "0" * 64)
    said = [door.send("GET", "/status", token) for token in ("x", unknown, wrong)]
    assert {one.status_code for one in said} == {401}
    assert {one.text for one in said} == {said[0].text}
    assert said[0].json()["code"] == "private.token"
    assert said[0].headers["www-authenticate"] == "Bearer"


def test_a_revoked_token_opens_nothing_and_neither_does_what_the_thief_made_with_it(door):
    stolen = door.token(Scope.TOKENS, Scope.READ)
    thief = door.token(Scope.TOKENS, Scope.READ, by=stolen["text"], days=1)
    assert door.send("GET", "/status", thief["text"]).status_code == 200
    assert len(door.owner.revoke_token(stolen["id"])["revoked"]) == 2
    for token in (stolen, thief):
        refused = door.send("GET", "/status", token["text"])
        assert (refused.status_code, refused.json()["code"]) == (401, "token.revoked")
        assert door.make(Scope.READ, by=token["text"]).status_code == 401


def test_a_token_makes_none_that_may_more_or_lives_longer(door):
    weak = door.token(Scope.TOKENS, Scope.READ, days=5)["text"]
    for scopes, days in (([Scope.CHECK], 1), ([Scope.READ, Scope.KEYS], 1), ([Scope.READ], 6), (list(Scope), 5)):
        refused = door.make(*scopes, by=weak, days=days)
        assert (refused.status_code, refused.json()["code"]) == (403, "token.grant")
    strong = door.token(Scope.CHECK)
    refused = door.send("DELETE", f"/tokens/{strong['id']}?forget=false", weak)
    assert (refused.status_code, refused.json()["code"]) == (403, "token.grant")


@pytest.mark.parametrize("scope", ["owner", "*", "READ", "", "read terms"])
def test_no_token_is_made_with_a_scope_that_there_is_not(door, scope):
    assert door.make(scope).status_code == 400


def test_a_secret_stands_in_no_list_no_entry_no_error_and_no_log(door, caplog):
    made = door.token(Scope.READ, Scope.AUDIT, person=True)
    secret = made["text"].rpartition("_")[2]
    shown = [door.send("GET", path, door.node.token).text for path in ("/tokens", "/audit/entries", "/audit/bundle")]
    shown.append(door.send("GET", "/keys", made["text"]).text)
    shown.append(door.send("GET", "/tokens/self", made["text"]).text)
    shown.append(door.send("GET", "/status", made["text"] + "x").text)
    assert all(secret not in text for text in [*shown, caplog.text])
    files = [file for file in door.node.folder.rglob("*") if file.is_file()]
    assert files
    assert all(secret.encode() not in file.read_bytes() for file in files)


def test_guesses_are_few_and_lock_nobody_out(door):
    """From one address: the owner and tokens that were right before come in while guesses are not even looked at."""
    good, late = door.token(Scope.READ)["text"], door.token(Scope.READ)["text"]
    assert door.send("GET", "/status", good).status_code == 200
    codes = [door.send("GET", "/status", rules.written("f" * 16, f"{n:064d}")).status_code for n in range(30)]
    assert codes.count(401) <= 10
    assert codes[-1] == 429
    assert door.send("GET", "/status", good).status_code == 200
    assert door.send("GET", "/status", door.node.token).status_code == 200
    refused = door.send("GET", "/status", late)  # right, and not looked at: a guess learns nothing
    assert refused.json()["code"] == "token.attempts"
    assert int(refused.headers["retry-after"]) > 0
    door.clock.advance(60.0)
    assert door.send("GET", "/status", late).status_code == 200


def test_an_expired_token_opens_nothing(door):
    made = door.token(Scope.READ, days=1)["text"]
    assert door.send("GET", "/status", made).status_code == 200
    door.clock.advance(DAY)
    refused = door.send("GET", "/status", made)
    assert (refused.status_code, refused.json()["code"]) == (401, "token.expired")
    assert "expired" not in door.send("GET", "/status", made[:-1] + "x").text


def test_a_token_for_uses_steers_none_of_others_on_our_data(tmp_path):
    """What a holder suspended, a token for one's own uses neither resumes nor ends, by whichever route."""
    with staged(tmp_path) as stage:
        stage.add("authority", hospital())
        stage.add("user")
        stage.open()
        stage.admit()
        use = stage.space("user").request(stage.agree("user", "authority"), "medspace:train")["id"]
        door = Door(stage, None, "authority")
        (held,) = door.owner.uses(role="provider")
        door.owner.suspend_use(held["id"])
        token = door.token("use", "read")["text"]
        for path in ("transfers", "uses"):
            for verb in ("resume", "suspend", "terminate" if path == "transfers" else "end"):
                refused = door.send("POST", f"/{path}/{quote(held['id'], safe='')}/{verb}", token, {})
                assert (refused.status_code, refused.json()["code"]) == (httpx.codes.FORBIDDEN, "token.scope")
        assert door.owner.use(held["id"])["state"] == "SUSPENDED"
        keeper = door.token("terms", "read")["text"]
        resumed = door.send("POST", f"/uses/{quote(held['id'], safe='')}/resume", keeper, {})
        assert resumed.status_code == httpx.codes.OK
        assert use


def test_only_the_owner_takes_a_reviewer_away(tmp_path):
    """Whoever can let results go does not make himself the only one who must."""
    with staged(tmp_path) as stage:
        stage.add("authority", hospital())
        stage.open()
        door = Door(stage, None, "authority")
        label = door.owner.label(ASSET)["label"]
        door.owner.set_label(ASSET, label | {"review": 2})
        token = door.token("terms", "check")["text"]
        path = f"/labels/{quote(ASSET, safe='')}"
        less = (("PUT", {"label": label}), ("PUT", {"label": label | {"review": True}}), ("DELETE", None))
        for method, body in less:
            refused = door.send(method, path, token, body)
            assert (refused.status_code, refused.json()["code"]) == (httpx.codes.FORBIDDEN, "label.reviewers")
        assert door.owner.label(ASSET)["label"]["review"] == 2
        narrowed = door.send("PUT", path, token, {"label": label | {"review": 2, "regions": ["DE"]}})
        assert narrowed.status_code == httpx.codes.OK
        assert "review" not in confirmed(door.owner.set_label, ASSET, label)["label"]  # the owner may


def test_a_script_loosens_no_label_unseen(tmp_path, attack_report):
    """The attack: a label that allows more, put by a token for terms. The control: the same with what was seen."""
    with staged(tmp_path) as stage:
        stage.add("authority", hospital())
        stage.open()
        door = Door(stage, None, "authority")
        label, token = door.owner.label(ASSET)["label"], door.token("terms")["text"]
        where, more = f"/labels/{quote(ASSET, safe='')}", label | {"sensitivity": "public"}
        door.owner.set_label(ASSET, label | {"valid_until": "2027-01-01T00:00:00Z"})
        told = door.send("PUT", where, token, {"label": more, "dry": True}).json()
        looser = [one["term"] for one in told["changes"] if one["loosens"]]
        assert looser == ["label.valid_until", "label.sensitivity"]
        unseen = (
            ("PUT", where, {"label": more}),
            ("PUT", where, {"label": more, "loosen": looser}),
            ("PUT", where, {"label": more, "loosen": looser[:1], "seen": told["seen"]}),
            ("PUT", where, {"label": more | {"sensitivity": "restricted"}, "loosen": looser, "seen": told["seen"]}),
            ("DELETE", where, None),
            ("DELETE", f"{where}?seen={quote(told['seen'])}&loosen=label.valid_until", None),
        )
        before, let = door.owner.label(ASSET), 0
        for method, path, body in unseen:
            let += door.send(method, path, token, body).status_code == httpx.codes.OK
        assert door.owner.label(ASSET) == before
        attack_report("labels: loosened without a look", got=let, control=1, of=len(unseen), unit="requests")
        assert let == 0
        seen = {"label": more, "loosen": looser, "seen": told["seen"]}
        assert door.send("PUT", where, token, seen).status_code == httpx.codes.OK
        assert door.send("PUT", where, token, {"label": {}}).status_code == httpx.codes.OK  # closing needs nobody

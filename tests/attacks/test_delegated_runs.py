"""Runs that are handed over: nobody leads what it was not asked to, or proves itself to a stranger."""

import threading
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import pytest

from medspace.adapters.http.coordinators import HttpCoordinators
from medspace.app.doors.sdk import SpaceError
from medspace.app.features.training.sites import HandedSites, TransferSites
from medspace.core.errors import MedspaceError
from medspace.core.paths import path
from medspace.runs import handover
from medspace.runs import manifest as manifests
from medspace.runs.handover import Mandate
from tests.e2e.space import TASK, hospital, staged, step
from tests.runs import manifest_of, signed
from tests.signing import member_of

ONE = TASK | {"min_sites": 1}
KIND = "medspace:train"


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    with staged(tmp_path_factory.mktemp("handed")) as stage:
        stage.add("authority")
        stage.add("north", hospital(1, count=None))
        user = stage.add("user")
        stage.add("mallory")
        stage.add("greedy")  # what it holds at a coordinator it holds for the rest of this module
        stage.add("coordinator", more=f'[coordination]\nmembers = ["{user.did}"]')
        stage.add("open", more="[coordination]\neverybody = true")
        stage.open()
        stage.admit()
        yield stage


@pytest.fixture(scope="module")
def agreement(stage):
    return stage.agree("user", "north")


# --- who the coordinator proves itself to ---------------------------------------------------------------------------


@contextmanager
def listening():
    """Somebody who keeps what it is shown; its address, and the proofs of identity that came."""
    shown: list[str] = []

    class Keeper(BaseHTTPRequestHandler):
        def do_POST(self):
            shown.append(self.headers.get("authorization", ""))
            self.rfile.read(int(self.headers.get("content-length", 0)))
            self.send_response(403)
            self.end_headers()

        def log_message(self, *_):
            """Nothing is printed."""

    server = HTTPServer(("127.0.0.1", 0), Keeper)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/jobs/1", shown
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


async def _anywhere(_self, _place):
    return True


def stolen(stage, agreement, monkeypatch, *, on):
    """How many proofs of identity, made out to the hospital, a user gets from the coordinator for itself."""
    found = TransferSites.place

    with listening() as (elsewhere, shown), monkeypatch.context() as wiring:

        async def place(self, use):
            return replace(await found(self, use), endpoint=elsewhere)

        wiring.setattr(TransferSites, "place", place)
        if not on:
            wiring.setattr(HandedSites, "_is_there", _anywhere)
        with suppress(SpaceError):
            stage.space("user").train(ONE, [agreement], coordinator=stage.nodes["coordinator"].did, wait=60)
        return len([one for one in shown if one.startswith("Bearer ")])


def test_a_user_who_names_an_address_of_its_own_gets_no_proof_of_the_coordinators_identity(
    stage, agreement, monkeypatch, attack_report
):
    got = stolen(stage, agreement, monkeypatch, on=True)
    control = stolen(stage, agreement, monkeypatch, on=False)
    attack_report(
        "hand-over: proofs of the coordinator's identity", got=got, control=min(control, 1), of=1, unit="proofs"
    )
    assert got == 0
    assert control > 0


# --- who may hand over, ask and cancel ------------------------------------------------------------------------------


def asked(stage, who, coordinator, run, method="GET", more="", body=None):
    node = stage.nodes[coordinator]
    headers = stage.nodes[who].bearer(node)
    return httpx.request(method, f"{node.url}{path('runs', run)}{more}", headers=headers, json=body, timeout=30)


def manifest_by(stage, who, coordinator, agreement, **changes):
    node = stage.nodes[who]
    said = {"run": f"urn:run:of:{who}", "coordinator": stage.nodes[coordinator].did} | changes
    return signed(manifest_of(node.did, ONE, {stage.nodes["north"].did: agreement}, **said), node.signer)


def key_for(stage, who, coordinator, text):
    node = stage.nodes[coordinator]
    headers = stage.nodes[who].bearer(node)
    return httpx.post(f"{node.url}/runs", headers=headers, json={"manifest": text}, timeout=30)


def test_nobody_has_runs_led_whom_the_operator_did_not_name(stage, agreement):
    text = manifest_by(stage, "mallory", "coordinator", "urn:agreement:none")
    refused = key_for(stage, "mallory", "coordinator", text)
    assert (refused.status_code, refused.json()["code"]) == (403, "run.not_coordinated")
    control = manifest_by(stage, "mallory", "open", "urn:agreement:none")
    assert key_for(stage, "mallory", "open", control).status_code == 200


def test_nobody_hands_over_the_run_of_another(stage, agreement):
    """It shows the manifest of the user as its own; or one by which somebody else leads."""
    text = manifest_by(stage, "user", "open", agreement)
    assert key_for(stage, "mallory", "open", text).json()["code"] == "run.manifest_invalid"
    text = manifest_by(stage, "mallory", "coordinator", agreement)
    assert key_for(stage, "mallory", "open", text).json()["code"] == "run.handover_invalid"


def test_nobody_asks_for_or_cancels_the_run_of_another(stage, agreement):
    run = stage.space("user").train(ONE, [agreement], coordinator=stage.nodes["open"].did, wait=60)["id"]
    for method, more in (("GET", ""), ("POST", "/cancel")):
        answer = asked(stage, "mallory", "open", run, method, more)
        assert (answer.status_code, answer.json()["code"]) == (404, "learning.run_unknown")
        assert asked(stage, "mallory", "open", "urn:run:none", method, more).json()["code"] == answer.json()["code"]
    control = asked(stage, "user", "open", run)
    assert (control.status_code, control.json()["state"]) == (200, "finished")
    text = manifest_by(stage, "mallory", "open", agreement, run=run)  # its name is taken
    assert key_for(stage, "mallory", "open", text).json()["code"] == "run.handover_invalid"


SEALED = {
    "nothing": lambda stage, mandate, manifest, key: "",
    "odd": lambda stage, mandate, manifest, key: "a.b.c",
    "by another": lambda stage, mandate, manifest, key: sealed_by(stage, "mallory", mandate, manifest, key),
    "another task": lambda stage, mandate, manifest, key: sealed_by(
        stage, "user", replace(mandate, task=ONE | {"l2": 2.0}), manifest, key
    ),
    "another seat": lambda stage, mandate, manifest, key: sealed_by(
        stage, "user", replace(mandate, places=(replace(mandate.places[0], agreement="urn:x"),)), manifest, key
    ),
    "twice": lambda stage, mandate, manifest, key: sealed_by(
        stage, "user", replace(mandate, places=mandate.places * 2), manifest, key
    ),
    "an odd address": lambda stage, mandate, manifest, key: sealed_by(
        stage, "user", replace(mandate, places=(replace(mandate.places[0], endpoint="file:///etc"),)), manifest, key
    ),
}


def sealed_by(stage, who, mandate, manifest, key):
    (leader,) = [node for node in stage.nodes.values() if node.did == manifest.coordinator]
    coordinator = member_of(leader.did, leader.signer)
    return handover.seal(mandate, manifest, key, coordinator, stage.nodes[who].signer, datetime.now(UTC))


@pytest.mark.parametrize("way", SEALED)
def test_what_was_not_handed_over_by_its_user_for_its_manifest_is_not_led(stage, agreement, way):
    text = manifest_by(stage, "user", "open", agreement, run=f"urn:run:{way.replace(' ', '-')}")
    manifest = manifests.kept(text)
    key = key_for(stage, "user", "open", text).json()["key"]
    assert key_for(stage, "user", "open", text).json()["key"] == key  # one for each manifest
    place = handover.SeatEndpoint(
        stage.nodes["north"].did, agreement, "urn:use", "http://127.0.0.1:1/jobs/1", "token"
    )
    mandate = Mandate(ONE, (place,))
    body = {"sealed": SEALED[way](stage, mandate, manifest, key)}
    refused = asked(stage, "user", "open", manifest.run, "POST", "/mandate", body)
    assert (refused.status_code, refused.json()["code"]) == (400, "run.handover_invalid")
    assert asked(stage, "mallory", "open", manifest.run, "POST", "/mandate", body).status_code == 404
    assert manifest.run not in {run["id"] for run in stage.space("open").runs()}


def test_a_body_that_is_too_large_or_none_is_refused(stage):
    node = stage.nodes["open"]
    for body, status in ((b"{}", 400), (b"[", 400), (b"x" * (1 << 20), 413)):
        headers = stage.nodes["user"].bearer(node)
        assert httpx.post(f"{node.url}/runs", headers=headers, content=body, timeout=30).status_code == status
    assert httpx.post(f"{node.url}/runs", json={"manifest": "x"}, timeout=30).status_code == 401


def test_a_member_holds_no_more_keys_than_runs_are_led_for_it(stage, agreement):
    answers = [
        key_for(stage, "greedy", "open", manifest_by(stage, "greedy", "open", agreement, run=f"urn:run:{number}"))
        for number in range(20)
    ]
    assert [answer.status_code for answer in answers].count(200) <= 16
    assert answers[-1].json()["code"] == "run.coordinator_busy"
    assert answers[-1].headers["retry-after"]


# --- who asks the sites ---------------------------------------------------------------------------------------------


def test_a_coordinator_that_the_manifest_does_not_name_is_refused_by_the_site(stage, agreement):
    """With the token in its hands: as a member that nobody named, and, the control, as the one that was named."""
    use = stage.space("user").request(agreement, KIND)["id"]
    leader = stage.nodes["open"].did
    assert stage.sit("user", "north", use, ONE, coordinator=leader).status_code == 200
    stage._seated[use] = ONE
    address = stage.address("user", use)
    token = address["endpointProperties"][0]["value"]

    def ask(who):
        sent = stage.nodes[who].bearer(stage.nodes["north"]) | {"Medspace-Job": token}
        return httpx.post(address["endpoint"], json=step(task=ONE), headers=sent, timeout=30)

    assert (ask("mallory").status_code, ask("user").json()["cause"]) == (404, "run.coordinator")
    assert ask("open").status_code == 200
    noted = stage.entries("north", "use.admitted")[-1]["facts"]
    assert (noted["user"], noted["coordinator"]) == (stage.nodes["user"].did, leader)


def test_the_client_of_coordinators_says_what_went_wrong(stage):
    connector = stage.nodes["user"].connector
    coordinators = connector.of("training").coordinator.delegation.coordinators
    assert isinstance(coordinators, HttpCoordinators)
    for coordinator, code in (
        ("did:web:127.0.0.1%3A1", "learning.site_away"),
        ("did:key:x", "learning.site_refused"),
    ):
        with pytest.raises(MedspaceError) as caught:
            stage.run(coordinators.cancel(coordinator, "urn:run:1"))
        assert caught.value.code == code

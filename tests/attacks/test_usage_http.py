"""Attacks on the doors of running connectors, over real HTTP."""

import httpx
import pytest

from medspace.app.compose.connector import COLLECTIONS
from medspace.app.doors.sdk import SpaceError
from medspace.core import limits
from tests.attacks.logs import as_a_connector_logs
from tests.e2e.space import ASSET, TASK, hospital, staged, step

PUBLIC = [
    ("POST", "/dsp/2025-1/catalog/request"),
    ("GET", f"/dsp/2025-1/catalog/datasets/{ASSET}"),
    ("POST", "/dsp/2025-1/negotiations/request"),
    ("POST", "/dsp/2025-1/negotiations/offers"),
    ("GET", "/dsp/2025-1/negotiations/urn:uuid:1"),
    ("POST", "/dsp/2025-1/negotiations/urn:uuid:1/request"),
    ("POST", "/dsp/2025-1/negotiations/urn:uuid:1/offers"),
    ("POST", "/dsp/2025-1/negotiations/urn:uuid:1/events"),
    ("POST", "/dsp/2025-1/negotiations/urn:uuid:1/agreement"),
    ("POST", "/dsp/2025-1/negotiations/urn:uuid:1/agreement/verification"),
    ("POST", "/dsp/2025-1/negotiations/urn:uuid:1/termination"),
    ("POST", "/dsp/2025-1/transfers/request"),
    ("GET", "/dsp/2025-1/transfers/urn:uuid:1"),
    ("POST", "/dsp/2025-1/transfers/urn:uuid:1/start"),
    ("POST", "/dsp/2025-1/transfers/urn:uuid:1/suspension"),
    ("POST", "/dsp/2025-1/transfers/urn:uuid:1/completion"),
    ("POST", "/dsp/2025-1/transfers/urn:uuid:1/termination"),
    ("GET", "/members"),
    ("POST", "/reach"),
    ("POST", "/duties"),
    ("GET", "/duties/seen"),
    ("POST", "/agreements/ended"),
    ("POST", "/credentials/received"),
    ("POST", "/permits/cases"),
    ("POST", "/jobs/urn:uuid:1"),
    ("POST", "/jobs/urn:uuid:1/manifest"),
    ("POST", "/jobs/urn:uuid:1/seats"),
    ("GET", "/jobs/urn:uuid:1/steps/0"),
    ("PUT", "/jobs/urn:uuid:1/parts/0"),
    ("GET", "/jobs/urn:uuid:1/parts/0"),
    ("POST", "/runs"),
    ("POST", "/runs/urn:uuid:1/mandate"),
    ("POST", "/runs/urn:uuid:1/cancel"),
    ("GET", "/runs/urn:uuid:1"),
]
OPEN = ["/.well-known/dspace-version", "/.well-known/did.json", "/trust-list", "/permits/register"]
SIGNED = "/status-lists/{number:int}"  # for everybody, where there is one
PRIVATE = [
    "/status", "/metrics", "/members", "/catalog", "/datasets", "/negotiations", "/agreements", "/transfers",
    "/audit/bundle", "/audit/entries", "/audit/inclusion/0", "/openapi.json", "/docs", "/nothing",
]  # fmt: skip


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    with staged(tmp_path_factory.mktemp("attacked")) as stage:
        stage.add("authority")
        stage.add("clinic", hospital(2))
        stage.add("user")
        stage.add("other")
        stage.open()
        stage.admit()
        stage.agreement = stage.agree("user", "clinic")
        stage.use = stage.space("user").request(stage.agreement, "medspace:train")["id"]
        yield stage


# --- who calls? ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "path"), PUBLIC)
@pytest.mark.parametrize("authorization", [None, "Bearer x.y.z", "Basic dTpw", "Bearer"])
def test_who_is_not_proven_hears_no_more_than_401(stage, method, path, authorization):
    headers = {} if authorization is None else {"Authorization": authorization}
    answer = httpx.request(method, stage.nodes["clinic"].url + path, headers=headers, content=b"{}")
    assert answer.status_code == 401
    assert set(answer.json()) == {"code", "reason"}
    assert answer.json()["code"].startswith("identity.")
    assert answer.json()["reason"] == []


@pytest.mark.parametrize("path", OPEN)
def test_only_what_anybody_may_check_is_for_everybody(stage, path):
    assert httpx.get(stage.nodes["clinic"].url + path).status_code == 200


def test_every_public_route_is_in_this_list(stage):
    """A new endpoint must be added to the list above, so that it is attacked too."""
    app = stage.nodes["clinic"].connector.public_app
    while not hasattr(app, "routes"):
        app = app._app
    known = {path for _, path in PUBLIC} | {*OPEN, SIGNED}
    for route in app.routes:
        path = route.path.rstrip("/")
        for name, value in (
            ("{pid}", "urn:uuid:1"),
            ("{job}", "urn:uuid:1"),
            ("{run}", "urn:uuid:1"),
            ("{step}", "0"),
            ("{digest}", "0"),
            ("{id:path}", ASSET),
        ):
            path = path.replace(name, value)
        assert path in known


def test_a_replayed_token_is_refused(stage):
    user, clinic = stage.nodes["user"], stage.nodes["clinic"]
    headers = user.bearer(clinic)
    url = f"{clinic.url}/dsp/2025-1/catalog/datasets/{ASSET}"
    assert httpx.get(url, headers=headers).status_code == 200
    again = httpx.get(url, headers=headers)
    assert (again.status_code, again.json()["code"]) == (401, "identity.replayed")


def test_a_token_for_another_audience_is_refused(stage):
    headers = stage.nodes["user"].bearer(stage.nodes["authority"])
    answer = httpx.get(f"{stage.nodes['clinic'].url}/dsp/2025-1/catalog/datasets/{ASSET}", headers=headers)
    assert answer.status_code == 401


def test_a_stranger_who_is_no_member_is_refused(stage):
    stranger = stage.add("stranger")
    try:
        headers = stranger.bearer(stage.nodes["clinic"])
        answer = httpx.get(f"{stage.nodes['clinic'].url}/dsp/2025-1/catalog/datasets/{ASSET}", headers=headers)
        assert answer.status_code == 401
    finally:
        del stage.nodes["stranger"]


# --- whose use? ------------------------------------------------------------------------------------------------


def test_a_member_that_is_not_party_to_a_use_is_not_told_that_it_exists(stage):
    address = stage.address("user", stage.use)
    token = address["endpointProperties"][0]["value"]
    clinic = stage.nodes["clinic"]
    answers = []
    for url in (address["endpoint"], f"{clinic.url}/jobs/urn:uuid:none"):
        headers = stage.nodes["other"].bearer(clinic) | {"Medspace-Job": token}
        answers.append(httpx.post(url, json=step(), headers=headers))
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].json()["code"] == answers[1].json()["code"]
    pid = address["endpoint"].rpartition("/")[2]
    answer = httpx.get(f"{clinic.url}/dsp/2025-1/transfers/{pid}", headers=stage.nodes["other"].bearer(clinic))
    assert answer.status_code == 404


@pytest.mark.parametrize("token", ["", "x" * 64, "0" * 10_000])
def test_the_right_caller_with_a_wrong_job_token_gets_nothing(stage, token):
    answer = stage.ask("user", "clinic", stage.use, step(), **{"Medspace-Job": token})
    assert answer.status_code == 404


def test_a_download_under_a_train_only_agreement_is_refused_by_its_clause(stage):
    with pytest.raises(SpaceError) as refusal:
        stage.space("user").request(stage.agreement, "HttpData-PULL")
    assert (refusal.value.code, refusal.value.problem["clause"]) == ("policy.prohibited", "/prohibition/0")
    entry = stage.entries("clinic", "transfer.refused")[-1]
    assert entry["facts"]["code"] == "policy.prohibited"
    assert entry["facts"]["clause"] == "/prohibition/0"
    assert entry["facts"]["format"] == "HttpData-PULL"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"[]", 400),
        (b"{", 400),
        (b"[" * 100_000, 400),
        (b'{"task": {}, "round": 1.5, "name": "moments"}', 400),
        (b'{"task": {}, "round": 1e400, "name": "moments"}', 400),
        (b'{"task": {}, "round": 99999999999999999999, "name": "moments"}', 400),
        (b'{"task": {"l2": 18446744073709551615}, "round": 1, "name": "moments"}', 400),
        (b'{"task": {}, "round": -1, "name": "moments"}', 400),
        (b'{"task": {}, "round": 1, "name": "Erika Mustermann"}', 400),
        (b'{"task": {}, "round": 1, "name": "moments"}', 400),
        (b'{"task": {"purpose": "x"}, "round": 1, "name": "' + b"x" * limits.STEP + b'"}', 413),
    ],
    ids=range(12),
)
def test_no_body_breaks_the_job_endpoint(stage, body, status):
    address = stage.address("user", stage.use)
    headers = stage.nodes["user"].bearer(stage.nodes["clinic"])
    headers["Medspace-Job"] = address["endpointProperties"][0]["value"]
    answer = httpx.post(address["endpoint"], content=body, headers=headers)
    assert answer.status_code == status, answer.text


def test_a_use_that_its_holder_ends_is_over_at_once_even_if_the_user_is_away(stage):
    started = stage.space("user").request(stage.agreement, "medspace:train")["id"]
    address = stage.address("user", started)
    pid = address["endpoint"].rpartition("/")[2]
    headers = {"Medspace-Job": address["endpointProperties"][0]["value"]}
    stage.close("user")
    try:
        stage.space("clinic").steer(pid, "terminate")
        user, clinic = stage.nodes["user"], stage.nodes["clinic"]
        # The user's machine no longer takes messages, so no acknowledgement comes; its old document is still known.
        answer = httpx.post(address["endpoint"], json=step(), headers=user.bearer(clinic) | headers)
        assert (answer.status_code, answer.json()["code"]) == (409, "use.closed")
    finally:
        stage.open("user")


# --- the private door ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PRIVATE)
@pytest.mark.parametrize("authorization", [None, "Bearer wrong", "Bearer"])
def test_the_private_door_opens_with_its_token_only(stage, path, authorization):
    headers = {} if authorization is None else {"Authorization": authorization}
    # From an address for each route: nobody has sent too many wrong ones from there.
    own = httpx.HTTPTransport(local_address=f"127.0.7.{1 + PRIVATE.index(path)}")
    with httpx.Client(transport=own) as client:
        answer = client.get(stage.nodes["clinic"].private_url + path, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "private.token")


@pytest.mark.parametrize("path", PRIVATE)
def test_the_management_api_is_not_on_the_public_door(stage, path):
    clinic = stage.nodes["clinic"]
    answer = httpx.get(clinic.url + path, headers={"Authorization": f"Bearer {clinic.token}"})
    assert answer.status_code in (401, 404)
    assert "clinic" not in answer.text.lower()


# --- secrets ---------------------------------------------------------------------------------------------------


def test_no_secret_is_in_answers_logs_or_databases(stage, tmp_path, capfd):
    with as_a_connector_logs():
        run = stage.space("user").train(TASK, [stage.agreement], wait=60)
        assert run["state"] == "finished"
        nodes = [stage.nodes[key] for key in ("clinic", "user")]
        answers = [_everything(stage, key) for key in ("clinic", "user")]
    logged = capfd.readouterr().err
    job = stage.address("user", stage.use)["endpointProperties"][0]["value"]
    keys = {node.key: (node.folder / "keys" / "participant.pem").read_text().splitlines()[1] for node in nodes}
    for node, answer in zip(nodes, answers, strict=True):
        kept = b"".join(file.read_bytes() for file in node.folder.glob("connector.db*"))
        for secret in (node.token, keys[node.key]):
            assert secret not in answer
            assert secret not in logged
            assert secret.encode() not in kept
        assert job not in answer
        assert job not in logged
    assert job not in stage.run(_records(nodes[0]))  # the user keeps it; the holder derives it anew


async def _records(node) -> str:
    """Every record that a connector keeps, as text."""

    def look(tx):
        return [repr(tx.find(collection, limit=10_000)) for collection in COLLECTIONS]

    return "\n".join(await node.connector.node.database.read(look))


def _everything(stage, key) -> str:
    space = stage.space(key)
    paths = ["/status", "/metrics", "/members", "/datasets", "/negotiations", "/agreements", "/transfers", "/runs"]
    texts = [space._http.get(path).text for path in [*paths, "/audit/bundle", "/audit/entries?limit=1000"]]
    texts += [space._http.get(f"/transfers/{transfer['id']}").text for transfer in space.transfers()]
    return "\n".join(texts)


def test_the_answers_above_are_not_empty(stage):
    assert "heart" in _everything(stage, "clinic").lower()

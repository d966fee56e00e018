"""The SDK: what it asks, how it waits, and what it raises."""

import json

import httpx
import pytest

from medspace.app.doors import sdk
from medspace.sdk import (
    ConnectorFailedError,
    MedspaceError,
    NotRunningError,
    Space,
    SpaceError,
    TokenUnreadableError,
    WaitingError,
    connect,
)

PROBLEM = {"code": "policy.time", "sentence": "It is over.", "next_step": "Ask anew.", "exit_code": 3, "clause": "/c"}


def space_of(answer, language="en"):
    """A space whose connector answers by a function of the request."""
    asked = []

    def handle(request):
        asked.append(request)
        answered = answer(request)
        return answered if isinstance(answered, httpx.Response) else httpx.Response(200, json=answered)

    space = Space("http://127.0.0.1:1/", "secret", language=language)
    space._http.close()
    space._http = httpx.Client(base_url=space.url, headers=space._http.headers, transport=httpx.MockTransport(handle))
    return space, asked


def states(*shown):
    """Answers in their order, the last one for ever."""
    left = list(shown)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


def process(state, **more):
    return {"id": "p", "state": state, "version": state, "counterparty": "did:web:h", "problem": None} | more


def test_every_call_carries_the_token_and_the_language():
    space, asked = space_of(lambda _: {"members": []}, language="zh_Hans")
    with space:
        assert space.members() == []
    assert asked[0].headers["authorization"] == "Bearer secret"
    assert asked[0].headers["accept-language"] == "zh_Hans"
    assert str(asked[0].url) == "http://127.0.0.1:1/members"


def test_a_negotiation_is_waited_for_until_it_is_over():
    space, asked = space_of(
        states(process("REQUESTED"), process("REQUESTED"), process("AGREED"), process("FINALIZED"))
    )
    assert space.negotiate("did:web:h", "data")["state"] == "FINALIZED"
    assert json.loads(asked[0].content) == {"participant": "did:web:h", "dataset": "data", "offer": ""}
    assert asked[-1].url.params["seen"] == "AGREED"


def test_what_is_not_over_in_time_raises_with_whom_it_waits_for(monkeypatch):
    moments = iter(range(0, 1000, 20))
    monkeypatch.setattr(sdk.time, "monotonic", lambda: next(moments))
    for verb in (
        lambda space: space.negotiate("did:web:h", "data", wait=30),
        lambda space: space.download("did:web:h", "data", wait=30),
        lambda space: space.request("urn:a", "HttpData-PULL", wait=30),
    ):
        space, _ = space_of(lambda _: process("REQUESTED", path="negotiations"))
        with pytest.raises(WaitingError) as raised:
            verb(space)
        assert "did:web:h" in str(raised.value)
        assert raised.value.exit_code == 4


def test_a_refusal_comes_with_the_connector_s_own_words_and_the_clause():
    for answer in (process("TERMINATED", problem=PROBLEM), httpx.Response(403, json=PROBLEM)):
        space, _ = space_of(lambda _, answer=answer: answer)
        with pytest.raises(SpaceError) as raised:
            space.negotiate("did:web:h", "data")
        error = raised.value
        assert (error.code, error.exit_code, error.problem["clause"]) == ("policy.time", 3, "/c")
        assert (str(error.text), str(error.advice)) == ("It is over.", "Ask anew.")


def test_braces_in_the_connector_s_words_are_only_words():
    space, _ = space_of(lambda _: httpx.Response(400, json=PROBLEM | {"sentence": "{nothing} {0}"}))
    with pytest.raises(SpaceError) as raised:
        space.status()
    assert str(raised.value.text) == "{nothing} {0}"


@pytest.mark.parametrize("answer", [httpx.Response(500, text="no"), httpx.Response(200, text="<html>")])
def test_what_is_no_connector_is_said_to_be_none(answer):
    space, _ = space_of(lambda _: answer)
    with pytest.raises(ConnectorFailedError):
        space.status()


def test_nobody_there_is_said_with_what_to_do():
    def refuse(request):
        raise httpx.ConnectError("refused", request=request)

    space, _ = space_of(refuse)
    with pytest.raises(NotRunningError) as raised:
        space.runs()
    assert "http://127.0.0.1:1" in str(raised.value.text)
    assert "medspace up" in str(raised.value.advice)


def run(state, **more):
    return {
        "id": "r",
        "state": state,
        "version": f"{state}{more}",
        "rounds": 0,
        "problem": None,
        "model": None,
    } | more


def watched(begun, *shown):
    """A run that is begun, and then streamed."""
    events = "".join(f"id: {one['version']}\ndata: {json.dumps(one)}\n\n" for one in shown) or ":\n\n"
    streamed = httpx.Response(200, text=events)
    return lambda request: streamed if request.url.path.startswith("/events/") else begun


def test_a_run_is_followed_round_by_round():
    space, asked = space_of(watched(run("running"), run("running", rounds=1), run("finished", rounds=2)))
    rounds = []
    assert space.train({}, ["a"], progress=lambda seen: rounds.append(seen["rounds"]))["state"] == "finished"
    assert rounds == [1, 2]
    assert asked[-1].headers["last-event-id"] == run("running")["version"]


def test_a_run_that_failed_or_was_cancelled_is_no_result():
    space, _ = space_of(watched(run("running"), run("failed", problem=PROBLEM)))
    with pytest.raises(SpaceError) as raised:
        space.train({}, ["a"])
    assert raised.value.code == "policy.time"
    space, _ = space_of(lambda _: run("cancelled"))
    with pytest.raises(SpaceError) as raised:
        space.train({}, ["a"])
    assert raised.value.code == "learning.cancelled"
    assert "r" in str(raised.value.text)


def test_a_run_that_takes_longer_goes_on_in_the_connector(monkeypatch):
    moments = iter(range(0, 1000, 20))
    monkeypatch.setattr(sdk.time, "monotonic", lambda: next(moments))
    space, _ = space_of(watched(run("running")))
    with pytest.raises(WaitingError) as raised:
        space.train({}, ["a"], wait=30)
    assert "run r" in str(raised.value)


@pytest.mark.parametrize(
    ("call", "method", "path"),
    [
        (lambda s: s.status(), "GET", "/status"),
        (lambda s: s.doctor(), "GET", "/doctor"),
        (lambda s: s.admit("did:web:h", name="H", operator="did:web:o"), "POST", "/members"),
        (lambda s: s.remove("did:web:h"), "DELETE", "/members/did:web:h"),
        (lambda s: s.remove("did:web:127.0.0.1%3A9140"), "DELETE", "/members/did:web:127.0.0.1%253A9140"),
        (lambda s: s.model("a/../b#c?d e"), "GET", "/models/a%2F..%2Fb%23c%3Fd%20e"),
        (lambda s: s.run(".."), "GET", "/runs/%2E%2E"),
        (lambda s: s.refresh(), "POST", "/members/refresh"),
        (lambda s: s.catalog("did:web:h", search="x"), "GET", "/catalog?search=x&participant=did%3Aweb%3Ah"),
        (lambda s: s.find(), "GET", "/catalog?search="),
        (lambda s: s.negotiations(), "GET", "/negotiations"),
        (lambda s: s.answer("n", approve=True), "POST", "/negotiations/n/answer"),
        (lambda s: s.agreements(), "GET", "/agreements"),
        (lambda s: s.transfers(), "GET", "/transfers"),
        (lambda s: s.steer("t", "suspend"), "POST", "/transfers/t/suspend"),
        (lambda s: s.run("r"), "GET", "/runs/r"),
        (lambda s: s.runs(), "GET", "/runs"),
        (lambda s: s.cancel("r"), "POST", "/runs/r/cancel"),
        (lambda s: s.model("m"), "GET", "/models/m"),
        (lambda s: s.model_card("a/b"), "GET", "/models/a%2Fb/card"),
        (lambda s: s.model_card_page("m"), "GET", "/models/m/card.html"),
        (lambda s: s.check_model_card({}), "POST", "/cards/check"),
        (lambda s: s.audit_bundle(), "GET", "/audit/bundle"),
        (lambda s: s.try_policy("d", purpose="p"), "POST", "/policy/try"),
    ],
)
def test_each_verb_is_one_call(call, method, path):
    lists = ("members", "datasets", "negotiations", "agreements", "transfers", "runs")
    space, asked = space_of(lambda _: {name: [] for name in lists})
    call(space)
    assert [(one.method, one.url.raw_path.decode()) for one in asked] == [(method, path)]


CONFIG = """\
[participant]
name = "H"
[public]
port = 1
[private]
port = 2
[space]
authority = "did:web:127.0.0.1%3A1"
"""


def test_connect_reads_address_and_token_from_the_configuration(tmp_path):
    (tmp_path / "medspace.toml").write_text(CONFIG)
    with pytest.raises(TokenUnreadableError) as raised:
        connect(tmp_path / "medspace.toml")
    assert raised.value.exit_code == 2
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "private.token").write_text("secret\n")
    with connect(tmp_path / "medspace.toml") as space:
        assert space.url == "http://127.0.0.1:2"
        assert space._http.headers["authorization"] == "Bearer secret"
    with pytest.raises(MedspaceError):
        connect(tmp_path / "none.toml")

import asyncio
import json
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import uvicorn

from medspace.adapters.http.client import HttpClient
from medspace.adapters.http.errors import AnswerTooLargeError, BadAnswerError, JobBusyError, JobRefusedError
from medspace.adapters.http.guard import Guard
from medspace.adapters.http.peers import DspClient, HttpDocuments, HttpMembers, JobClient, PendingStep
from medspace.adapters.memory import ManualClock, MemoryDatabase, SeededRandomness
from medspace.connector.errors import NotSentError, UnreachableError
from medspace.connector.ports import Reply
from medspace.core.engine import MASKED_SUMS
from medspace.core.usage import Step
from medspace.runs import covers
from medspace.runs.covers import Cover, CoveredAnswer
from medspace.trust.did import build_document, did_web
from medspace.trust.envelope import EnvelopeKey
from medspace.trust.errors import DidError, DocumentError, MembersSourceError, TokenAudienceError
from medspace.trust.members import sign_members
from medspace.trust.model import Member, MemberList
from medspace.trust.service import Gatekeeper, Identity, MembersBook
from tests.runs import manifest_of
from tests.unit.adapters.http_servers import answer, serving
from tests.unit.trust.space import AUTHORITY, COMPANY, HOSPITAL, KEYS, list_at

T0 = datetime(2026, 1, 1, 12, tzinfo=UTC)
DATE = "Thu, 01 Jan 2026 12:00:00 GMT"


@pytest.fixture
async def client():
    client = HttpClient(Guard(loopback=True))
    yield client
    await client.close()


@pytest.fixture
def identity():
    return Identity(COMPANY, KEYS[COMPANY], ManualClock(), SeededRandomness(1))


# messages


async def test_a_message_carries_a_fresh_token_each_time(client, identity):
    async with serving(answer(200, b'{"state":"AGREED"}')) as server:
        dsp = DspClient(client, identity)
        assert await dsp.post(server.url(), {"@type": "A", "名": 1}, HOSPITAL) == Reply(200, {"state": "AGREED"})
        assert await dsp.get(server.url(), HOSPITAL) == Reply(200, {"state": "AGREED"})
    post, get = server.requests
    assert json.loads(post.body) == {"@type": "A", "名": 1}
    assert (post.method, get.method, get.body) == ("POST", "GET", b"")
    tokens = {request.headers["authorization"].removeprefix("Bearer ") for request in (post, get)}
    assert len(tokens) == 2


@pytest.mark.parametrize(
    ("raw", "reply"),
    [
        (answer(200, b""), Reply(200)),
        (answer(200, b'{"a":1}', None), Reply(200, {"a": 1})),
        (answer(200, b"[]", "application/ld+json; charset=utf-8"), Reply(200, [])),
        (answer(200, b"<html>", "text/html"), Reply(200, readable=False)),
        (answer(200, b"<html>", "Application/XHTML+xml"), Reply(200, readable=False)),
        (answer(202, b""), Reply(202)),
        (answer(200, b"null", "application/json; charset=utf-8"), Reply(200)),
        (answer(200, b'{"a":1}', "text/plain"), Reply(200)),
        (answer(200, b"{"), Reply(200)),
        (answer(200, b"[" * 100_000), Reply(200)),
        (answer(200, b'"\xff"'), Reply(200)),
        (answer(404, b'{"code":"process.unknown"}'), Reply(404, {"code": "process.unknown"})),
        (answer(503, b"busy", "text/plain"), Reply(503)),
        (answer(302, b"", Location="http://169.254.169.254/"), Reply(302)),
        (answer(429, b"", **{"Retry-After": "17"}), Reply(429, after=17.0)),
        (answer(503, b"", **{"Retry-After": "-1"}), Reply(503)),
        (answer(503, b"", **{"Retry-After": "9" * 30}), Reply(503)),
        (answer(503, b"", **{"Retry-After": "Thu, 01 Jan 2026 12:00:30 GMT"}), Reply(503)),  # by which clock?
        (
            answer(503, b"", Date=DATE, **{"Retry-After": "Thu, 01 Jan 2026 12:00:30 GMT"}),
            Reply(503, date=T0, after=30.0),
        ),
        (
            answer(503, b"", Date=DATE, **{"Retry-After": "Thu, 01 Jan 2026 11:00:00 GMT"}),
            Reply(503, date=T0, after=0.0),
        ),
        (answer(401, b"", Date="some day"), Reply(401)),
        (answer(401, b"", Date=DATE), Reply(401, date=T0)),
    ],
)
async def test_an_answer_is_its_status_and_its_json_if_any(client, identity, raw, reply):
    async with serving(raw) as server:
        assert await DspClient(client, identity).post(server.url(), {}, HOSPITAL) == reply
        assert len(server.requests) == 1


async def test_a_page_stays_packed_and_a_refusal_is_read(client, identity):
    page, refusal = b'{"dataset":[]}', answer(403, b'{"code":"no"}')
    link = {"Link": '<https://a.example/next>; rel="next"'}
    async with serving(answer(200, page, **link), refusal, answer(200, b"<html>", "text/html")) as server:
        dsp = DspClient(client, identity)
        told = [await dsp.page(server.url(), {"@type": "A"}, HOSPITAL) for _ in range(3)]
    assert told == [
        Reply(200, following="https://a.example/next", packed=page),
        Reply(403, {"code": "no"}),
        Reply(200, readable=False),
    ]
    assert told[0].size == len(page)
    assert json.loads(server.requests[0].body) == {"@type": "A"}


async def test_no_answer_is_said_as_the_port_says_it(client, identity):
    async def hang_up(_, writer):
        writer.close()

    async with serving(hang_up) as server:
        with pytest.raises(UnreachableError) as refused:
            await DspClient(client, identity).post(server.url(), {}, HOSPITAL)
        assert not isinstance(refused.value, NotSentError)
    with pytest.raises(NotSentError):
        await DspClient(client, identity).get(server.url(), HOSPITAL)


# documents


async def test_a_document_is_fetched_from_where_the_did_says(client):
    async with serving() as server:
        did = did_web(f"http://127.0.0.1:{server.port}")
        server.answers.append(answer(body=json.dumps(build_document(did, KEYS[COMPANY].public_key)).encode()))
        document = await HttpDocuments(client).document(did)
    assert document.keys[0].public_key == KEYS[COMPANY].public_key
    assert server.requests[0].path == "/.well-known/did.json"
    assert "authorization" not in server.requests[0].headers


@pytest.mark.parametrize(
    "raw",
    [
        answer(404),
        answer(302, b"", Location="/other"),
        answer(200, b""),
        answer(200, b"{}", "text/html"),
        answer(200, b'{"id":"did:web:other.example"}'),
        answer(200, b" " * 65_537),
        b"nonsense\r\n\r\n",
    ],
)
async def test_anything_but_the_document_is_refused(client, raw):
    async with serving(raw) as server:
        with pytest.raises(DocumentError):
            await HttpDocuments(client).document(did_web(f"http://127.0.0.1:{server.port}"))


async def test_what_is_no_did_is_not_fetched(client):
    with pytest.raises(DidError):
        await HttpDocuments(client).document("did:web:10.0.0.1")


async def test_a_document_on_this_machine_needs_leave():
    with pytest.raises(DocumentError):
        await HttpDocuments(HttpClient(Guard())).document("did:web:127.0.0.1%3A8101")


# members


async def test_the_members_list_is_fetched_with_a_token(client, identity):
    text = list_at(ManualClock().now(), COMPANY)
    async with serving(answer(body=json.dumps({"members": text}).encode())) as server:
        source = HttpMembers(client, identity, authority=AUTHORITY, url=server.url("/"))
        assert await source.members() == text
    assert server.requests[0].path == "/members"
    assert server.requests[0].headers["authorization"].startswith("Bearer ")


@pytest.mark.parametrize("raw", [answer(401), answer(200, b"{}"), answer(200, b"x"), answer(200, b"[" * 10_000)])
async def test_an_authority_that_does_not_hand_out_its_list_is_said(client, identity, raw):
    async with serving(raw) as server:
        source = HttpMembers(client, identity, authority=AUTHORITY, url=server.url(""))
        with pytest.raises(MembersSourceError):
            await source.members()
    with pytest.raises(MembersSourceError):
        await source.members()


# steps

STEP = Step({"kind": "glm"}, 3, "gradient", {"beta": ["0.1"]}, inbox={"did:web:other.example": "sealed"})


async def test_a_step_carries_both_tokens(client, identity):
    async with serving(answer(body=b'{"release":"r1","values":{"a":0.5}}')) as server:
        jobs = JobClient(client, identity)
        assert await jobs.ask(server.url("/jobs/1"), "secret", STEP, HOSPITAL) == {
            "release": "r1",
            "values": {"a": 0.5},
        }
    (request,) = server.requests
    assert request.headers["medspace-job"] == "secret"
    assert request.headers["authorization"].startswith("Bearer ey")
    assert json.loads(request.body) == {
        "task": {"kind": "glm"},
        "round": 3,
        "name": "gradient",
        "inputs": {"beta": ["0.1"]},
        "parts": [],
        "inbox": {"did:web:other.example": "sealed"},
    }


SEAT = EnvelopeKey.generate(SeededRandomness(1))
MANIFEST = manifest_of(AUTHORITY, {}, {HOSPITAL: "urn:agreement:1"}, protocol=MASKED_SUMS)
COVER = Cover.drawn(MANIFEST, "1", HOSPITAL, SEAT.public, SeededRandomness(2))
SEALED = {"Content-Type": covers.MEDIA_TYPE}


def sealed_by(server, said, status=200, answers=COVER.answers, to=None):
    """What the site says, sealed for what it was asked; `status` is what anybody on the way sees of it."""

    async def reply(_, writer):
        asked = server.requests[-1]
        step = asked.path.rpartition("/")[2]
        due = covers.to_step(step) if asked.method == "GET" else covers.to_question(asked.body)
        writer.write(answer(status, answers.sealed(said, to or due), **SEALED))
        await writer.drain()

    return reply


WORKING = CoveredAnswer(202, b'{"step":"' + b"ab" * 32 + b'"}', "4")
DONE = CoveredAnswer(200, b'{"release":"r1"}')


async def test_a_covered_step_goes_sealed_and_its_answer_comes_so(client, identity):
    async with serving() as server:
        server.answers += [sealed_by(server, WORKING), sealed_by(server, DONE)]
        jobs, url = JobClient(client, identity), server.url("/jobs/1")
        working = await jobs.ask(url, "secret", STEP, HOSPITAL, signature="s", cover=COVER)
        assert working == PendingStep("ab" * 32, after=4.0)
        assert await jobs.look(url, "secret", "ab" * 32, HOSPITAL, answers=COVER.answers) == {"release": "r1"}
    asked = server.requests[0]
    assert asked.headers["content-type"] == covers.MEDIA_TYPE
    body, answers = covers.uncovered(asked.body, MANIFEST, "1", HOSPITAL, SEAT, SeededRandomness(3))
    assert json.loads(body)["signature"] == "s"
    assert answers.key == COVER.answers.key


WHY = b'{"code":"step.invalid","reason":["Why."]}'
PAGE = b'{"code":"use.failed","reason":["It broke."]}'


@pytest.mark.parametrize(
    "said",
    [
        lambda _: answer(200, b'{"release":"r1"}'),
        lambda _: answer(202, b'{"step":"' + b"ab" * 32 + b'"}'),
        lambda _: answer(403, WHY),
        lambda _: answer(500, PAGE),
        lambda _: answer(302, b"", Location="/elsewhere"),
        lambda _: answer(200, bytes(covers.LARGEST_ANSWER + 1), **SEALED),
        lambda _: answer(200, b'{"release":"r1"}', **SEALED),
        lambda server: sealed_by(server, DONE, answers=replace(COVER.answers, use="2")),
        lambda server: sealed_by(server, DONE, to=covers.to_question(b"the one before")),
        lambda server: sealed_by(server, CoveredAnswer(403, WHY), to=covers.to_step("cd" * 32)),
        lambda server: sealed_by(server, CoveredAnswer(200, b"[]")),
    ],
    ids=[
        "in the open", "working, in the open", "refused, in the open", "broken, in the open", "elsewhere",
        "too large", "not sealed", "of another use", "to another question", "to another step", "no object",
    ],
)  # fmt: skip
async def test_what_is_not_sealed_for_the_question_is_no_answer_and_puts_nobody_out(client, identity, said):
    async with serving() as server:
        server.answers += [said(server)]
        jobs, url = JobClient(client, identity), server.url("/jobs/1")
        for asking in (
            lambda: jobs.ask(url, "secret", STEP, HOSPITAL, cover=COVER),
            lambda: jobs.look(url, "secret", "ab" * 32, HOSPITAL, answers=COVER.answers),
        ):
            with pytest.raises(UnreachableError) as nothing:  # so the site is away, and asked again
                await asking()
            assert not isinstance(nothing.value, AnswerTooLargeError)


async def test_an_answer_has_the_status_that_is_sealed_whatever_is_seen_on_the_way(client, identity):
    async with serving() as server:
        server.answers += [sealed_by(server, DONE, 403), sealed_by(server, WORKING, 500)]
        server.answers += [sealed_by(server, CoveredAnswer(400, WHY), 200)]
        jobs, url = JobClient(client, identity), server.url("/jobs/1")
        assert await jobs.ask(url, "t", STEP, HOSPITAL, cover=COVER) == {"release": "r1"}
        assert (await jobs.ask(url, "t", STEP, HOSPITAL, cover=COVER)).after == 4.0
        with pytest.raises(JobRefusedError) as refused:
            await jobs.ask(url, "t", STEP, HOSPITAL, cover=COVER)
    assert refused.value.facts["refusal"] == "step.invalid"


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (404, "use.unknown", JobRefusedError),
        (409, "use.closed", JobRefusedError),
        (400, "envelope.unreadable", JobRefusedError),
        (403, "use.memory", JobRefusedError),
        (401, "identity.premature", JobRefusedError),
        (429, "quota.exceeded", JobBusyError),
    ],
)
async def test_what_a_site_says_before_it_has_opened_a_question_is_heard_in_the_open(
    client, identity, status, code, error
):
    async with serving(answer(status, json.dumps({"code": code, "reason": []}).encode())) as server:
        with pytest.raises(error) as refused:
            await JobClient(client, identity).ask(server.url("/jobs/1"), "t", STEP, HOSPITAL, cover=COVER)
    assert refused.value.facts["refusal"] == code


async def test_a_manifest_and_keys_go_below_the_job_with_both_tokens(client, identity):
    async with serving(answer(body=b'{"key":"k"}'), answer(body=b'{"manifest":"d"}')) as server:
        jobs, url = JobClient(client, identity), server.url("/jobs/1")
        assert await jobs.seat(url, "secret", "signed", HOSPITAL, 5.0) == {"key": "k"}
        assert await jobs.seated(url, "secret", ["one", "two"], HOSPITAL, 5.0) == {"manifest": "d"}
    assert [(request.path, json.loads(request.body)) for request in server.requests] == [
        ("/jobs/1/manifest", {"manifest": "signed"}),
        ("/jobs/1/seats", {"keys": ["one", "two"]}),
    ]
    assert {request.headers["medspace-job"] for request in server.requests} == {"secret"}


@pytest.mark.parametrize("said", [answer(body=b"[]"), answer(status=202, body=b'{"step":"' + b"ab" * 32 + b'"}')])
async def test_what_is_no_answer_to_a_manifest_is_none(client, identity, said):
    async with serving(said) as server:
        with pytest.raises(BadAnswerError):
            await JobClient(client, identity).seat(server.url("/jobs/1"), "secret", "signed", HOSPITAL, 5.0)


NAME = "ab" * 32


async def test_a_step_that_takes_long_is_asked_for_below_its_own_endpoint_wherever_the_site_points(client, identity):
    working = json.dumps({"step": NAME, "state": "working", "percent": 40, "left": 90}).encode()
    away = {"Location": "http://127.0.0.1:1/elsewhere", "Retry-After": "7"}
    async with serving(answer(202, working, **away), answer(200, b'{"release":"r1"}')) as server:
        jobs = JobClient(client, identity)
        endpoint = server.url("/jobs/1")
        told = await jobs.ask(endpoint, "secret", STEP, HOSPITAL)
        assert told == PendingStep(NAME, "working", 7.0, 40, 90)
        assert await jobs.look(endpoint, "secret", told.step, HOSPITAL) == {"release": "r1"}
    post, get = server.requests
    assert (get.method, get.path, get.body) == ("GET", f"/jobs/1/steps/{NAME}", b"")
    assert get.headers["medspace-job"] == "secret"
    assert get.headers["authorization"] != post.headers["authorization"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"step":"../../members"}',
        b'{"step":7}',
        json.dumps({"step": NAME, "state": "\x1b["}).encode(),
        json.dumps({"step": NAME, "percent": 101}).encode(),
        json.dumps({"step": NAME, "left": -1}).encode(),
    ],
)
async def test_a_step_that_has_no_name_is_no_answer(client, identity, body):
    async with serving(answer(202, body)) as server:
        with pytest.raises(BadAnswerError):
            await JobClient(client, identity).ask(server.url(), "t", STEP, HOSPITAL)


async def test_what_the_site_advises_is_told_apart_and_within_bounds(client, identity):
    body = b'{"code":"x","reason":["' + b"a" * 5000 + b'","mend it\\u001b[31m","soon"]}'
    async with serving(answer(400, body)) as server:
        with pytest.raises(JobRefusedError) as refused:
            await JobClient(client, identity).ask(server.url(), "t", STEP, HOSPITAL)
    assert refused.value.facts["reason"] == "a" * 1000
    assert refused.value.facts["advice"] == "mend it [31m soon"


@pytest.mark.parametrize(
    ("raw", "error", "refusal", "reason"),
    [
        (
            answer(403, b'{"code":"use.cohort","reason":["too few persons","ask for","more"]}'),
            JobRefusedError,
            "use.cohort",
            "too few persons",
        ),
        (
            answer(403, b'{"code":"use.refused","cause":"policy.purpose","reason":["no"]}'),
            JobRefusedError,
            "policy.purpose",
            "no",
        ),
        (
            answer(403, b'{"code":"use.refused","cause":"\\u001b[2J","reason":["no"]}'),
            JobRefusedError,
            "use.refused",
            "no",
        ),
        (answer(404, b'{"code":"job.unknown","reason":"gone"}'), JobRefusedError, "job.unknown", "gone"),
        (answer(409, b"{}"), JobRefusedError, "http.409", ""),
        (answer(302, b"", Location="/other"), JobRefusedError, "http.302", ""),
        (answer(401, b"<html>", "text/html"), JobRefusedError, "http.401", ""),
        (answer(403, b'{"code":7}'), JobRefusedError, "http.403", ""),
        (answer(503, b'{"code":"busy","reason":[1,"later"]}'), JobBusyError, "busy", "later"),
        (answer(500, b""), JobBusyError, "http.500", ""),
        (answer(500, b'{"code":"use.failed"}'), JobRefusedError, "use.failed", ""),
        (answer(500, b'{"code":"use.too_long"}'), JobRefusedError, "use.too_long", ""),
        (answer(500, b'{"code":"use.too_large"}'), JobRefusedError, "use.too_large", ""),
        (
            answer(403, b'{"code":"a b","reason":"\\u001b[2Jall \\u202ewell"}'),
            JobRefusedError,
            "http.403",
            " [2Jall  well",
        ),
    ],
)
async def test_a_refused_step_says_why(client, identity, raw, error, refusal, reason):
    async with serving(raw) as server:
        with pytest.raises(error) as refused:
            await JobClient(client, identity).ask(server.url(), "t", STEP, HOSPITAL)
    assert (refused.value.facts["refusal"], refused.value.facts["reason"]) == (refusal, reason)
    assert refusal in str(refused.value)


@pytest.mark.parametrize(
    "raw", [answer(200, b""), answer(200, b"[1]"), answer(200, b"{}", "text/html"), answer(200, b"NaN")]
)
async def test_an_answer_that_is_no_object_is_refused(client, identity, raw):
    async with serving(raw) as server:
        with pytest.raises(BadAnswerError):
            await JobClient(client, identity).ask(server.url(), "t", STEP, HOSPITAL)


async def test_a_slow_site_costs_no_more_than_was_said(client, identity):
    async def silent(reader, _):
        await reader.read()

    async with serving(silent) as server:
        with pytest.raises(UnreachableError):
            await JobClient(client, identity).ask(server.url(), "t", STEP, HOSPITAL, timeout=0.05)


# everything together, on the product's own server


class Doorkeeper:
    """An ASGI application that serves a DID document and says who calls."""

    def __init__(self):
        self.document = {}
        self.gatekeeper = None

    async def __call__(self, scope, receive, send):
        if scope["path"] == "/.well-known/did.json":
            body = json.dumps(self.document).encode()
        else:
            caller = await self.gatekeeper.authenticate(dict(scope["headers"])[b"authorization"].decode())
            body = json.dumps({"caller": caller.did}).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


class Running:
    """A server of the product in a thread."""

    def __init__(self, app):
        self.server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, lifespan="off"))
        self.thread = threading.Thread(target=self.server.run, daemon=True)

    async def __aenter__(self):
        self.thread.start()
        while not self.server.started:  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0.005)
        port = self.server.servers[0].sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}"

    async def __aexit__(self, *_):
        self.server.should_exit = True
        await asyncio.to_thread(self.thread.join)


async def test_two_parties_recognise_each_other_over_real_http(client):
    clock, app = ManualClock(), Doorkeeper()
    async with Running(app) as base:
        # One server plays both parties: it publishes the caller's document and keeps the callee's door.
        did, key = did_web(base), KEYS[COMPANY]
        app.document = build_document(did, key.public_key)
        now = clock.now()
        members = MemberList(AUTHORITY, now, now + timedelta(days=1), (Member(did, "a", "DE", (), key.public_key),))
        database = MemoryDatabase()
        book = MembersBook(AUTHORITY, KEYS[AUTHORITY].public_key, None, database, clock)
        await book.install(sign_members(KEYS[AUTHORITY], members))
        app.gatekeeper = Gatekeeper(HOSPITAL, HttpDocuments(HttpClient(Guard(loopback=True))), book, database, clock)
        dsp = DspClient(client, Identity(did, key, clock, SeededRandomness(3)))
        for _ in range(3):
            reply = await dsp.post(f"{base}/x", {}, HOSPITAL)
            assert (reply.status, reply.body) == (200, {"caller": did})
            assert abs((reply.date - datetime.now(UTC)).total_seconds()) < 60  # the server's clock is this machine's
        token = Identity(did, key, clock, SeededRandomness(4)).token_for(AUTHORITY)
        with pytest.raises(TokenAudienceError):
            await app.gatekeeper.authenticate(f"Bearer {token}")

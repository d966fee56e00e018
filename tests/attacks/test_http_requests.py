"""Requests that two readers could read differently, or that ask for more than a connector serves, are refused."""

import asyncio
import json

import pytest

from medspace.app.node.listening.limits import forwarded, neighbourhood
from tests.attacks.wires import chunked, door, everything, request, statuses

CLOSE = ("Connection: close",)
INNER = b"GET /inner HTTP/1.1\r\nHost: here\r\n\r\n"

SMUGGLED = {
    "two lengths": request("/read", "POST", ("Content-Length: 5", "Content-Length: 0"), b"hello" + INNER),
    "lengths in a list": request("/read", "POST", ("Content-Length: 0, 5",), b"hello" + INNER),
    "length and chunks": request("/read", "POST", ("Content-Length: 5", "Transfer-Encoding: chunked"), b"0\r\n\r\n"),
    "chunks and length": request("/read", "POST", ("Transfer-Encoding: chunked", "Content-Length: 5"), b"0\r\n\r\n"),
    "chunks not last": request("/read", "POST", ("Transfer-Encoding: chunked, gzip",), b"0\r\n\r\n" + INNER),
    "unknown coding": request("/read", "POST", ("Transfer-Encoding: xchunked",), b"0\r\n\r\n" + INNER),
    "space before the colon": request("/read", "POST", ("Content-Length : 5",), b"hello"),
    "signed length": request("/read", "POST", ("Content-Length: +5",), b"hello"),
    "hexadecimal length": request("/read", "POST", ("Content-Length: 0x5",), b"hello"),
    "length of 30 digits": request("/read", "POST", ("Content-Length: " + "9" * 30,)),
    "bare line feeds": b"GET / HTTP/1.1\nHost: here\n\n",
    "a bare carriage return": b"GET / HTTP/1.1\r\nHost: here\rX: y\r\n\r\n",
    "a folded field": b"GET / HTTP/1.1\r\nHost: here\r\nX: y\r\n z\r\n\r\n",
    "a NUL in a field": b"GET / HTTP/1.1\r\nHost: here\r\nX: a\0b\r\n\r\n",
    "chunk with a bare line feed": chunked("/read", b"1\na\r\n0\r\n\r\n"),
    "chunk of a negative size": chunked("/read", b"-1\r\na\r\n0\r\n\r\n"),
    "chunk of a huge size": chunked("/read", b"fffffffffffffffff\r\na\r\n0\r\n\r\n"),
    "chunk longer than said": chunked("/read", b"1\r\nab\r\n0\r\n\r\n"),
    "two hosts": request(fields=("Host: there",)),
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two authorizations": request(fields=("Authorization: Bearer a", "Authorization: Bearer b")),
    "another version": b"GET / HTTP/3.0\r\nHost: here\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "an address that is no ASCII": "GET /ä HTTP/1.1\r\nHost: here\r\n\r\n".encode(),
    "an address with a space": b"GET /a b HTTP/1.1\r\nHost: here\r\n\r\n",
    "noise": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
}


@pytest.mark.parametrize("name", SMUGGLED)
async def test_what_can_be_read_in_two_ways_is_refused_and_nothing_behind_it_is_read(name):
    async with door() as open_door:
        answered = statuses(await open_door.say(SMUGGLED[name]))
        assert answered in ([400], [])
        assert open_door.application.seen == []
        assert statuses(await open_door.say(request(fields=CLOSE))) == [200]  # the control: an honest one is read


TOO_MUCH = {
    "many fields": (request(fields=[f"X-{number}: y" for number in range(200)]), 431),
    "a long address": (request("/" + "a" * 9000), 414),
    "a packed body": (request("/read", "POST", ("Content-Encoding: gzip", "Content-Length: 3"), b"abc"), 415),
    "packed twice": (request("/read", "POST", ("Content-Encoding: identity, gzip", "Content-Length: 1"), b"a"), 415),
}


@pytest.mark.parametrize("name", TOO_MUCH)
async def test_what_is_too_much_is_refused_with_its_own_status(name):
    asked, status = TOO_MUCH[name]
    async with door() as open_door:
        answered = await open_door.say(asked)
        assert statuses(answered) == [status]
        assert b'"code":"http.refused"' in answered
        assert open_door.application.seen == []


async def test_with_wider_bounds_the_same_is_read():
    async with door(fields=1000, target=1 << 16) as open_door:
        assert statuses(await open_door.say(TOO_MUCH["many fields"][0])) == [200]
        assert statuses(await open_door.say(TOO_MUCH["a long address"][0])) == [404]


@pytest.mark.parametrize("protocol", ["websocket", "h2c"])
async def test_an_upgrade_is_ignored_and_nothing_of_it_is_read(protocol):
    fields = (f"Upgrade: {protocol}", "Connection: Upgrade")
    async with door() as open_door:
        answered = await open_door.say(request(fields=fields, body=b"\x81\x85" * 10_000))
        assert statuses(answered) == [200]
        posted = await open_door.say(request("/read", "POST", (*fields, "Content-Length: 3"), b"abc"))
        assert statuses(posted) == [400]
        assert len(open_door.application.seen) == 1


async def test_a_body_is_asked_for_only_where_it_is_wanted():
    fields = ("Expect: 100-continue", "Content-Length: 3")
    async with door() as open_door:
        assert statuses(await open_door.say(request("/early", "POST", fields))) == [401]
        reader, writer = await asyncio.open_connection("127.0.0.1", open_door.port)
        writer.write(request("/read", "POST", fields))
        assert (await reader.readline()).startswith(b"HTTP/1.1 100")
        writer.write(b"abc")
        assert b"read 3" in await everything(reader)
        writer.close()


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "GET", "DELETE"])
async def test_a_body_where_none_belongs_is_never_the_next_request(method):
    asked = request("/", method, (f"Content-Length: {len(INNER)}",), INNER)
    async with door() as open_door:
        answered = await open_door.say(asked, request(fields=CLOSE))
        assert b"404" not in answered  # /inner was not asked for
        assert len(statuses(answered)) <= 2


def test_only_what_our_own_proxy_wrote_is_believed():
    fields = [(b"x-forwarded-for", b"1.1.1.1, 2.2.2.2"), (b"x-forwarded-for", b"3.3.3.3, 127.0.0.1")]
    assert forwarded(fields, ("127.0.0.0/8",)) == "3.3.3.3"
    assert forwarded([(b"x-forwarded-for", b"unknown")], ("127.0.0.0/8",)) is None
    assert forwarded([], ("127.0.0.0/8",)) is None


def test_one_subscriber_is_one_address():
    assert neighbourhood("2001:db8::1") == neighbourhood("2001:db8::ffff")
    assert neighbourhood("2001:db8:0:1::1") != neighbourhood("2001:db8::1")
    assert neighbourhood("::ffff:10.0.0.1") == neighbourhood("10.0.0.1")


REFUSED = {
    "a long address": (request("/" + "a" * 9000, fields=("Accept-Language: zh",)), {}, 414),
    "a large head": (request(fields=["Accept-Language: zh", *(f"X-{n}: y" for n in range(200))]), {}, 431),
    "no request line": (b"\x16\x03\x01\r\n\r\n", {}, 400),
    "two hosts": (request(fields=("Host: there", "Accept-Language: zh")), {}, 400),
    "a large body": (
        request("/read", "POST", ("Accept-Language: zh", "Content-Length: 9"), b"a" * 9), {"body": 8}, 413,
    ),
    "a slow head": (b"GET / HTTP/1.1\r\nAccept-Language: zh\r\nHost:", {"head_seconds": 0.01, "looks": 0.01}, 408),
    "a slow body": (
        request("/read", "POST", ("Accept-Language: zh", "Content-Length: 9"), b"a"),
        {"body_seconds": 0.01, "looks": 0.01},
        408,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
async def test_each_refusal_has_the_form_of_either_listener_in_the_language_that_was_asked_for(name):
    asked, bounds, status = REFUSED[name]
    async with door(**bounds) as open_door:
        answered = await open_door.say(asked)
    assert statuses(answered) == [status]
    told = json.loads(answered.partition(b"\r\n\r\n")[2])
    assert (told["code"], told["reason"]) == ("http.refused", [told["sentence"], told["next_step"]])
    assert told["sentence"].startswith("请求被拒绝" if b"zh" in asked else "The request was refused")

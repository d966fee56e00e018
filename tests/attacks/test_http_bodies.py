"""What follows a head is bounded: trailers, pieces, what is left of a body that was answered early."""

import asyncio
import tracemalloc

import pytest

from tests.attacks.wires import chunked, door, everything, request, statuses

END = b"0\r\n"
HUGE = 1 << 40
TRAILER = b"x: " + b"a" * 60_000 + b"\r\n"


async def flood(open_door, head, piece, most=32 << 20):
    """How many bytes of endless pieces were taken before the connection ended, and what was answered."""
    reader, writer = await asyncio.open_connection("127.0.0.1", open_door.port)
    writer.write(head)
    sent = 0
    listening = asyncio.create_task(everything(reader))
    try:
        async with asyncio.timeout(30):
            while sent < most and not listening.done():
                writer.write(piece)
                await writer.drain()
                sent += len(piece)
                await asyncio.sleep(0)
    except ConnectionError:
        pass
    writer.close()
    return sent, await listening


TRAILERS = "trailers: megabytes taken of endless ones"


@pytest.mark.parametrize("path", ["/early", "/read"])
async def test_endless_trailers_are_cut_off_before_and_after_the_answer(path, attack_report):
    async with door() as open_door:
        tracemalloc.start()
        sent, _ = await flood(open_door, chunked(path, END), TRAILER)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        attack_report(TRAILERS, got=sent / (1 << 20), of=32, unit="MB")
        assert sent < 16 << 20  # what the kernel's buffers and the farewell take; never kept
        assert peak < 8 << 20
        assert statuses(await open_door.say(request(fields=("Connection: close",)))) == [200]


async def test_one_trailer_without_end_is_cut_off():
    async with door() as open_door:
        sent, answered = await flood(open_door, chunked("/read", END + b"x: "), b"a" * 60_000)
        assert sent < 16 << 20
        assert statuses(answered) in ([400], [])


async def test_without_the_bounds_the_same_trailers_are_all_taken(attack_report):
    unbounded = {"trailers": True, "framing": HUGE, "unread": True, "rate": 0.0, "body_seconds": 60.0}
    async with door(**unbounded) as open_door:
        sent, _ = await flood(open_door, chunked("/early", END), TRAILER)
        attack_report(TRAILERS, control=sent / (1 << 20), of=32, unit="MB")
        assert sent >= 32 << 20


async def test_a_trailer_never_counts_as_a_field_of_the_head():
    for bounds in ({}, {"trailers": True}):
        async with door(**bounds) as open_door:
            trailed = chunked("/read", b"1\r\na\r\n", END, b"Authorization: Bearer t\r\n\r\n")
            answered = await open_door.say(trailed)
            assert b"Bearer t" not in answered
            assert statuses(answered) == ([200] if bounds else [400])


async def test_a_body_that_is_not_read_ends_its_connection():
    async with door() as open_door:
        answered = await open_door.say(chunked("/early", b"1\r\na\r\n"))
        assert statuses(answered) == [401]
        assert b"connection: close" in answered.lower()


async def test_without_that_bound_the_connection_stays():
    async with door(unread=True, rate=0.0) as open_door:
        reader, writer = await asyncio.open_connection("127.0.0.1", open_door.port)
        writer.write(chunked("/early", b"1\r\na\r\n"))
        assert (await reader.readuntil(b"\r\n\r\nno")).startswith(b"HTTP/1.1 401")
        for _ in range(3):
            writer.write(b"1\r\na\r\n")
            await writer.drain()
        assert open_door.server.places.taken == 1
        writer.close()


async def test_an_early_answer_is_not_lost_by_what_is_still_sent():
    async with door() as open_door:
        for _ in range(10):
            body = b"x" * 500_000
            early = request("/early", "POST", (f"Content-Length: {len(body)}",))
            answered = await open_door.say(early, body)
            assert statuses(answered) == [401]


@pytest.mark.parametrize(
    ("bounds", "rest"),
    [
        ({"chunks": 100}, b"1\r\na\r\n" * 200),
        ({"framing": 1000}, b"1;" + b"e" * 3000 + b"\r\na\r\n"),
        ({"framing": 1000}, b"1;" + b"e" * 3000),
        ({"framing": 1000}, b"0" * 3000),
    ],
)
async def test_pieces_and_their_extensions_are_bounded(bounds, rest):
    async with door(**bounds) as open_door:
        assert statuses(await open_door.say(chunked("/read", rest))) == [400]
        assert open_door.application.seen == []
    async with door(rate=0.0) as open_door:
        if rest.endswith(b"a\r\n"):  # the control: with the usual bounds the same is read
            assert statuses(await open_door.say(chunked("/read", rest, END, b"\r\n"))) == [200]


async def test_a_body_is_bounded_whoever_reads_it():
    async with door(body=1000) as open_door:
        assert statuses(await open_door.say(chunked("/read", b"7d0\r\n", b"x" * 2000))) == [413]
    async with door() as open_door:
        rest = (b"7d0\r\n", b"x" * 2000, b"\r\n0\r\n\r\n")
        assert statuses(await open_door.say(chunked("/read", *rest))) == [200]


async def test_requests_that_wait_on_one_connection_are_bounded(attack_report):
    async with door(pipelined=4) as open_door:
        answered = await open_door.say(request("/wait"), request() * 50)
        got = answered.count(b"hello")
        assert got == 0
    async with door(pipelined=100) as open_door:
        open_door.application.go.set()
        answered = await open_door.say(request("/wait"), request() * 49, request(fields=("Connection: close",)))
        control = answered.count(b"hello")
        attack = "pipelining: requests behind one that is worked on that are kept and answered"
        attack_report(attack, got=got, control=control, of=50, unit="requests")
        assert control == 50

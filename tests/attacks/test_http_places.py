"""No number of connections that say next to nothing keeps an honest client out, from another address or the same."""

import asyncio
import errno
import logging
import socket
from contextlib import suppress

import pytest

from medspace.adapters.quiet import Quiet
from medspace.app.node.listening import listener
from medspace.app.node.listening.limits import PUBLIC, Bounds
from medspace.app.node.listening.places import ConnectionPlaces
from tests.attacks.wires import chunked, door, request, statuses, until
from tests.unit.adapters.http_servers import Authority

CLOSE = ("Connection: close",)
DRIP = chunked("/read", b"1\r\na\r\n")


async def hold(open_door, count):
    """So many connections with the beginning of a body each."""
    writers = []
    for _ in range(count):
        with suppress(ConnectionError):
            _, writer = await asyncio.open_connection("127.0.0.1", open_door.port)
            writer.write(DRIP)
            writers.append(writer)
    return writers


def release(writers):
    for writer in writers:
        writer.transport.abort()


HONEST = "places: honest requests of five that are kept out by slow connections"


async def test_slow_connections_make_room_for_an_honest_client_of_the_same_address(attack_report):
    async with door(share=20, rate=0.0, body_seconds=60.0) as open_door:
        slow = await hold(open_door, 60)
        answers = [statuses(await open_door.say(request(fields=CLOSE))) for _ in range(5)]
        attack_report(HONEST, got=sum(answer != [200] for answer in answers), of=5, unit="requests")
        assert answers == [[200]] * 5
        assert open_door.server.places.taken <= 20
        release(slow)


async def test_slow_connections_of_all_places_make_room():
    async with door(share=1000, places=20, kept=0, rate=0.0, body_seconds=60.0) as open_door:
        slow = await hold(open_door, 60)
        assert statuses(await open_door.say(request(fields=CLOSE))) == [200]
        release(slow)


async def test_where_nobody_makes_room_a_newcomer_is_told_to_come_back(monkeypatch, attack_report):
    """The control: with no connection ever counted as waiting, slow ones hold every place, as they did."""
    monkeypatch.setattr("medspace.app.node.listening.http1.Bounded.waits", False)
    async with door(share=20, rate=0.0, body_seconds=60.0) as open_door:
        slow = await hold(open_door, 20)
        await until(lambda: open_door.server.places.taken == 20)
        answers = [await open_door.say(request(fields=CLOSE)) for _ in range(5)]
        attack_report(HONEST, control=sum(b"200" not in answer for answer in answers), of=5, unit="requests")
        assert all(statuses(answer) in ([503], []) for answer in answers)
        assert not any(b"200" in answer for answer in answers)
        release(slow)


async def test_requests_that_are_worked_on_are_not_thrown_out():
    async with door(share=5, rate=0.0) as open_door:
        working = [asyncio.create_task(open_door.say(request("/wait", fields=CLOSE))) for _ in range(4)]
        await until(lambda: sum(not one.waits for one in open_door.server.server_state.connections) == 4)
        slow = await hold(open_door, 30)
        open_door.application.go.set()
        assert all(statuses(answered) == [200] for answered in await asyncio.gather(*working))
        release(slow)


async def test_a_thousand_and_fifty_drips_do_not_keep_an_honest_client_out():
    async with door(share=PUBLIC.share, rate=0.0, body_seconds=60.0) as open_door:
        slow = await hold(open_door, 1050)
        assert statuses(await open_door.say(request(fields=CLOSE))) == [200]
        assert open_door.server.places.taken <= PUBLIC.share
        release(slow)


class Sitting:
    """A connection that waits, or not."""

    def __init__(self, since, *, waits=True):
        self.since, self.waits, self.gone = since, waits, False

    def leave(self):
        self.gone = True


def seat(places, address, since, *, waits=True):
    place = places.take(address)
    if place is not None:
        place.guest = Sitting(since, waits=waits)
    return place


def test_places_are_kept_for_addresses_of_members():
    places = ConnectionPlaces(Bounds(places=10, kept=4, share=10), now=lambda: 0.0)
    places.prove("10.0.0.1")
    strangers = [seat(places, f"10.1.0.{number}", number, waits=False) for number in range(8)]
    assert sum(place is not None for place in strangers) == 6
    assert seat(places, "10.0.0.1", 0) is not None
    without = ConnectionPlaces(Bounds(places=10, kept=0, share=10), now=lambda: 0.0)  # the control
    without.prove("10.0.0.1")
    assert all(seat(without, f"10.1.0.{number}", number, waits=False) for number in range(10))
    assert seat(without, "10.0.0.1", 0) is None


def test_a_stranger_makes_room_before_a_member_of_the_same_address():
    places = ConnectionPlaces(Bounds(share=2, known_share=2), now=lambda: 0.0)
    member, stranger = seat(places, "10.0.0.1", 0), seat(places, "10.0.0.1", 5)
    member.proven = True
    assert seat(places, "10.0.0.1", 9) is not None
    assert (member.guest.gone, stranger.guest.gone) == (False, True)


def test_the_address_with_most_connections_makes_room_first():
    places = ConnectionPlaces(Bounds(places=10, kept=0, share=8), now=lambda: 0.0)
    alone = seat(places, "10.0.0.1", 0)
    many = [seat(places, "10.0.0.2", 10 + number) for number in range(8)]
    assert seat(places, "10.0.0.3", 50) is not None
    assert seat(places, "10.0.0.4", 50) is not None
    assert not alone.guest.gone
    assert many[0].guest.gone


def test_what_a_member_proved_is_forgotten_after_a_while():
    now = [0.0]
    places = ConnectionPlaces(Bounds(places=4, kept=4, share=4, memory=60.0), now=lambda: now[0])
    places.prove("10.0.0.1")
    assert seat(places, "10.0.0.1", 0, waits=False) is not None
    now[0] = 61.0
    assert places.take("10.0.0.1") is None


async def test_behind_a_proxy_each_forwarded_address_has_its_share():
    def through(address):
        return request("/wait", fields=("Connection: close", f"X-Forwarded-For: {address}"))

    async with door(proxies=("127.0.0.0/8",), share=2) as open_door:
        many = [asyncio.create_task(open_door.say(through("10.9.9.9"))) for _ in range(6)]
        done, _ = await asyncio.wait(many, return_when=asyncio.FIRST_COMPLETED)
        refused = (await done.pop()).lower()
        assert b"retry-after: 5" in refused
        assert b"http.crowded" in refused
        other = asyncio.create_task(open_door.say(through("10.8.8.8")))
        await until(lambda: sum(one.done() for one in many) == 4)
        open_door.application.go.set()
        assert statuses(await other) == [200]
        answered = b"".join(await asyncio.gather(*many))
        assert sorted(statuses(answered)) == [200, 200, 429, 429, 429, 429]


async def test_a_stranger_s_forwarded_address_is_not_believed():
    async with door(proxies=(), share=2) as open_door:
        for number in range(6):
            fields = (*CLOSE, f"X-Forwarded-For: 10.0.0.{number}")
            assert statuses(await open_door.say(request("/who", fields=fields))) == [200]
        places = open_door.server.places
        places.prove("127.0.0.1")
        assert not any(places._is_known(f"10.0.0.{number}") for number in range(6))


async def test_a_file_limit_costs_one_line_and_passes(monkeypatch, caplog):
    monkeypatch.setattr(listener, "PAUSE", 0.0)
    async with door() as open_door:
        loop, failures = asyncio.get_running_loop(), iter(range(1000))
        accept = loop.sock_accept

        async def exhausted(bound):
            if next(failures, None) is None:
                return await accept(bound)
            await asyncio.sleep(0)
            raise OSError(errno.EMFILE, "Too many open files")

        monkeypatch.setattr(loop, "sock_accept", exhausted, raising=False)
        quiet = Quiet()
        with caplog.at_level(logging.ERROR), caplog.filtering(quiet):
            await open_door.say(request(fields=CLOSE))  # by the accept that was waiting already
            assert statuses(await open_door.say(request(fields=CLOSE))) == [200]
        told = [record for record in caplog.records if record.getMessage() == "listener.exhausted"]
        assert len(told) == 1
        assert told[0].exc_info is None


async def test_an_unfinished_handshake_holds_its_place_for_a_few_seconds_only(tmp_path):
    authority = Authority(tmp_path)
    authority.server_context("here")
    file = str(tmp_path / "server.pem")
    server = listener.Listener(None, certificate=file, certificate_key=file, bounds=Bounds(handshake=0.2))
    with listener.bind("127.0.0.1", 0) as bound:
        serving = asyncio.create_task(server.serve(sockets=[bound]))
        await server.ready.wait()
        client = socket.create_connection(bound.getsockname())
        client.setblocking(False)  # noqa: FBT003 - the socket's own signature
        await until(lambda: server.places.taken)
        await until(lambda: not server.places.taken)
        client.close()
        server.should_exit = True
        await serving


def test_an_address_that_comes_again_and_again_is_slowed_down_alone(attack_report):
    now = [0.0]
    places = ConnectionPlaces(Bounds(burst=5, arrivals=1.0), now=lambda: now[0])

    def comes(address):
        place = places.take(address)
        if place is not None:
            places.free(place)
        return place is not None

    assert [comes("10.0.0.1") for _ in range(7)] == [True] * 5 + [False] * 2
    assert comes("10.0.0.2")
    now[0] = 2.0
    assert [comes("10.0.0.1") for _ in range(3)] == [True, True, False]
    endless = ConnectionPlaces(Bounds(burst=10**9, share=10**9, places=10**9), now=lambda: 0.0)  # the control
    control = sum(endless.take("10.0.0.1") is not None for _ in range(100))
    bounded = ConnectionPlaces(Bounds(burst=5, arrivals=1.0, share=10**9, places=10**9), now=lambda: 0.0)
    got = sum(bounded.take("10.0.0.1") is not None for _ in range(100))
    attack_report(
        "arrivals: connections of one address at once", got=got, control=control, of=100, unit="connections"
    )
    assert (got, control) == (5, 100)


def test_refusals_of_an_address_are_so_many_a_second_on_however_many_connections():
    places = ConnectionPlaces(Bounds(refusals=10.0, longest_rest=2.0), now=lambda: 0.0)
    many = [places.take("10.0.0.1") for _ in range(30)]
    rests = [places.rest(place) for place in many]
    assert rests[:3] == pytest.approx([0.1, 0.2, 0.3])
    assert max(rests) == 2.0
    assert places.rest(places.take("10.0.0.2")) == pytest.approx(0.1)


async def test_who_was_told_to_come_back_later_is_not_read_for_a_while():
    async with door(refusals=0.03, longest_rest=30.0, idle=30.0) as open_door:
        reader, writer = await asyncio.open_connection("127.0.0.1", open_door.port)
        writer.write(request("/later"))
        assert (await reader.readuntil(b"later")).startswith(b"HTTP/1.1 429")
        writer.write(request())
        assert statuses(await open_door.say(request(fields=CLOSE))) == [200]
        assert len(open_door.application.seen) == 1  # of the other connection
        writer.transport.abort()
    async with door(refusals=1e9) as open_door:  # the control
        reader, writer = await asyncio.open_connection("127.0.0.1", open_door.port)
        writer.write(request("/later"))
        await reader.readuntil(b"later")
        writer.write(request())
        assert (await reader.readuntil(b"hello")).startswith(b"HTTP/1.1 200")
        writer.close()

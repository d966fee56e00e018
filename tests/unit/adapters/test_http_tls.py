import socket
import ssl

import pytest

from medspace.adapters.http.client import ClientLimits, HttpClient, Outgoing
from medspace.adapters.http.dialling import tls_context
from medspace.adapters.http.guard import Guard
from medspace.connector.errors import NotSentError, UnreachableError
from tests.unit.adapters.http_servers import Authority, answer, serving


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


def client_of(authority, patience=10):
    return HttpClient(Guard(loopback=True), tls=tls_context(authority.file), limits=ClientLimits(connect=patience))


async def test_a_server_of_the_configured_authority_is_called(authority):
    client = client_of(authority)
    async with serving(answer(), tls=authority.server_context("localhost", "127.0.0.1")) as server:
        for host in ("localhost", "127.0.0.1", "localhost"):
            assert (await client.request("POST", server.url(host=host), body=b"{}")).status == 200
        assert server.connections == 2
        await client.close()


async def test_a_server_of_another_name_is_not_called(authority):
    async with serving(answer(), tls=authority.server_context("hospital.example")) as server:
        with pytest.raises(NotSentError, match="CERTIFICATE_VERIFY_FAILED"):
            await client_of(authority).request("GET", server.url(host="localhost"))
        assert server.requests == []


async def test_a_server_of_an_unknown_authority_is_not_called(authority, tmp_path):
    stranger = Authority(tmp_path / "stranger")
    async with serving(answer(), tls=stranger.server_context("localhost")) as server:
        for client in (client_of(authority), HttpClient(Guard(loopback=True), limits=ClientLimits(connect=10))):
            with pytest.raises(NotSentError, match="CERTIFICATE_VERIFY_FAILED"):
                await client.request("GET", server.url(host="localhost"))


async def test_a_server_whose_certificate_expired_is_not_called(authority):
    async with serving(answer(), tls=authority.server_context("localhost", expired=True)) as server:
        with pytest.raises(NotSentError, match="CERTIFICATE_VERIFY_FAILED"):
            await client_of(authority).request("GET", server.url(host="localhost"))


async def test_a_server_that_speaks_no_tls_is_not_called(authority):
    async with serving(answer()) as server:
        server.scheme = "https"
        with pytest.raises(NotSentError):
            await client_of(authority, patience=0.5).request("GET", server.url())


def test_the_client_verifies_and_wants_modern_tls(authority):
    context = tls_context(authority.file)
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_a_file_without_authorities_is_an_error(tmp_path):
    (tmp_path / "empty.pem").write_text("")
    with pytest.raises(ssl.SSLError):
        tls_context(tmp_path / "empty.pem")


async def ends(_, writer):
    writer.write(b"HTTP/1.0 200 OK\r\n\r\n{}")
    await writer.drain()
    writer.close()


async def breaks_off(reader, writer):
    """What somebody on the way does who cannot read the connection, but end it."""
    writer.write(b"HTTP/1.0 200 OK\r\n\r\n{}")
    await writer.drain()
    writer.get_extra_info("socket").shutdown(socket.SHUT_WR)
    await reader.read()


async def test_a_body_that_ends_with_its_connection_is_whole_only_if_the_server_said_so(authority):
    client = client_of(authority)
    async with serving(ends, breaks_off, tls=authority.server_context("localhost")) as server:
        assert (await client.request("GET", server.url(host="localhost"))).body == b"{}"
        with pytest.raises(UnreachableError):
            await client.request("GET", server.url(host="localhost"))


async def test_a_body_of_known_length_needs_no_such_word(authority):
    async def whole(reader, writer):
        writer.write(answer(Connection="close"))
        await writer.drain()
        writer.get_extra_info("socket").shutdown(socket.SHUT_WR)
        await reader.read()

    client = client_of(authority)
    async with serving(whole, tls=authority.server_context("localhost")) as server:
        assert (await client.request("GET", server.url(host="localhost"))).body == b"{}"


async def test_large_bodies_go_both_ways_under_tls(authority):
    size = 3 << 20

    async def pieces():
        for _ in range(size >> 16):
            yield bytes(1 << 16)

    async def large(_, writer):
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode())
        writer.write(bytes(size))
        await writer.drain()

    client = client_of(authority)
    async with serving(large, tls=authority.server_context("localhost")) as server:
        for _ in range(2):
            body = Outgoing(size, pieces())
            async with client.stream("PUT", server.url(host="localhost"), limit=size, body=body) as got:
                assert sum([len(piece) async for piece in got.pieces]) == size
        assert [len(request.body) for request in server.requests] == [size, size]
        assert server.connections == 1
    await client.close()

"""A listener that stops while a request waits: whoever waits is told so, in either door's form."""

import asyncio

import httpx
import pytest

from medspace.app.node.listening import listener as listening
from medspace.app.node.listening.listener import Listener, bind


@pytest.mark.parametrize(("language", "said"), [("en", "is being stopped"), ("zh", "正在停止")])
async def test_who_waits_hears_that_the_connector_stops(monkeypatch, language, said, capfd):
    monkeypatch.setattr(listening, "GRACE", 0.01)
    begun = asyncio.Event()

    async def waits(scope, receive, send):
        begun.set()
        await asyncio.Event().wait()

    server = Listener(waits)
    socket = bind("127.0.0.1", 0)
    port = socket.getsockname()[1]
    serving = asyncio.create_task(server.serve(sockets=[socket]))
    await server.ready.wait()
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        asked = asyncio.create_task(client.get(f"http://127.0.0.1:{port}/", headers={"Accept-Language": language}))
        await begun.wait()
        server.should_exit = True
        answer = await asked
    await serving
    socket.close()
    body = answer.json()
    assert (answer.status_code, body["code"], body["exit_code"]) == (503, "connector.stopping", 4)
    assert said in body["sentence"]
    assert body["reason"] == [body["sentence"], body["next_step"]]
    assert answer.headers["retry-after"]
    assert "Traceback" not in "".join(capfd.readouterr())


async def test_an_answer_that_had_begun_is_broken_off(monkeypatch):
    monkeypatch.setattr(listening, "GRACE", 0.01)
    begun = asyncio.Event()

    async def waits(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"a", "more_body": True})
        begun.set()
        await asyncio.Event().wait()

    server = Listener(waits)
    socket = bind("127.0.0.1", 0)
    port = socket.getsockname()[1]
    serving = asyncio.create_task(server.serve(sockets=[socket]))
    await server.ready.wait()
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        asked = asyncio.create_task(client.get(f"http://127.0.0.1:{port}/"))
        await begun.wait()
        server.should_exit = True
        with pytest.raises(httpx.TransportError):
            await asked
    await serving
    socket.close()

"""Counts requests and their time, for Prometheus; around a whole application."""

import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from medspace.adapters.metrics import Metrics


class Counting:
    """An ASGI application that counts what another one answers."""

    def __init__(self, app: ASGIApp, metrics: Metrics, listener: str) -> None:
        self._app = app
        self._metrics = metrics
        self._listener = listener

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._metrics.requests.labels(self._listener, str(message["status"])).inc()
            await send(message)

        await self._app(scope, receive, counted)
        self._metrics.seconds.labels(self._listener).observe(time.perf_counter() - began)

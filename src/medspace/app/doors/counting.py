"""Request counts and durations for Prometheus, around a whole application."""

import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from medspace.adapters.metrics import Metrics

EVENTS = b"text/event-stream"


class RequestCounter:
    """An ASGI application that counts the requests to another one."""

    def __init__(self, app: ASGIApp, metrics: Metrics, listener: str) -> None:
        self._app = app
        self._metrics = metrics
        self._listener = listener

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, lasting = time.perf_counter(), False

        async def counted(message: Message) -> None:
            nonlocal lasting
            if message["type"] == "http.response.start":
                lasting = (b"content-type", EVENTS) in message["headers"]
                self._metrics.requests.labels(self._listener, str(message["status"])).inc()
            await send(message)

        await self._app(scope, receive, counted)
        if not lasting:  # which lasts as long as somebody watches
            self._metrics.seconds.labels(self._listener).observe(time.perf_counter() - began)

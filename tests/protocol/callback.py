"""The runner's own server: what the system under test can reach is exactly what a case expects at that moment."""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

Reply = tuple[int, Any]
Handler = Callable[[Any], Reply]


@dataclass
class Expectation:
    """One message that is waited for: answered once, then its path is unknown again."""

    path: str
    handler: Handler
    arrived: threading.Event = field(default_factory=threading.Event)
    message: Any = None
    fault: str | None = None

    def fire(self, body: bytes) -> Reply:
        try:
            self.message = json.loads(body)
            return self.handler(self.message)
        except (ValueError, KeyError, TypeError) as error:
            self.fault = f"{self.path}: {error!r} in {body[:500]!r}"
            return 500, None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


class CallbackServer:
    """Answers 404 on every path for which nothing is expected; a trailing slash is ignored."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        self._expected: dict[str, Expectation] = {}
        self._lock = threading.Lock()
        self._server = _Server((host, port), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self.address = f"http://{host}:{self._server.server_address[1]}"

    def expect(self, path: str, handler: Handler) -> Expectation:
        """Let `path` be answered once by `handler`."""
        expectation = Expectation(path, handler)
        with self._lock:
            self._expected[path] = expectation
        return expectation

    def take(self, path: str) -> Expectation | None:
        """The expectation at a path, which is then unknown again."""
        with self._lock:
            return self._expected.pop(path.rstrip("/"), None)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _handler(callbacks: CallbackServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            expectation = callbacks.take(self.path)
            self.answer(*(expectation.fire(body) if expectation else (404, None)))
            if expectation:
                expectation.arrived.set()  # only now: the case goes on once the system has its answer

        def answer(self, status: int, reply: Any) -> None:
            content = b"" if reply is None else json.dumps(reply).encode()
            self.send_response(status)
            if reply is not None:
                self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def do_GET(self) -> None:
            self.send_error(404)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
            """Stay quiet."""

    return Handler

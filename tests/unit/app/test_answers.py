"""Something else listens at the management address, or what answers is broken: a sentence, whatever it says."""

from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from medspace.app.compose.sdk import Space
from medspace.app.doors.sdk import ConnectorFailedError, SpaceError


@pytest.fixture
def answering():
    """A server that answers everything with the status and the bytes it is given."""

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(server.status)
            self.send_header("Content-Length", str(len(server.content)))
            for name, value in server.fields.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(server.content)

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Answering)
    server.fields = {}
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("status", "content", "fields"),
    [
        (200, b"<html>", {}),
        (200, b"[1]", {}),
        (200, b"3", {}),
        (200, b"[" * 100_000, {}),
        (200, b"\xff\xfe\x00", {}),
        (500, b"Internal Server Error", {}),
        (500, b'{"detail": "x"}', {}),
        (302, b"", {"Location": "http://127.0.0.1:1/"}),
        (404, b"{}", {}),
    ],
)
def test_what_is_no_answer_of_a_connector_is_said(answering, status, content, fields):
    answering.status, answering.content, answering.fields = status, content, fields
    with Space(f"http://127.0.0.1:{answering.server_port}", "token") as space, pytest.raises(ConnectorFailedError):
        space.status()


@pytest.mark.parametrize("code", [b"3", b'"x"', b"null", b"1e9", b"-1", b"true", b"[]"])
def test_a_problem_with_any_exit_code_is_told(answering, code):
    answering.status = 400
    answering.content = b'{"code": "a.b", "sentence": "s", "next_step": "n", "exit_code": ' + code + b"}"
    with Space(f"http://127.0.0.1:{answering.server_port}", "token") as space, pytest.raises(SpaceError) as raised:
        space.status()
    assert raised.value.exit_code in (1, 3)

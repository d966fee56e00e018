"""A form with a large file: its fields first, then the file as it comes; what is no such form is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from medspace.app.doors.bodies import LARGEST_BODY
from medspace.app.doors.portal.incoming import LARGEST_FIELD, MOST_FIELDS, IncomingForm
from medspace.app.node.listening.http1 import STREAMED
from medspace.connector.errors import MessageError

BOUNDARY = "----x7f"
KIND = f"multipart/form-data; boundary={BOUNDARY}"


def part(name, value, file=None):
    told = f'; filename="{file}"' if file is not None else ""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{told}\r\n\r\n'
    return head.encode() + value + b"\r\n"


def form(*parts):
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


def incoming(pieces, kind=KIND, *, whole=True, length=None, flows=None):
    messages = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    ends = {"type": "http.request", "body": b"", "more_body": False}
    messages.append(ends if whole else {"type": "http.disconnect"})
    headers = [(b"content-type", kind.encode())]
    headers += [(b"content-length", str(length).encode())] if length is not None else []
    scope = {"type": "http", "method": "POST", "path": "/", "headers": headers, "query_string": b""}
    if flows is not None:
        scope[STREAMED] = flows.append

    async def receive():
        return messages.pop(0)

    return IncomingForm(Request(scope, receive))


async def read(taken):
    fields = await taken.fields()
    file = taken.file
    return dict(fields), None if file is None else (file.name, b"".join([piece async for piece in file.pieces]))


@given(content=st.binary(max_size=400), step=st.integers(1, 97))
async def test_fields_come_first_and_the_file_as_it_was_sent(content, step):
    body = form(part("token", b"abc"), part("table", content, "a.csv"), part("late", b"x"))
    pieces = [body[at : at + step] for at in range(0, len(body), step)]
    if BOUNDARY.encode() in content:
        return
    fields, file = await read(incoming(pieces))
    assert fields == {"token": "abc"}
    assert file == ("a.csv", content)


async def test_nothing_of_the_file_is_taken_before_its_fields_are_known():
    body = form(part("table", b"rows", "a.csv"), part("token", b"abc"))
    fields, _ = await read(incoming([body]))
    assert fields == {}


async def test_a_form_without_a_file_has_fields_only():
    assert await read(incoming([form(part("token", b"abc"), part("table", b"", ""))])) == ({"token": "abc"}, None)
    assert await read(incoming([form(part("token", b"abc"))])) == ({"token": "abc"}, None)


@pytest.mark.parametrize(
    ("pieces", "kind"),
    [
        ([b""], "text/plain"),
        ([b""], "multipart/form-data"),
        ([b""], f"multipart/form-data; boundary={'x' * 71}"),
        ([b"no form at all"], KIND),
        ([form(part("token", b"x" * (LARGEST_FIELD + 1)))], KIND),
        ([form(*(part(f"f{at}", b"x") for at in range(MOST_FIELDS + 1))), b"more"], KIND),
        ([f"--{BOUNDARY}\r\n".encode() + b"A: b\r\n" * 9 + b"\r\n"], KIND),
        ([f"--{BOUNDARY}\r\nA: ".encode() + b"b" * (LARGEST_FIELD + 9) + b"\r\n\r\n"], KIND),
    ],
)
async def test_what_is_no_such_form_is_refused(pieces, kind):
    with pytest.raises(MessageError):
        await read(incoming(pieces, kind))


@pytest.mark.parametrize("cut", [3, 30, 60, 150, 170])
async def test_a_client_that_goes_away_is_not_taken_for_the_end_of_its_file(cut):
    body = form(part("token", b"abc"), part("table", b"x" * 100, "a.csv"))
    with pytest.raises(MessageError):
        await read(incoming([body[:cut]], whole=False))


async def test_a_file_that_ends_before_its_end_is_refused():
    body = form(part("token", b"abc"), part("table", b"x" * 100, "a.csv"))
    with pytest.raises(MessageError):
        await read(incoming([body[:200]]))


async def test_what_is_large_has_a_pace_and_what_is_left_is_drained():
    flows = []
    body = form(part("token", b"abc"), part("table", b"x" * 100, "a.csv"))
    taken = incoming([body, b"rest"], length=LARGEST_BODY + 1, flows=flows)
    await taken.fields()
    await taken.drain()
    assert flows == [LARGEST_BODY + 1]
    await incoming([], whole=False).drain()
    incoming([body], length=LARGEST_BODY, flows=flows)
    assert len(flows) == 1

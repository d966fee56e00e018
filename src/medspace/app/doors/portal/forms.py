"""Forms as they come in: of the two kinds that browsers send, in UTF-8, with few fields."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request

from medspace.core.errors import InvalidInputError
from medspace.core.text import msgid

UTF_8 = (b"utf-8", b"utf8")


class FormUnreadableError(InvalidInputError):
    """What was sent is not a form, or has too many fields."""

    code = "portal.form"
    sentence = msgid("The form cannot be read.")
    next_step = msgid("Open the page again and send the form from there.")


@asynccontextmanager
async def read_form(request: Request, fields: int, files: int = 0) -> AsyncIterator[FormData]:
    """The form of a request, whose length was checked before; its files are gone afterwards.

    Raises:
        FormUnreadableError: it is not one, or has more fields or files than it may.
    """
    _check_charset(request)
    try:
        form = await request.form(max_files=files, max_fields=fields)
    except HTTPException:
        raise FormUnreadableError from None
    try:
        yield form
    finally:
        await form.close()


def _check_charset(request: Request) -> None:
    """Refuse all but UTF-8: each field would be read with whatever codec of Python's the sender names.

    Some of them take minutes for what fits into a form (punycode: quadratic time).
    """
    _, options = parse_options_header(request.headers.get("content-type"))
    if options.get(b"charset", UTF_8[0]).lower() not in UTF_8:
        raise FormUnreadableError

"""Answers at the management address, from a connector or from something else in its place."""

from collections.abc import Mapping

import httpx

from medspace.core.canonical import Json, JsonObject

WRONG = 1  # the exit code if the answer names none


def object_of(response: httpx.Response) -> JsonObject:
    """The JSON object of an answer.

    Raises:
        ValueError: it is not one: another program listens there, or the connector failed.
    """
    try:
        body = response.json()
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(body, dict) or (response.is_error and not isinstance(body.get("code"), str)):
        raise ValueError("not the answer of a connector")
    return body


def exit_code_of(problem: Mapping[str, Json]) -> int:
    """The exit code that a problem names, if it is one that a process may have."""
    code = problem.get("exit_code")
    return code if isinstance(code, int) and 0 < code < 256 else WRONG  # noqa: PLR2004 - POSIX

"""What pydantic finds wrong in a request is told in the language of the reader."""

from typing import Annotated, Literal

import pytest
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from medspace.app.doors.flaws import told
from medspace.app.node.language import speaker


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: Annotated[str, Field(max_length=3)]
    count: Annotated[int, Field(ge=1)] = 1
    much: Annotated[float, Field(allow_inf_nan=False)] = 0.0
    yes: bool = True
    some: list[str] = []
    more: dict[str, str] = {}
    state: Literal["on", "off"] = "on"
    pair: tuple[int, int] = (1, 2)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "name is missing"),
        ({"name": "a", "nam": 1}, "nam is not a known setting"),
        ({"name": 1}, "name must be text in quotation marks"),
        ({"name": "abcd"}, "name is too long, too short, or beyond its bounds"),
        ({"name": "a", "count": 0}, "count is too long, too short, or beyond its bounds"),
        ({"name": "a", "count": "x"}, "count must be a whole number"),
        ({"name": "a", "much": "x"}, "much must be a number"),
        ({"name": "a", "much": float("inf")}, "much must be a number"),
        ({"name": "a", "yes": []}, "yes must be true or false"),
        ({"name": "a", "some": 1}, "some must be a list in square brackets"),
        ({"name": "a", "more": 1}, "more must be a group of named settings"),
        ({"name": "a", "state": "of"}, "state must be one of these: 'on' or 'off'"),
        ({"name": "a", "pair": 1}, "pair does not have the form that is needed here"),
        ({"some": 1}, "name is missing; some must be a list in square brackets"),
    ],
)
def test_each_flaw_is_a_sentence_in_both_languages(body, said):
    with pytest.raises(ValidationError) as raised:
        Body.model_validate(body)
    found = RequestValidationError([{**one, "loc": ("body", *one["loc"])} for one in raised.value.errors()]).errors()
    assert str(told(found)) == said
    assert told(found).render(speaker("zh_Hans")) != said


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ("an object names a member twice", "an object in it names a member twice"),
        ("JSON is malformed", "this is not JSON"),
    ],
)
def test_what_is_no_json_is_said(error, said):
    assert str(told([{"type": "json_invalid", "loc": ("body", 0), "ctx": {"error": error}}])) == said
    assert str(told([])) == "this is not JSON"

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medspace.adapters.http.links import link_target


@pytest.mark.parametrize(
    ("header", "target"),
    [
        ('<https://a.example/2>; rel="next"', "https://a.example/2"),
        ("<https://a.example/2>; rel=next", "https://a.example/2"),
        ("<https://a.example/2>;rel=NEXT", "https://a.example/2"),
        ('<https://a.example/2>; rel="prev next"', "https://a.example/2"),
        ('<https://a.example/1>; rel="prev", <https://a.example/2>; rel="next"', "https://a.example/2"),
        ('<https://a.example/2>; title="a, <b>; \\"c\\""; rel="next"', "https://a.example/2"),
        ('<https://a.example/a,b;c>; REL = "next"', "https://a.example/a,b;c"),
        (', ,<https://a.example/2>; ; rel="next",', "https://a.example/2"),
        ("<https://a.example/2>; crossorigin; rel=next", "https://a.example/2"),
    ],
)
def test_a_relation_is_a_word_of_its_list(header, target):
    assert link_target(header, "next") == target


@pytest.mark.parametrize(
    "header",
    [
        "",
        "<https://a.example/2>",
        "<https://a.example/2>; rel=nextish",
        '<https://a.example/2>; rel="next-page"',
        '<https://a.example/2>; rel="https://a.example/next"',
        '<https://a.example/2>; title="rel=next"',
        '<https://a.example/2>; title="; rel=next"',
        '<https://a.example/2>; xrel="next"',
        '<https://a.example/2>; rel="prev"; rel="next"',
        '<https://a.example/2>; rel="next"; anchor="https://b.example/"',
        "https://a.example/2; rel=next",
        f"<https://a.example/{'2' * 2048}>; rel=next",
        "<https://a.example/1>; rel=prev nonsense, <https://a.example/2>; rel=next",
    ],
)
def test_what_is_no_such_link_is_none(header):
    assert link_target(header, "next") is None


@given(st.text(alphabet='<>;,="\\ nextrl', max_size=200))
def test_any_text_is_read_to_its_end(header):
    assert link_target(header, "next") is None or "<" in header

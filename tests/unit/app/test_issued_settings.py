"""Which credentials a configuration may have issued."""

import pytest

from medspace.app.node.credentials import CredentialSettings, IssuedType, flaws


def said(*issued, dcp=True):
    return [str(one) for one in flaws(CredentialSettings(dcp=dcp, issued=issued))]


def test_what_is_issued_is_decided_by_a_person_unless_it_says_otherwise():
    one = IssuedType(type="ResearcherAccreditation", claims={"level": 2}, stated=("field",), strangers=True)
    assert (one.decided, said(one)) == ("by_a_person", [])


@pytest.mark.parametrize(
    "issued",
    [
        [{"type": "not a name"}],
        [{"type": "MembershipCredential"}],
        [{"type": "A", "days": 0}],
        [{"type": "A", "days": 4000}],
        [{"type": "A", "claims": {"x": 1}, "stated": ("x",)}],
        [{"type": "A", "claims": {"id": "did:web:other.example"}}],
        [{"type": "A", "stated": ("id",)}],
        [{"type": "A", "stated": ("x",), "decided": "at_once"}],
        [{"type": "A", "strangers": True, "decided": "at_once"}],
        [{"type": "A"}, {"type": "A"}],
    ],
)
def test_what_cannot_be_issued_is_refused_at_the_start(issued):
    assert said(*(IssuedType(**one) for one in issued))


def test_nobody_asks_where_the_protocol_is_off():
    assert said(IssuedType(type="A"), dcp=False)

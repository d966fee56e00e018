"""Demands for credentials: read in one way, met by one credential, refused with the name of what is missing."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medspace.core.credentials import Proved
from medspace.policy import odrl, rules, templates
from medspace.policy.credentials import CredentialDemand, demand
from medspace.policy.model import UseRequest
from medspace.policy.points import Point

NOW = datetime(2027, 1, 1, tzinfo=UTC)
BOARD, OTHER = "did:web:ethics.example", "did:web:other.example"
WANTED = f"EthicsApproval@{BOARD}?phase=2&study=heart"


def proof(type_="EthicsApproval", issuer=BOARD, *, ends=timedelta(days=1), **claims):
    said = {"study": "heart", "phase": "2"} | claims
    listed = tuple((name, (value,)) for name, value in sorted(said.items()))
    return Proved(type_, issuer, listed, NOW - timedelta(days=1), NOW + ends)


def decided(*proved, time=NOW, point=Point.TRANSFER, terms=None):
    policy = odrl.parse(templates.build("train-only", credentials=terms or [WANTED]))
    request = UseRequest(action="medspace:train", time=time, credentials=proved)
    return rules.decide(policy, request, point)


def test_a_credential_of_that_type_issuer_and_claims_meets_it():
    assert decided(proof()).permitted


@pytest.mark.parametrize(
    "held",
    [
        proof("EthicsApprova1"),
        proof("ethicsapproval"),
        proof("EthicsApproval\u200b"),
        proof(issuer=OTHER),
        proof(issuer=BOARD.upper()),
        proof(study="lungs"),
        proof(ends=timedelta()),
        proof(ends=timedelta(days=-1)),
    ],
)
def test_one_that_only_looks_alike_does_not(held):
    decision = decided(held)
    assert decision.code == "policy.credential"
    (premise,) = [one for one in decision.premises if one.satisfied is False]
    assert BOARD in str(premise.remedy)
    assert "study heart" in str(premise.remedy)


def test_several_credentials_do_not_add_up_to_one():
    assert not decided(proof(study="lungs"), proof(issuer=OTHER), proof("Other")).permitted


def test_each_of_several_demands_is_met_by_its_own_credential():
    both = [WANTED, "ResearcherAccreditation"]
    assert not decided(proof(), terms=both).permitted
    assert decided(proof(), proof("ResearcherAccreditation", OTHER), terms=both).permitted


def test_what_is_not_known_of_the_user_is_never_a_yes_once_it_counts():
    policy = odrl.parse(templates.build("train-only", credentials=[WANTED]))
    assert not rules.decide(policy, UseRequest(action="medspace:train", time=NOW), Point.TRANSFER).permitted
    assert not decided(proof(), time=None).permitted
    assert not decided(proof(), time=NOW.replace(tzinfo=None)).permitted


def test_a_route_that_nobody_keeps_is_refused():
    for route in ("permit", "consent"):
        policy = odrl.parse(templates.build("train-only", route=route))
        request = UseRequest(action="medspace:train", time=NOW, routes=())
        assert rules.decide(policy, request, Point.TRANSFER).code == "policy.route"
    with pytest.raises(templates.InvalidTermsError):
        templates.build("train-only", route="neither")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "?",
        "A B",
        "Ä",
        "A@x",
        "A@did:web:x?",
        "A?b",
        "A?b=",
        "A?b=1&b=2",
        "A?b=ü",
        "A" * 65,
        "A?b=1&",
        "A?b=%ff",
        "A\n",
    ],
)
def test_what_is_no_demand_is_refused_when_it_is_offered(text):
    with pytest.raises(templates.InvalidTermsError):
        templates.build("train-only", credentials=[text])


NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,20}", fullmatch=True)


@given(NAMES, st.sampled_from(["", BOARD]), st.dictionaries(NAMES, st.text(min_size=1, max_size=8), max_size=4))
def test_what_is_written_is_read_as_it_was(type_, issuer, claims):
    made = CredentialDemand(type_, issuer, tuple(sorted(claims.items())))
    try:
        written = str(made)
    except UnicodeEncodeError:  # a lone surrogate is no text
        return
    assert demand(written) == made

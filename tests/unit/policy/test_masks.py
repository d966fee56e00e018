"""What masks promise under terms, in numbers that are those of the masks, and in words."""

import pytest

from medspace.policy import odrl, templates
from medspace.policy.masks import COLLUDERS, LEAST_GROUPS, LEAST_SITES, masks, protection
from medspace.policy.words import describe
from medspace.privacy.masking import thresholds
from medspace.runs.masked import grouping
from tests.unit.policy.given import compare, policy, rule

MASKED = compare("medspace:protection", "eq", "masked-sums")


def told(**terms):
    return [str(line) for line in describe(odrl.parse(templates.build("train-only", **terms)))]


@pytest.mark.parametrize(
    ("colluders", "least", "sites", "words"),
    [
        (None, None, 4, "at most 1 of the others tells what it sees"),
        (1, 3, 4, "at most 1 of the others tells what it sees"),
        (0, 3, 3, "every other one taking part is honest"),
        (0, 5, 5, "every other one taking part is honest"),
        (2, 4, 6, "at most 2 of the others tell what they see"),
        (2, 1, 5, "at most 2 of the others tell what they see"),
    ],
)
def test_the_contract_says_who_must_be_honest_and_how_many_hospitals_that_takes(colluders, least, sites, words):
    lines = told(colluders=colluders, min_sites=least)
    (line,) = [line for line in lines if line.startswith("That hides each data holder")]
    assert line == (
        f"That hides each data holder as long as {words}, whatever user and coordinator do. It takes at least "
        f"{sites} data holders."
    )
    assert not [line for line in lines if "under masks" in line]  # it is said, once
    given = COLLUDERS if colluders is None else colluders
    most = max(least or 0, thresholds.LEAST_SITES)
    assert thresholds.Thresholds.for_seats(sites, given, most).problem is None
    assert thresholds.Thresholds.for_seats(sites - 1, given, most).problem is not None


def test_a_contract_that_allows_groups_says_so_and_that_each_of_them_takes_as_many():
    lines = told(protection="masked-sums-of-groups", colluders=0)
    assert any("the data holders are in groups" in line and "each hides among fewer" in line for line in lines)
    (line,) = [line for line in lines if line.startswith("That hides each data holder")]
    assert line.endswith("It takes at least 9 data holders.")
    either = policy(rule(compare("medspace:protection", "isAnyOf", ["masked-sums", "masked-sums-of-groups"])))
    assert masks(either.permissions[0]).sites == LEAST_SITES + COLLUDERS
    assert LEAST_GROUPS == grouping.FEWEST_GROUPS


def test_the_fewest_sites_are_those_of_the_masks():
    assert LEAST_SITES == thresholds.LEAST_SITES
    assert thresholds.Thresholds.for_seats(9).colluders == COLLUDERS


def test_without_masks_there_is_nothing_to_promise_and_colluders_are_said_by_themselves():
    lines = told(protection="coordinator-sees-sums", colluders=2)
    assert "You agree that the coordinator sees the sums of each data holder." in lines
    assert "Only under masks that hide each data holder even if 2 of the others tell what they see." in lines
    assert not [line for line in lines if line.startswith("That hides")]


def test_an_alternative_is_said_as_it_stands():
    terms = policy(rule({"or": [MASKED, compare("medspace:colluders", "gteq", "2")]}))
    assert masks(terms.permissions[0]) is None
    assert "even if 2 of the others tell what they see" in str(describe(terms)[1])


def test_the_protection_is_the_one_that_the_terms_name():
    assert protection(policy(rule(MASKED))) == "masked-sums"
    assert protection(policy(rule(compare("medspace:protection", "eq", "coordinator-sees-sums")))) == (
        "coordinator-sees-sums"
    )
    assert protection(policy()) == "masked-sums"

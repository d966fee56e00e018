from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from medspace.core.decision import Verdict
from medspace.policy import labels
from medspace.policy.errors import InvalidLabelError
from medspace.policy.model import Label, Sensitivity
from medspace.policy.points import Point
from tests.unit.policy.given import NOW, request

LABEL = Label(
    purposes=("dpv:ScientificResearch",),
    regions=("EU",),
    kinds=("medspace:train",),
    valid_from=NOW,
    valid_until=NOW + timedelta(days=1),
)


def code(label, point=Point.COMPUTE, **facts):
    return labels.decide(label, request(**facts), point).code


def test_what_the_label_allows_is_permitted_with_its_premises():
    decision = labels.decide(LABEL, request())
    assert decision.permitted
    assert decision.code == "label.permitted"
    assert [premise.clause for premise in decision.premises] == [
        "label.purposes",
        "label.regions",
        "label.valid_from",
        "label.valid_until",
    ]


def test_an_asset_without_a_label_is_closed():
    decision = labels.decide(None, request())
    assert (decision.verdict, decision.code) == (Verdict.DENY, "label.absent")
    assert decision.failures[0].remedy


@pytest.mark.parametrize("name", ["kinds", "purposes", "regions"])
def test_an_empty_list_allows_nothing(name):
    assert code(replace(LABEL, **{name: ()})) == f"label.{name}"
    assert code(Label()) == "label.kinds"


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"purpose": "dpv:Marketing"}, "label.purposes"),
        ({"purpose": None}, "label.purposes"),
        ({"region": "CN"}, "label.regions"),
        ({"region": None}, "label.regions"),
        ({"time": NOW - timedelta(microseconds=1)}, "label.valid_from"),
        ({"time": NOW + timedelta(days=1, seconds=1)}, "label.valid_until"),
        ({"time": None}, "label.valid_from"),
        ({"action": "medspace:statistics"}, "label.kinds"),
        ({"action": "medspace:unheard-of"}, "label.kinds"),
        ({"action": "medspace:download"}, "label.sensitivity"),
        ({"action": "use"}, "label.sensitivity"),
    ],
)
def test_a_denial_names_the_part_of_the_label(facts, expected):
    assert expected in labels.CODES
    assert code(LABEL, **facts) == expected


def test_data_that_are_not_public_are_not_downloaded_whatever_the_kinds_say():
    label = replace(LABEL, kinds=("use",))
    assert code(label, action="medspace:download") == "label.sensitivity"
    assert code(replace(label, sensitivity=Sensitivity.RESTRICTED), action="medspace:download") == "label.permitted"


def test_before_the_use_begins_a_purpose_may_be_missing():
    assert code(LABEL, Point.TRANSFER, purpose=None) == "label.permitted"
    assert code(LABEL, Point.TRANSFER, purpose="dpv:Marketing") == "label.purposes"
    assert code(LABEL, Point.NEGOTIATION, action=None, purpose=None) == "label.permitted"


def test_a_label_that_cannot_be_checked_is_closed():
    decision = labels.decide(replace(LABEL, purposes=("healing",)), request())
    assert (decision.verdict, decision.code) == (Verdict.UNENFORCEABLE, "label.purposes")
    assert code(replace(LABEL, kinds=("medspace:anything",))) == "label.kinds"


def test_a_label_is_written_and_read():
    assert labels.parse(labels.write(LABEL)) == LABEL
    assert labels.write(LABEL) == {
        "kinds": ["medspace:train"],
        "purposes": ["dpv:ScientificResearch"],
        "regions": ["EU"],
        "sensitivity": "non-public",
        "valid_from": "2026-11-23T12:00:00.000Z",
        "valid_until": "2026-11-24T12:00:00.000Z",
    }
    open_ended = replace(LABEL, valid_from=None, valid_until=None, sensitivity=Sensitivity.PUBLIC)
    assert labels.parse(labels.write(open_ended)) == open_ended
    assert labels.parse(None) is None


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ({"purpose": ["dpv:ScientificResearch"]}, "purpose"),
        ({"purposes": "dpv:ScientificResearch"}, "label"),
        ({"purposes": ["healing"]}, "purposes"),
        ({"regions": ["Europe"]}, "regions"),
        ({"kinds": ["train"]}, "kinds"),
        ({"valid_until": "2026-11-24T12:00:00"}, "label"),
        ({"valid_until": "tomorrow"}, "label"),
        ({"sensitivity": "secret"}, "label"),
        ([], "label"),
        ("label", "label"),
    ],
)
def test_a_label_with_a_mistake_is_refused(document, place):
    with pytest.raises(InvalidLabelError) as raised:
        labels.parse(document)
    assert raised.value.facts["clause"] == place


def test_labels_are_decided_at_any_instant_of_their_validity():
    label = replace(LABEL, valid_from=None, valid_until=datetime(2030, 1, 1, tzinfo=UTC))
    assert code(label) == "label.permitted"


def test_a_label_is_what_its_document_says_now_however_often_it_is_read():
    document = labels.write(LABEL)
    assert labels.parse(document) is labels.parse(dict(document))
    document["regions"].append("CH")
    assert labels.parse(document).regions == ("EU", "CH")
    long = document | {"kinds": ["medspace:train"] * 1_000}
    assert len(labels.parse(long).kinds) == len(labels.parse(long).kinds) == 1_000


@pytest.mark.parametrize("document", [object(), {"regions": {1: object()}}, ["EU"]])
def test_what_is_no_document_is_no_label(document):
    with pytest.raises(InvalidLabelError):
        labels.parse(document)


@pytest.mark.parametrize(("said", "persons"), [(None, 0), (False, 0), (True, 1), (2, 2)])
def test_a_label_says_how_many_persons_look_at_each_result(said, persons):
    label = labels.parse({} if said is None else {"review": said})
    assert label.reviewers == persons
    assert labels.write(label).get("review", False) == (said or False)
    assert labels.parse(labels.write(label)) == label


@pytest.mark.parametrize("said", [0, 3, -1, "2", 1.5, [2]])
def test_a_label_names_no_other_number_of_persons(said):
    with pytest.raises(InvalidLabelError):
        labels.parse({"review": said})


def test_a_bound_without_a_zone_is_refused_however_the_label_was_made():
    with pytest.raises(InvalidLabelError, match="a time needs its time zone"):
        labels.check(replace(LABEL, valid_until=datetime(2030, 1, 1)))  # noqa: DTZ001 - without one


def test_a_day_bounds_a_label_from_its_beginning_to_its_end():
    label = labels.parse({"valid_from": "2026-12-30", "valid_until": "2026-12-31"})
    assert (label.valid_from, label.valid_until) == (
        datetime(2026, 12, 30, tzinfo=UTC),
        datetime(2027, 1, 1, tzinfo=UTC),
    )
    many = ["EU"] * 3000  # longer than what stays read
    assert labels.parse({"regions": many, "valid_until": date(2026, 12, 31)}).valid_until == label.valid_until

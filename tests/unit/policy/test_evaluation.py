"""What whole ODRL policies mean: one case for each of its features, with what the report says."""

from datetime import UTC, datetime

import pytest

from medspace.core.errors import MedspaceError
from medspace.policy.errors import InvalidPolicyError
from medspace.policy.evaluation import documents, reading
from medspace.policy.evaluation.model import OdrlKind, Strategy
from medspace.policy.evaluation.service import evaluated
from tests.unit.policy.given import compare

ALICE, HEART = "urn:alice", "urn:heart"
NOW = "2026-11-30T12:00:00Z"
BEFORE, AFTER = "2026-11-01T00:00:00Z", "2026-12-31T00:00:00Z"


def policy(*permissions, **more):
    return {"uid": "urn:policy", "@type": "Set", "permission": list(permissions or ({"action": "use"},)), **more}


def asked(action="read", **stated):
    facts = [compare(left, "eq", right) for left, right in stated.items()]
    permission = {"action": action, "target": HEART, "assignee": ALICE, "constraint": facts}
    return {"uid": "urn:request", "@type": "Request", "permission": [permission]}


def state(*nodes, **more):
    return [{"currentTime": NOW, **more}, *nodes]


def code(document, request=None, world=None):
    (report,) = evaluated(document, request or asked(), state() if world is None else world)
    return report.code.partition(".")[2]


def refused(document, request=None, world=None):
    with pytest.raises(MedspaceError) as error:
        evaluated(document, request or asked(), world if world is not None else state())
    return error.value.code


# --- actions ----------------------------------------------------------------------------------------------------


def test_an_action_is_covered_by_what_includes_it():
    assert code(policy({"action": "use"}), asked("display")) == "permitted"
    assert code(policy({"action": "play"}), asked("display")) == "permitted"
    assert code(policy({"action": "transfer"}), asked("display")) == "no_permission"
    assert code(policy({"action": "use"}), asked("medspace:train")) == "permitted"


def test_an_action_nobody_declares_is_only_itself():
    assert code(policy({"action": "ex:scan"}), asked("ex:scan")) == "permitted"
    assert code(policy({"action": "use"}), asked("ex:scan")) == "undecided"
    declared = {"action": {"@id": "ex:scan", "includedIn": "use"}, "target": "urn:other"}
    assert code(policy({"action": "use"}, declared), asked("ex:scan")) == "permitted"
    node = {"@id": "ex:scan", "includedIn": "use"}
    assert code([policy({"action": "use"}), node], asked("ex:scan")) == "permitted"


def test_a_prohibition_reaches_what_implies_it_and_what_includes_it():
    share = {"@id": "ex:share", "includedIn": "use", "implies": "distribute"}
    bar = {"prohibition": [{"action": "distribute"}], "conflict": "prohibit"}
    allowed = policy({"action": "use"}, {"action": share, "target": "urn:other"}, **bar)
    assert code(allowed, asked("ex:share")) == "prohibited"
    assert code(allowed, asked("use")) == "prohibited"
    assert code(allowed, asked("read")) == "permitted"


def test_a_refinement_narrows_the_action():
    refined = {"rdf:value": {"@id": "odrl:print"}, "refinement": [compare("resolution", "lteq", 1200)]}
    assert code(policy({"action": [refined]}), asked("print", resolution=600)) == "permitted"
    assert code(policy({"action": refined}), asked("print", resolution=2400)) == "no_permission"
    assert code(policy({"action": refined}), asked("print")) == "undecided"


# --- assets and parties -----------------------------------------------------------------------------------------


def test_members_of_a_collection_are_what_the_state_and_the_policy_say():
    staff = policy({"action": "use", "assignee": {"@type": "PartyCollection", "source": "urn:staff"}})
    assert code(staff) == "no_permission"
    assert code(
        staff, world=state({"@id": ALICE, "partOf": "urn:ward"}, {"@id": "urn:ward", "partOf": "urn:staff"})
    ) == ("permitted")
    registry = policy(
        {"action": "use", "target": "urn:registry"},
        {"action": "sell", "target": {"@id": HEART, "partOf": "urn:registry"}},
    )
    assert code(registry) == "permitted"
    beside = [policy({"action": "use", "target": "urn:registry"}), {"@id": HEART, "partOf": ["urn:registry"]}]
    assert code(beside) == "permitted"


def test_refinements_of_assets_and_parties_are_about_what_they_are():
    small = {"@type": "AssetCollection", "refinement": [compare("absoluteSize", "lt", 100)]}
    assert code(policy({"action": "use", "target": small})) == "undecided"
    assert code(
        policy({"action": "use", "target": small}), world=state({"@id": HEART, "fact": {"absoluteSize": 5}})
    ) == ("permitted")
    assert code(policy({"action": "use", "target": small}), world=state(fact={"absoluteSize": 5})) == "undecided"
    doctors = {"source": "urn:staff", "refinement": [compare("urn:role", "eq", "doctor")]}
    alice = {"@id": ALICE, "partOf": "urn:staff", "fact": [{"leftOperand": "urn:role", "rightOperand": "nurse"}]}
    assert code(policy({"action": "use", "assignee": doctors}), world=state(alice)) == "no_permission"


def test_what_is_not_said_of_the_request_is_undecided():
    nobody = {"uid": "urn:r", "@type": "Request", "permission": [{"action": "read"}]}
    assert code(policy({"action": "use", "assignee": ALICE}), nobody) == "undecided"
    assert code(policy({"action": "use"}), nobody) == "permitted"


def test_shared_and_repeated_members_stand_for_one_rule_each():
    document = policy({}, {"action": ["read", "print"], "assignee": [ALICE, "urn:bob"]}, action="sell", target=HEART)
    read = reading.policy(documents.document(document))
    assert [(rule.action, rule.target.id, rule.assignee and rule.assignee.id) for rule in read.permissions] == [
        ("sell", HEART, None),
        ("read", HEART, ALICE),
        ("read", HEART, "urn:bob"),
        ("print", HEART, ALICE),
        ("print", HEART, "urn:bob"),
    ]


# --- operators --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operator", "right", "held", "expected"),
    [
        ("eq", "urn:a", "urn:a", True),
        ("eq", "urn:a", 5, None),
        ("neq", "urn:a", "urn:b", True),
        ("eq", 5, 5.0, True),
        ("lt", 5, 4, True),
        ("term-lteq", 5, 5, True),
        ("gt", 5, 5, False),
        ("gteq", {"@value": "5", "@type": "xsd:integer"}, 5, True),
        ("lt", "urn:a", "urn:b", None),
        ("lt", {"@value": "P1D", "@type": "xsd:duration"}, {"@value": "PT23H59M", "@type": "xsd:duration"}, True),
        ("isA", "urn:thing", "urn:a", True),
        ("isA", "urn:a", "urn:thing", None),
        ("isA", "urn:other", "urn:a", False),
        ("isA", "urn:other", "urn:unknown", None),
        ("isA", 5, "urn:a", None),
        ("isPartOf", "urn:whole", "urn:a", True),
        ("hasPart", "urn:a", "urn:whole", True),
        ("hasPart", "urn:a", "urn:a", True),
        ("isPartOf", "EU", "DE", True),
        ("isPartOf", "DE", "EU", None),
        ("isAnyOf", ["urn:a", "urn:b"], "urn:b", True),
        ("isAnyOf", ["urn:a"], [], False),
        ("isAnyOf", [4, 5], 5, True),
        ("isAnyOf", [4, 5], "urn:a", None),
        ("isAnyOf", ["EU"], "DE", True),
        ("isNoneOf", ["urn:a"], ["urn:b", "urn:c"], True),
        ("isNoneOf", ["dpv:DirectMarketing"], "dpv:Marketing", None),
        ("isAllOf", ["urn:a", "urn:b"], ["urn:b", "urn:a", "urn:c"], True),
        ("isAllOf", ["urn:a", "urn:b"], ["urn:a"], False),
        ("eq", "urn:a", ["urn:a", "urn:b"], None),
        ("eq", "dpv:Marketing", "dpv:DirectMarketing", None),
        ("eq", "true", True, True),
        ("eq", {"@value": "a", "@type": "xsd:string"}, "a", True),
        ("gt", {"@value": "1.5", "@type": "http://www.w3.org/2001/XMLSchema#decimal"}, 2, True),
        ("eq", {"@id": "https://w3id.org/dpv#Marketing"}, "Marketing", True),
    ],
)
def test_operators(operator, right, held, expected):
    nodes = {"@id": "urn:a", "kindOf": "urn:thing", "partOf": "urn:whole"}
    document = policy({"action": "use", "constraint": [compare("urn:left", operator, right)]})
    (report,) = evaluated(document, asked(), state(nodes, fact={"urn:left": held}))
    assert report.rules[0].premises[3].satisfied is expected


def test_untyped_values_are_read_as_their_operand_has_them():
    for operand, right in (("elapsedTime", "PT1H"), ("count", "5"), ("dateTime", AFTER)):
        document = policy({"action": "use", "constraint": compare(operand, "lteq", right)})
        assert code(document, world=state(fact={"elapsedTime": "PT5M", "count": "5"})) == "permitted"


def test_the_state_counts_more_than_what_the_request_says_of_itself():
    document = policy({"action": "use", "constraint": [compare("spatial", "eq", "DE")]})
    assert code(document, asked(spatial="DE")) == "permitted"
    assert code(document, asked(spatial="DE"), state(fact={"spatial": "CN"})) == "no_permission"
    timed = policy({"action": "use", "constraint": [compare("dateTime", "lt", NOW)]})
    assert code(timed, asked(dateTime=BEFORE)) == "no_permission"
    assert code(timed, asked(dateTime=BEFORE), {}) == "undecided"


# --- conflicts and inheritance ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("conflict", "expected"),
    [({"conflict": "perm"}, "permitted"), ({"conflict": "odrl:prohibit"}, "prohibited"), ({}, "conflict")],
)
def test_the_strategy_says_who_wins(conflict, expected):
    document = policy({"action": "use"}, prohibition=[{"action": "read"}], **conflict)
    assert code(document) == expected
    assert code(document, asked("print")) == "permitted"


def test_a_prohibition_that_cannot_be_decided_is_not_cleared():
    unknown = {"action": "read", "constraint": [compare("spatial", "eq", "CN")]}
    assert code(policy({"action": "use"}, prohibition=[unknown], conflict="prohibit")) == "undecided"
    assert code(policy({"action": "use"}, prohibition=[unknown], conflict="perm")) == "permitted"
    assert code(policy({"action": "sell"}, prohibition=[{"action": "read"}])) == "prohibited"


def test_a_policy_inherits_all_rules_and_no_strategy_that_differs():
    parent = policy({"action": "use"}, uid="urn:parent", conflict="perm")
    child = {"uid": "urn:policy", "@type": "Offer", "inheritFrom": "urn:parent", "prohibition": [{"action": "read"}]}
    assert code([child, parent]) == "conflict"
    assert code([{**child, "conflict": "perm"}, parent]) == "permitted"
    read = reading.policy(documents.document([child, parent]))
    assert (read.kind, read.strategy, read.permissions[0].id) == (
        OdrlKind.OFFER,
        Strategy.INVALID,
        "urn:parent#/permission/0",
    )


def test_one_policy_is_meant():
    with pytest.raises(InvalidPolicyError):
        evaluated([policy(), policy(uid="urn:other")], asked(), {})
    with pytest.raises(InvalidPolicyError):
        evaluated([policy(), policy()], asked(), {})
    assert refused({"uid": "urn:empty", "@type": "Set", "permission": []}) == "policy.malformed"
    assert refused({"uid": "urn:empty"}) == "policy.malformed"


# --- duties -----------------------------------------------------------------------------------------------------

PAY = {"uid": "urn:duty", "action": "compensate", "constraint": [compare("dateTime", "lteq", BEFORE)]}
PAID = {"action": "compensate", "time": BEFORE, "target": HEART, "assignee": ALICE}
LATE = {**PAID, "time": "2026-11-15T00:00:00Z"}


def owing(duty=PAY, **more):
    return policy({"action": "use", "duty": [duty]}, **more)


def test_a_duty_is_open_until_its_deadline_and_then_violated():
    open_duty = {**PAY, "constraint": [compare("dateTime", "lteq", AFTER)]}
    assert code(owing(open_duty)) == "permitted"
    assert code(owing({"action": "inform"})) == "permitted"
    assert code(owing()) == "no_permission"
    assert code(owing({**PAY, "constraint": [{"and": PAY["constraint"]}]})) == "no_permission"
    assert code(owing({**PAY, "constraint": [{"or": PAY["constraint"]}]})) == "permitted"
    assert code(owing(), world={}) == "permitted"


def test_an_event_fulfils_a_duty_in_time():
    assert code(owing(), world=state(performed=[PAID])) == "permitted"
    assert code(owing(), world=state(performed=[LATE])) == "no_permission"
    assert code(owing(), world=state(performed=[{**PAID, "action": "inform"}])) == "no_permission"
    future = {"currentTime": "2026-10-01T00:00:00Z", "performed": [PAID]}
    (report,) = evaluated(owing(), asked(), future)
    assert report.rules[0].depends[0].state == "NonSet"


def test_what_is_said_of_a_duty_counts_before_its_events():
    violated = {
        "@type": "report:DutyReport",
        "report:rule": "urn:duty",
        "report:deonticState": {"@id": "report:Violated"},
    }
    assert code(owing(), world=state(violated, performed=[PAID])) == "no_permission"
    assert code(owing(), world=state({**violated, "report:deonticState": "report:Fulfilled"})) == "permitted"
    nested = {"sotw:existingReport": {"@type": "report:PolicyReport", "report:ruleReport": [violated, "urn:report"]}}
    assert code(owing(), world=state(nested, performed=[PAID])) == "no_permission"


def test_a_consequence_settles_a_duty_that_is_done_late():
    duty = {**PAY, "consequence": [{"action": "inform"}]}
    told = {"action": "inform", "time": "2026-11-20T00:00:00Z"}
    assert code(owing(duty), world=state(performed=[LATE])) == "no_permission"
    assert code(owing(duty), world=state(performed=[told])) == "no_permission"
    assert code(owing(duty), world=state(performed=[told, LATE])) == "permitted"


def test_a_violated_obligation_closes_the_policy():
    assert code(policy(obligation=[PAY])) == "duty_violated"
    assert code(policy(obligation=[PAY]), world=state(performed=[PAID])) == "permitted"


def test_a_prohibition_is_infringed_by_an_event_and_made_good_by_its_remedies():
    bar = {"action": "distribute", "remedy": [{"action": "delete"}]}
    document = policy(prohibition=[bar])
    spread = {"action": "distribute", "time": BEFORE}
    deleted = {"action": "delete", "time": "2026-11-02T00:00:00Z"}
    for performed, expected in (([], "NonSet"), ([spread], "Violated"), ([spread, deleted], "Fulfilled")):
        (report,) = evaluated(document, asked(), state(performed=performed))
        assert report.rules[1].state == expected
        assert report.permitted


def test_a_duty_of_somebody_else_is_not_fulfilled_by_anybody():
    duty = {**PAY, "assignee": "urn:bob"}
    assert code(owing(duty), world=state(performed=[PAID])) == "no_permission"
    assert code(owing(duty), world=state(performed=[{**PAID, "assignee": "urn:bob"}])) == "permitted"


# --- forms ------------------------------------------------------------------------------------------------------


def test_prefixes_are_expanded_in_identifiers_and_nowhere_else():
    context = {"@context": ["http://www.w3.org/ns/odrl.jsonld", {"ex": "http://example.org/"}]}
    document = {**policy({"action": "use", "target": "ex:heart", "assignee": {"@id": "ex:alice"}}), **context}
    request = asked()
    request["permission"][0] |= {"target": "http://example.org/heart", "assignee": "http://example.org/alice"}
    assert code(document, request) == "permitted"
    text = {**policy({"action": "use", "constraint": [compare("urn:note", "eq", "ex:note")]}), **context}
    assert code(text, world=state(fact={"urn:note": "ex:note"})) == "permitted"
    named = {**policy({"action": "use", "constraint": [compare("urn:note", "eq", {"@id": "ex:note"})]}), **context}
    assert code(named, world=state(fact={"urn:note": {"@id": "http://example.org/note"}})) == "permitted"


def test_a_request_in_the_words_of_force_is_read():
    request = {
        "@id": "urn:request",
        "@type": "sotw:EvaluationRequest",
        "sotw:requestedAction": {"@id": "odrl:read"},
        "sotw:requestedTarget": {"@id": HEART},
        "sotw:requestingParty": {"@id": ALICE},
    }
    assert code(policy({"action": "use", "target": HEART, "assignee": ALICE}), request) == "permitted"
    bare = {"sotw:requestedAction": "read"}
    assert code(policy({"action": "use", "target": HEART}), bare) == "undecided"


def test_a_request_with_several_permissions_has_a_report_for_each():
    request = asked()
    request["permission"] += [{"action": "sell"}]
    reports = evaluated(policy(), request, state())
    assert [report.permitted for report in reports] == [True, False]
    assert reports[0].time == datetime(2026, 11, 30, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "change",
    [
        {"@type": "Assertion"},
        {"@type": ["Offer", "Agreement"]},
        {"@type": "Agreement"},
        {"permission": [{}]},
        {"permission": [{"action": "use", "target": []}]},
        {"permission": [{"action": "use", "target": {"@type": "Asset"}}]},
        {
            "permission": [
                {"action": "use", "target": {"@id": "urn:a", "partOf": {"refinement": [compare("count", "lt", 1)]}}}
            ]
        },
        {"permission": [{"action": "use", "constraint": [{"and": []}]}]},
        {"permission": [{"action": "use", "constraint": [{"and": [compare("count", "lt", 1)], "or": []}]}]},
        {"permission": [{"action": "use", "constraint": [compare("count", "lt", [1, 2])]}]},
        {"permission": [{"action": "use", "constraint": [compare("count", "lt", [])]}]},
        {"permission": [{"action": "use", "constraint": [compare("count", "lt", None)]}]},
        {"permission": [{"action": "use", "constraint": [compare("count", "lt", "many")]}]},
        {"permission": [{"action": "use", "constraint": [compare("dateTime", "lt", "2026-02-30T00:00:00Z")]}]},
        {"permission": [{"action": "use", "constraint": [compare("dateTime", "lt", "soon")]}]},
        {"permission": [{"action": "use", "constraint": [compare("elapsedTime", "lt", "P1Y")]}]},
        {"permission": [{"action": "use", "constraint": [compare("count", "lt", {"@id": "a", "@value": 1})]}]},
        {
            "permission": [
                {"action": "use", "constraint": [compare("count", "lt", {"@value": 1, "@type": "xsd:hexBinary"})]}
            ]
        },
    ],
)
def test_what_has_no_meaning_is_refused(change):
    assert refused({**policy(), **change}) == "policy.malformed"


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (policy(), "policy.malformed"),
        ({"uid": "urn:r", "@type": "Request", "prohibition": [{"action": "use"}]}, "policy.malformed"),
        ({"uid": "urn:r", "@type": "Request", "permission": [{"action": "use"}] * 65}, "policy.too_large"),
        (
            asked() | {"permission": [{"action": "use", "constraint": [compare("count", "lt", 1)]}]},
            "policy.unsupported",
        ),
    ],
)
def test_a_request_says_what_it_is_about(request_, expected):
    assert refused(policy(), request_) == expected


@pytest.mark.parametrize(
    ("world", "expected"),
    [
        ({"performed": [{"action": "use"}]}, "policy.malformed"),
        ({"performed": [{"action": "use", "time": NOW, "weather": "fine"}]}, "policy.malformed"),
        ({"rule": "urn:duty", "deonticState": "Maybe"}, "policy.malformed"),
        ({"deonticState": "Violated"}, "policy.malformed"),
        ({"currentTime": {"@id": "urn:now"}}, "policy.malformed"),
        ({"weather": "fine"}, "policy.unsupported"),
        ([{"@id": "urn:a", "kindOf": "urn:b"}, {"@id": "urn:b", "kindOf": "urn:a"}], "policy.collection_cycle"),
        ([], "policy.malformed"),
        ([5], "policy.malformed"),
        ({"@graph": [5]}, "policy.malformed"),
    ],
)
def test_a_state_is_read_in_full_or_not_at_all(world, expected):
    assert refused(policy(), world=world) == expected


def test_the_time_of_a_state_may_be_a_node():
    issued = {"@id": "urn:now", "dct:issued": {"@value": NOW, "@type": "xsd:dateTime"}}
    timed = policy({"action": "use", "constraint": [compare("dateTime", "eq", NOW)]})
    assert code(timed, world={"sotw:currentTime": issued}) == "permitted"
    (report,) = evaluated(timed, asked(), {}, datetime(2026, 11, 30, 12, tzinfo=UTC))
    assert report.permitted


def test_contexts_hold_nothing_but_prefixes():
    for context in ({"ex": "no prefix"}, {"ex": 5}, {"urn": "http://x/"}, 5, [{}] * 65, {"@vocab": "http://x/"}):
        assert refused({**policy(), "@context": context}) == "policy.moved_meaning"
    assert code({**policy(), "@context": {"odrl": "http://www.w3.org/ns/odrl/2/"}}) == "permitted"
    assert refused({"@graph": [{"@graph": [policy()]}]}) == "policy.moved_meaning"


def test_bytes_are_decoded_within_limits():
    assert documents.decode(b'{"a": 1}') == {"a": 1}
    for content in (b"{", b"\xff", b"[" * 100_000):
        with pytest.raises(InvalidPolicyError):
            documents.decode(content)
    with pytest.raises(MedspaceError) as error:
        documents.decode(b" " * 4_000_001)
    assert error.value.code == "policy.too_large"

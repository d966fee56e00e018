"""Reports as JSON and as Turtle: the same thing twice, and what another program reads of it."""

import rdflib

from medspace.policy.evaluation import reports
from medspace.policy.evaluation.service import evaluated
from tests.unit.policy.given import compare
from tests.unit.policy.test_evaluation import AFTER, NOW, PAY, asked, policy, state

FORCE = rdflib.Namespace("https://w3id.org/force/compliance-report#")
MEDSPACE = rdflib.Namespace("urn:medspace:profile:1#")
ODRL = rdflib.Namespace("http://www.w3.org/ns/odrl/2/")
EVERYTHING = policy(
    {
        "uid": "urn:rule",
        "action": "use",
        "target": "urn:heart",
        "constraint": [
            compare("dateTime", "lt", AFTER),
            {"or": [compare("count", "lteq", 5), compare("elapsedTime", "lt", "PT1H")]},
            compare("urn:note", "neq", 'a "quoted" \\ note'),
        ],
        "duty": [PAY],
    },
    prohibition=[{"action": "distribute", "constraint": [compare("spatial", "eq", "CN")]}],
    obligation=[{"action": "inform"}],
)


def read(*found):
    return rdflib.Graph().parse(data=reports.as_turtle(*found), format="turtle")


def one_of(graph, kind):
    (subject,) = graph.subjects(rdflib.RDF.type, FORCE[kind])
    return subject


def test_json_has_each_rule_and_premise_with_the_values_compared():
    (report,) = evaluated(EVERYTHING, asked(count=3), state(fact={"urn:note": "b"}))
    told = reports.as_json(report)
    assert (told["policy"], told["request"], told["verdict"]) == ("urn:policy", "urn:request", "deny")
    assert told["time"] == "2026-11-30T12:00:00.000Z"
    permission, prohibition, obligation = told["rules"]
    assert (permission["rule"], permission["attempted"], permission["active"]) == ("urn:rule", True, False)
    assert permission["premises"][3] == {
        "about": "dateTime",
        "clause": "/permission/0/constraint/0",
        "satisfied": True,
        "operator": "lt",
        "held": ["2026-11-30T12:00:00.000Z"],
        "asked": ["2026-12-31T00:00:00.000Z"],
        "parts": [],
    }
    first, second = permission["premises"][4]["parts"]
    assert (first["held"], first["asked"], first["satisfied"]) == (["3"], ["5"], True)
    assert (second["held"], second["asked"], second["satisfied"]) == (None, ["P0DT3600S"], None)
    assert permission["depends"][0]["state"] == "Violated"
    assert (prohibition["attempted"], prohibition["active"]) == (False, False)
    assert obligation["state"] == "NonSet"
    assert reports.as_json(evaluated(EVERYTHING, asked(), {})[0])["time"] is None


def test_turtle_says_the_same_in_the_vocabulary_of_force():
    (report,) = evaluated(EVERYTHING, asked(count=3), state(fact={"urn:note": "b"}))
    graph = read(report)
    whole, permission = one_of(graph, "PolicyReport"), one_of(graph, "PermissionReport")
    assert str(graph.value(whole, FORCE.policy)) == "urn:policy"
    assert str(graph.value(whole, rdflib.DCTERMS.created)).startswith(NOW[:10])
    assert len(list(graph.objects(whole, FORCE.ruleReport))) == 3
    assert graph.value(permission, FORCE.activationState) == FORCE.Inactive
    assert graph.value(permission, FORCE.attemptState) == FORCE.Attempted
    duty = graph.value(permission, FORCE.conditionReport)
    assert graph.value(duty, FORCE.deonticState) == FORCE.Violated
    assert graph.value(duty, FORCE.performanceState) == FORCE.Unperformed
    timed = graph.value(None, FORCE.constraintOperator, ODRL.lt, any=True)
    assert graph.value(timed, FORCE.satisfactionState) in (FORCE.Satisfied, FORCE.Unsatisfied)
    (note,) = graph.subjects(FORCE.constraintOperator, ODRL.neq)
    assert str(graph.value(note, FORCE.constraintRightOperand)) == 'a "quoted" \\ note'
    assert list(graph.subjects(FORCE.constraintLogicalOperand, ODRL["or"]))


def test_what_is_undecided_is_unsatisfied_and_marked():
    document = policy({"action": "use", "constraint": [compare("purpose", "isA", "dpv:Marketing")]})
    graph = read(*evaluated(document, asked(), {}))
    (premise,) = graph.subjects(FORCE.constraintOperator, ODRL.isA)
    assert graph.value(premise, FORCE.satisfactionState) == FORCE.Unsatisfied
    assert graph.value(premise, MEDSPACE.undecided).toPython() is True
    assert str(graph.value(premise, FORCE.constraintRightOperand)) == "https://w3id.org/dpv#Marketing"


def test_nothing_that_somebody_wrote_leaves_its_place_in_the_turtle():
    for name in ("urn:a> . <urn:evil> a <urn:b", "urn:a b\\u003E", "no iri at all", "_:blank", "urn:é"):
        document = policy({"uid": name, "action": "use", "constraint": [compare(name, "eq", name)]}, uid=name)
        graph = read(*evaluated(document, asked(), state(fact={name: '" . <urn:evil> a <urn:b> . "'})))
        assert (rdflib.URIRef("urn:evil"), None, None) not in graph
        assert len(set(graph.subjects(rdflib.RDF.type, None))) == 6

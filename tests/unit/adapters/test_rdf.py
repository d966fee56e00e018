"""Turtle becomes the JSON-LD that policies are read from."""

import sys

import pytest

from medspace.adapters.extras import MissingExtraError
from medspace.adapters.rdf import read_turtle
from medspace.policy.errors import PolicyCycleError
from medspace.policy.evaluation.service import evaluated

PREFIXES = """
@prefix odrl: <http://www.w3.org/ns/odrl/2/> .
@prefix ex: <http://example.org/> .
@prefix dct: <http://purl.org/dc/terms/> .
@prefix rdf: <http://www.w3.org/1999/02/22-rdf-syntax-ns#> .
@prefix xsd: <http://www.w3.org/2001/XMLSchema#> .
@prefix report: <https://w3id.org/force/compliance-report#> .
@prefix sotw: <https://w3id.org/force/sotw#> .
@prefix medspace: <urn:medspace:profile:1#> .
"""
POLICY = """
<urn:p> a odrl:Set ; odrl:uid <urn:policy> ; dct:description "For staff." ; odrl:permission <urn:rule> .
<urn:rule> a odrl:Permission ; odrl:assignee ex:staff ; odrl:target ex:registry ;
  odrl:action [ rdf:value odrl:read ; odrl:refinement [
    odrl:leftOperand odrl:purpose ; odrl:operator odrl:isA ;
    odrl:rightOperand <https://w3id.org/dpv#ScientificResearch> ] ] ;
  odrl:constraint <urn:before>, [ odrl:or ( <urn:before> <urn:few> ) ] ; odrl:duty <urn:duty> .
<urn:before> odrl:leftOperand odrl:dateTime ; odrl:operator odrl:lt ;
  odrl:rightOperand "2030-01-01T00:00:00Z"^^xsd:dateTime .
<urn:few> odrl:leftOperand odrl:count ; odrl:operator odrl:lteq ; odrl:rightOperand 5 .
<urn:duty> a odrl:Duty ; odrl:action odrl:inform .
ex:heart a dct:Dataset ; odrl:partOf ex:registry .
"""
REQUEST = """
<urn:request> a odrl:Request ; odrl:permission [
  odrl:action odrl:read ; odrl:target ex:heart ; odrl:assignee ex:alice ;
  odrl:constraint [ odrl:leftOperand odrl:purpose ; odrl:operator odrl:eq ;
    odrl:rightOperand <https://w3id.org/dpv/legal/eu/ehds#HealthcareScientificResearch> ] ] .
"""
STATE = """
<urn:state> a sotw:SotW ; sotw:currentTime ex:now ;
  medspace:fact [ odrl:leftOperand odrl:count ; odrl:rightOperand 9 ] .
ex:now dct:issued "2026-11-30T00:00:00Z"^^xsd:dateTime .
ex:alice odrl:partOf ex:staff .
"""


def turtle(text):
    return read_turtle(PREFIXES + text)


def report(state=STATE):
    (found,) = evaluated(turtle(POLICY), turtle(REQUEST), turtle(state))
    return found


def test_a_policy_a_request_and_a_state_in_turtle_are_evaluated():
    found = report()
    assert (found.policy, found.permitted) == ("urn:policy", True)
    (rule,) = found.rules
    assert rule.rule.id == "urn:rule"
    assert [premise.satisfied for premise in rule.premises] == [True] * 5
    assert [part.satisfied for part in next(one for one in rule.premises if one.about == "or").parts] == [True, False]


def test_what_is_reported_of_a_duty_counts():
    violated = "<urn:r> a report:DutyReport ; report:rule <urn:duty> ; report:deonticState report:Violated ."
    assert report(STATE + violated).code == "policy.no_permission"


def test_an_empty_list_is_a_list():
    (node,) = turtle("<urn:a> odrl:and () .")["@graph"]
    assert node == {"@id": "urn:a", "and": [{"@list": []}]}


def test_relative_names_are_not_looked_up_anywhere():
    (node,) = turtle("<> odrl:target <x> .")["@graph"]
    assert node == {"@id": "http://document.invalid/", "target": [{"@id": "http://document.invalid/x"}]}


def test_a_list_that_holds_itself_is_refused():
    with pytest.raises(PolicyCycleError):
        turtle("<urn:a> odrl:and _:l . _:l rdf:first <urn:b> ; rdf:rest _:l .")
    with pytest.raises(PolicyCycleError):
        turtle("_:l rdf:first _:l ; rdf:rest () .")


def test_without_the_library_the_error_names_the_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "rdflib", None)
    with pytest.raises(MissingExtraError, match="rdflib") as missing:
        read_turtle("")
    assert str(missing.value.advice) == 'Run: pip install "medspace[rdf]"'

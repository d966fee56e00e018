"""`medspace policy evaluate` and `medspace policy check`: files in, reports out, without a connector."""

import json

import pytest
from typer.testing import CliRunner

from medspace.app.features.terms import evaluating
from medspace.app.features.terms.policy_verbs import app
from medspace.core.errors import MedspaceError
from tests.unit.policy.given import compare, offer, rule
from tests.unit.policy.test_evaluation import ALICE, HEART, NOW, PAY, asked, policy

TURTLE = f"""
@prefix odrl: <http://www.w3.org/ns/odrl/2/> .
<urn:policy> a odrl:Set ; odrl:permission [ odrl:action odrl:use ; odrl:target <{HEART}> ; odrl:assignee <{ALICE}> ] .
"""
JOINED = {"or": [compare("count", "lt", 1), compare("purpose", "isA", "dpv:Marketing")]}


@pytest.fixture
def run(tmp_path):
    def act(verb, *options, **documents):
        said = []
        for name, document in documents.items():
            text = isinstance(document, str)
            file = tmp_path / f"{name}{'.ttl' if text else '.json'}"
            file.write_text(document if text else json.dumps(document), encoding="utf-8")
            said += [str(file)] if verb == "check" else [f"--{name}", str(file)]
        return CliRunner().invoke(app, [verb, *said, *options, "--lang", "en"])

    return act


def test_a_policy_in_turtle_is_evaluated(run):
    done = run("evaluate", policy=TURTLE, request=asked())
    assert (done.exit_code, done.output.splitlines()[0]) == (
        0,
        "urn:request is permitted by urn:policy (policy.permitted).",
    )


def test_each_rule_and_premise_is_told_with_the_values_compared(run):
    document = policy(
        {"action": "use", "constraint": [JOINED, compare("count", "lt", 3)], "duty": [PAY]},
        prohibition=[{"action": "sell"}],
    )
    done = run("evaluate", "--at", NOW, policy=document, request=asked(), state={"fact": {"count": 2}})
    assert done.exit_code == 3
    assert [line.rstrip() for line in done.output.splitlines()] == [
        "urn:request is denied: no permission of urn:policy is active for it (policy.no_permission).",
        "  permission use: inactive  [/permission/0]",
        "    holds action read = use",
        f"    holds target {HEART} = *",
        f"    holds assignee {ALICE} = *",
        "    ? or",
        "      NO count 2 lt 1",
        "      ? purpose ? isA dpv:Marketing",
        "    holds count 2 lt 3",
        "    duty compensate: violated  [/permission/0/duty/0]",
        "      NO dateTime 2026-11-30T12:00:00.000Z lteq 2026-11-01T00:00:00.000Z",
        "  prohibition sell: inactive  [/prohibition/0]",
        "    NO action read = sell",
        f"    holds target {HEART} = *",
        f"    holds assignee {ALICE} = *",
    ]


def test_programs_get_json_or_turtle(run):
    done = run("evaluate", "--json", policy=policy(), request=asked())
    assert json.loads(done.output)["reports"][0]["code"] == "policy.permitted"
    done = run("evaluate", "--turtle", policy=policy(), request=asked())
    assert done.output.startswith("@prefix dct:")
    assert "report:Active" in done.output


def test_a_file_that_cannot_be_read_has_a_code(run, tmp_path):
    with pytest.raises(MedspaceError) as error:
        evaluating.of_file(tmp_path / "nowhere.json")
    assert error.value.code == "policy.file"
    (tmp_path / "odd.ttl").write_bytes(b"\xff")
    with pytest.raises(MedspaceError) as error:
        evaluating.of_file(tmp_path / "odd.ttl")
    assert error.value.code == "policy.file"


def test_clashes_are_told_with_their_clauses(run):
    done = run("check", policy=offer(rule(compare("count", "lt", "1"))))
    assert done.exit_code == 3
    assert done.output.splitlines()[1] == "  - before use number 1  [/permission/0/constraint/0]"
    done = run("check", policy=offer(rule()))
    assert (done.exit_code, done.output) == (0, "Nothing clashes in these terms.\n")
    assert run("check", policy=offer(rule(compare("weather", "eq", "fine")))).exception.code == "policy.unenforceable"


def test_the_api_takes_turtle_as_text():
    (report,) = evaluating.evaluate(TURTLE, asked(), None, "2026-11-30")
    assert report.permitted
    assert evaluating.told([report])["permitted"]

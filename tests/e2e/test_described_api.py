"""The management API answers as its description says, whatever is asked of it within and beyond that description.

Schemathesis makes the requests out of the description. The short form runs with every test; `make soak` asks more.
"""

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import CHECKS

from tests.e2e.space import hospital, staged

CALLS = pytest.mark.parametrize("examples", [2, pytest.param(200, marks=pytest.mark.slow)])
LEFT_OUT = {("POST", "/keys"), ("DELETE", "/keys/{key}")}  # which makes and ends keys of the connector for good
ANSWERED = ("status_code_conformance", "content_type_conformance", "response_schema_conformance")
PHASES = (Phase.explicit, Phase.generate)
UNAVAILABLE = 503


@pytest.fixture(scope="module")
def described(tmp_path_factory):
    """What a running connector says of itself, and its owner's header."""
    with staged(tmp_path_factory.mktemp("described")) as stage:
        node = stage.add("authority", hospital())
        stage.open()
        owner = {"Authorization": f"Bearer {node.token}"}
        yield schemathesis.openapi.from_url(f"{node.private_url}/openapi.json", headers=owner), owner


def operations(schema):
    for found in schema.get_all_operations():
        operation = found.ok()
        if (operation.method.upper(), operation.path) not in LEFT_OUT:
            yield operation


@CALLS
def test_the_management_api_answers_as_it_says(described, examples):
    schema, owner = described
    asked = 0
    for operation in operations(schema):
        asked += 1

        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            phases=PHASES,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def answers(case):
            answer = case.call(headers=owner, timeout=60)
            assert answer.status_code < 500 or answer.status_code == UNAVAILABLE, answer.text
            case.validate_response(answer, checks=CHECKS.get_by_names(list(ANSWERED)), headers=owner)

        answers()
    assert asked > 70


def test_every_answer_is_described(described):
    schema, _ = described
    for operation in operations(schema):
        said = operation.definition.raw["responses"]
        assert {"2XX", "400", "401", "403", "413", "503"} <= set(said), operation.path
        assert "422" not in said

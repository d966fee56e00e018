"""A user agrees for one purpose and states another one at the use, or changes it within a use. Each is refused."""

import re

import pytest

from medspace.app.compose.conditions import CONDITIONS
from medspace.app.compose.connector import ConnectorParts
from medspace.connector.usage.conditions.agreement import AgreementCondition
from medspace.core.decision import Decision, Verdict
from tests.e2e.space import PURPOSE, TASK, Holding, staged, step, table

TRAIN = "medspace:train"
OTHER = "ehds:PublicHealthSurveillance"  # the label allows it, the agreement does not
BROADER = "dpv:ScientificResearch"
WRONG = [OTHER, BROADER, "nonsense", "", None]


class AnyPurpose(AgreementCondition):
    """The control: the agreement's purpose is not compared with that of the task."""

    def admit(self, tx, visit):
        _, grant = super().admit(tx, visit)
        return Decision(Verdict.PERMIT, "permitted"), type(grant)(min_cohort=10)

    def released(self, tx, leaving):
        return Decision(Verdict.PERMIT, "permitted")

    def lasts(self, tx, lasting):
        return Decision(Verdict.PERMIT, "permitted")


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    deaf = [AnyPurpose if one.__name__ == "_agreement" else one for one in CONDITIONS]
    makers = tuple((lambda _: AnyPurpose()) if one is AnyPurpose else one for one in deaf)
    label = {"purposes": [PURPOSE, OTHER, BROADER]}
    with staged(tmp_path_factory.mktemp("purposes")) as stage:
        stage.add("authority")
        stage.add("user")
        stage.add("clinic", Holding(table(1), label=label))
        stage.add("deaf", Holding(table(2), label=label), parts=ConnectorParts(conditions=makers))
        stage.open()
        stage.admit()
        yield stage


def ask(stage, holder, use, purpose):
    task = {name: value for name, value in (TASK | {"purpose": purpose}).items() if value is not None}
    answer = stage.ask("user", holder, use, step(task=task, sites=1))
    found = re.search(r"\b(policy\.purpose|use\.task_changed|label\.purposes)", answer.text)
    return answer.status_code if answer.status_code == 200 else (found and found[0]) or answer.json()["code"]


def begun(stage, holder):
    return stage.space("user").request(stage.agree("user", holder), TRAIN)["id"]


def test_another_purpose_than_the_agreed_one_is_refused(stage, attack_report):
    told = {purpose: ask(stage, "clinic", begun(stage, "clinic"), purpose) for purpose in WRONG}
    assert 200 not in told.values()
    assert told[OTHER] == told[BROADER] == "policy.purpose"
    assert ask(stage, "clinic", begun(stage, "clinic"), PURPOSE) == 200
    attack_report("purpose switched: uses for another purpose", got=0, of=len(WRONG), unit="answers")


def test_a_use_keeps_the_purpose_that_it_began_with(stage):
    use = begun(stage, "clinic")
    assert ask(stage, "clinic", use, PURPOSE) == 200
    narrower = "ehds:TrainTestAndEvaluateAISystemsAlgorithms"  # allowed, but another task
    assert ask(stage, "clinic", use, narrower) != 200


def test_without_the_agreement_the_label_alone_lets_it_pass(stage, attack_report):
    told = [ask(stage, "deaf", begun(stage, "deaf"), purpose) for purpose in (OTHER, BROADER)]
    got = told.count(200)
    assert got == 2, told
    attack_report("purpose switched: uses for another purpose", control=got, of=2, unit="answers")

"""The holder's clock is set back, by hand or by a lying time server, so that an agreement revives. It does not."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from medspace.app.compose.connector import ConnectorParts
from medspace.app.doors.sdk import SpaceError
from medspace.core.clock import stamp
from medspace.core.usage import Brakes
from tests.e2e.space import Holding, staged, step, table
from tests.e2e.test_clock_skew import Settable

TRAIN, HOUR = "medspace:train", 3600
BRAKES = {"brake": Brakes(), "control": Brakes(steady=False)}


@pytest.fixture(params=BRAKES)
def stage(request, tmp_path):
    clock = Settable(0)
    with staged(tmp_path) as stage:
        stage.add("authority", parts=ConnectorParts(clock=clock))
        stage.add("user", parts=ConnectorParts(clock=clock))
        terms = {"until": stamp(datetime.now(UTC) + timedelta(seconds=HOUR))}
        parts = ConnectorParts(clock=clock, brakes=BRAKES[request.param])
        stage.add("clinic", Holding(table(1), terms=terms), parts=parts)
        stage.open()
        stage.admit()
        stage.kind = request.param
        yield stage


def code(answer):
    found = re.search(r"\bpolicy\.[a-z_]+", answer.text)
    return answer.status_code if answer.status_code == 200 else found and found[0]


def test_an_agreement_that_has_ended_does_not_revive(stage, attack_report):
    clock, user = stage.nodes["clinic"].parts.clock, stage.space("user")
    agreement = stage.agree("user", "clinic")
    use = user.request(agreement, TRAIN)["id"]

    def ask(use):
        return code(stage.ask("user", "clinic", use, step(sites=1)))

    def revived():
        try:
            again = user.request(agreement, TRAIN)["id"]
        except SpaceError as error:
            return error.code
        return code(stage.ask("user", "clinic", again, step(sites=1)))

    assert ask(use) == 200
    clock.set(2 * HOUR)
    assert ask(use) != 200
    clock.set(0)
    if stage.kind == "brake":
        found = revived()
        stage.close("clinic")  # nor after a restart
        stage.open("clinic")
        assert found == revived() == "policy.time"
        attack_report("clock set back: uses under an agreement that had ended", got=0, of=2, unit="uses")
    else:
        assert revived() == 200
        attack_report("clock set back: uses under an agreement that had ended", control=1, of=1, unit="uses")


def test_its_owner_says_that_the_clock_had_been_wrong_and_the_log_keeps_it(stage):
    clock, clinic = stage.nodes["clinic"].parts.clock, stage.space("clinic")
    use = stage.space("user").request(stage.agree("user", "clinic"), TRAIN)["id"]
    assert code(stage.ask("user", "clinic", use, step(sites=1))) == 200
    clock.set(HOUR / 2)
    assert code(stage.ask("user", "clinic", use, step("moments", 2, sites=1))) == 200
    clock.set(0)
    assert clinic.clock()["set_back"]
    assert not clinic.reset_clock()["set_back"]
    assert stage.entries("clinic", "duty.clock")

"""The 21 usage policy classes over two running connectors: each holds by itself, or is refused with the reason.

One hospital offers one dataset under one contract for each case; the connectors are shared by all tests.
"""

import json
import re
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from medspace.app.compose.connector import ConnectorParts
from medspace.app.doors.sdk import SpaceError
from medspace.core.clock import stamp
from medspace.policy.classes import CLASSES
from tests.e2e.space import ASSET, PURPOSE, TASK, Holding, staged, step, table
from tests.e2e.test_clock_skew import Settable

TRAIN = "medspace:train"
STRANGER = "did:web:nobody.example"
LATER = 3 * 3600
SUMS = "coordinator-sees-sums"

# The contracts that the hospital offers, by what a test calls them: terms beside those of all of them.
CASES = {
    "allowed": {},
    "stranger": {"recipients": [STRANGER]},
    "cox only": {"applications": ["cox"]},
    "glm only": {"applications": ["glm"]},
    "three hours": {"until": stamp(datetime.now(UTC) + timedelta(seconds=LATER / 2)), "not_before": "2026-01-01"},
    "one hour": {"elapsed": "PT1H"},
    "Singapore": {"regions": ["SG"]},
    "the Union": {"regions": ["EU"]},
    "institutes": {"roles": ["research-institute"]},
    "event": {"events": ["study-approved"]},
    "once": {"count": 1},
    "trusted": {"security_level": "trust"},
    "state": {"states": ["study-open"]},
    "thousand": {"min_cohort": 1000},
    "twenty": {"min_cohort": 20},
    "logged": {"duties": ["medspace:log"]},
    "told": {"duties": ["inform"]},
    "deleted": {"duties": ["delete"]},
    "masked": {"protection": "masked-sums"},
}
NAMES = [*CASES, "by name"]


@dataclass(frozen=True)
class Contracts(Holding):
    """A holding that is offered under several contracts."""

    cases: dict = field(default_factory=dict)

    def toml(self):
        head, _, _ = super().toml().partition("[[assets.offers]]")
        common = {"purposes": [PURPOSE], "until": "2030-06-30T00:00:00Z", "min_cohort": 10, "min_sites": 1}
        blocks = []
        for terms in self.cases.values():
            said = common | {"protection": SUMS} | terms
            lines = "\n".join(f"{name} = {json.dumps(value)}" for name, value in said.items())
            blocks.append(f'[[assets.offers]]\ntemplate = "train-only"\n\n[assets.offers.terms]\n{lines}\n')
        return head + "\n".join(blocks)


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    clock = Settable(0)
    with staged(tmp_path_factory.mktemp("classes")) as stage:
        stage.add("authority", parts=ConnectorParts(clock=clock))
        user = stage.add("user", parts=ConnectorParts(clock=clock))
        cases = CASES | {"by name": {"recipients": [user.did]}}
        stage.add("clinic", Contracts(table(1), cases=cases), parts=ConnectorParts(clock=clock))
        stage.open()
        stage.admit()
        yield stage


class Road:
    """The way from a contract to an answer."""

    def __init__(self, stage):
        self.stage = stage

    def agree(self, name):
        clinic = self.stage.nodes["clinic"]
        return self.stage.agree("user", "clinic", offer=f"{clinic.did}:offer:{ASSET}:{NAMES.index(name) + 1}")

    def begin(self, agreement):
        return self.stage.space("user").request(agreement, TRAIN)["id"]

    def ask(self, use, **changes):
        return self.stage.ask("user", "clinic", use, step(task=TASK | changes, sites=1))

    def use(self, name, **changes):
        """The code of a use from the beginning: where it is refused, or "answered"."""
        try:
            use = self.begin(self.agree(name))
        except SpaceError as error:
            return error.code
        answer = self.ask(use, **changes)
        return "answered" if answer.status_code == 200 else said(answer)

    def label(self, **changes):
        clinic = self.stage.space("clinic")
        label = {**clinic.label(ASSET)["label"], **changes}
        self.stage.relabel("clinic", {name: value for name, value in label.items() if value is not None})

    def roles(self, *roles):
        user = self.stage.nodes["user"]
        self.stage.space("authority").admit(user.did, name="User", region=user.region, roles=roles)
        self.stage.space("clinic").refresh()


def said(answer):
    """The code of the decision in a refusal."""
    found = re.search(r"\b(policy|label)(\.[a-z_]+)", answer.text)
    return answer.json()["code"] if found is None else found[1] + found[2]


@pytest.fixture
def road(stage):
    return Road(stage)


def test_allow_data_usage(road):
    assert road.use("allowed") == "answered"


def test_connector_restricted(road):
    assert road.use("stranger") == "policy.recipient"
    assert road.use("by name") == "answered"


def test_application_restricted(road):
    assert road.use("cox only") == "policy.application"
    assert road.use("glm only") == "answered"


def test_location_restricted(road):
    assert road.use("Singapore") == "policy.region"
    assert road.use("the Union") == "answered"


def test_purpose_restricted(road):
    assert road.use("allowed", purpose="dpv:Marketing") == "policy.purpose"
    assert road.use("allowed") == "answered"


def test_role_restricted(road):
    road.roles()
    assert road.use("institutes") == "policy.role"
    road.roles("research-institute")
    assert road.use("institutes") == "answered"


def test_security_level_restricted(road):
    road.roles("security-base")
    assert road.use("trusted") == "policy.security_level"
    road.roles("security-trust-plus")
    assert road.use("trusted") == "answered"


@pytest.mark.parametrize(
    ("name", "said_in", "value", "code"),
    [("event", "events", "study-approved", "policy.event"), ("state", "states", "study-open", "policy.state")],
)
def test_event_and_state_restricted(road, name, said_in, value, code):
    agreement = road.agree(name)
    with pytest.raises(SpaceError) as refused:
        road.begin(agreement)
    assert refused.value.code == code
    road.label(**{said_in: [value]})
    use = road.begin(agreement)
    assert road.ask(use).status_code == 200
    road.label(**{said_in: None})
    assert said(road.ask(use)) == code  # also while it runs


def test_number_of_usages(road):
    agreement = road.agree("once")
    assert road.ask(road.begin(agreement)).status_code == 200
    with pytest.raises(SpaceError) as refused:
        road.begin(agreement)
    assert refused.value.code == "policy.count"


def test_interval_and_duration_restricted(stage, road):
    clock = stage.nodes["clinic"].parts.clock
    agreements = [road.agree(name) for name in ("three hours", "one hour")]
    uses = [road.begin(agreement) for agreement in agreements]
    assert [road.ask(use).status_code for use in uses] == [200, 200]
    clock.set(LATER)
    assert [said(road.ask(use)) for use in uses] == ["policy.time", "policy.elapsed"]


def test_modify_in_transit(road):
    assert road.use("thousand") != "answered"
    assert road.use("twenty") == "answered"


def test_local_logging(stage, road):
    agreement = road.agree("logged")
    assert road.ask(road.begin(agreement)).status_code == 200
    assert agreement in [entry["facts"]["agreement"] for entry in stage.entries("clinic", "use.admitted")]


def test_distribute_only_if_encrypted(road):
    assert road.use("masked") == "policy.protection"


KEPT = {"use-and-delete-after": "deleted", "remote-notification": "told"}


@pytest.mark.parametrize("one", KEPT)
def test_what_the_users_connector_does_after_the_use_is_proven_to_the_holder(stage, road, one):
    (told,) = [found for found in stage.space("clinic").usage_classes() if found["class"] == one]
    assert told["enforced"]
    use = road.begin(road.agree(KEPT[one]))
    assert road.ask(use).status_code == 200
    stage.space("user").end_use(use)
    action = {"deleted": "delete", "told": "inform"}[KEPT[one]]
    end = time.monotonic() + 60

    def seen(key, **which):
        while not (found := [one for one in stage.space(key).duties(**which) if one["action"] == action]):
            assert time.monotonic() < end, stage.space(key).duties()
            time.sleep(0.1)
        return found[0]

    owed = seen("user")
    if action == "delete":  # which its connector would do by itself only when its time has nearly passed
        stage.space("user").fulfil_duty(owed["id"])
    seen("clinic", state="kept")
    assert any(entry["facts"]["action"] == action for entry in stage.entries("clinic", "duty.proven"))


DUTIES = [one for one in CLASSES if one.duty and one.duty != "medspace:log" and one.name not in KEPT]


@pytest.mark.parametrize("one", DUTIES, ids=lambda one: one.name)
def test_what_only_the_other_side_could_do_is_refused_with_the_reason(stage, road, one):
    told = {found["class"]: found for found in stage.space("clinic").usage_classes()}[one.name]
    assert not told["enforced"]
    assert one.why in told["place"]
    with pytest.raises(SpaceError) as refused:
        stage.space("clinic").check_policy(one.document)
    assert refused.value.code == "policy.unenforceable"
    assert one.why in str(refused.value)
    config = stage.nodes["clinic"].file
    before = config.read_text()
    config.write_text(
        before + f'\n[[assets.offers]]\ntemplate = "train-only"\nterms = {{ duties = ["{one.duty}"] }}\n'
    )
    try:
        with pytest.raises(SpaceError) as refused:
            stage.space("clinic").reload_offers()
        assert one.why in str(refused.value)
    finally:
        config.write_text(before)


def test_every_class_has_a_test_here():
    tested = {
        *("allow-data-usage", "connector-restricted", "application-restricted", "location-restricted"),
        *("purpose-restricted", "role-restricted", "security-level-restricted", "event-restricted"),
        *("state-restricted", "restricted-number-of-usages", "interval-restricted", "duration-restricted"),
        *("modify-in-transit", "local-logging", "distribute-only-if-encrypted", *KEPT, *(one.name for one in DUTIES)),
    }
    assert tested == {one.name for one in CLASSES}

"""Three hospitals add up under masks: the sum is right, no number tells anything, and nobody cheats at the table."""

import json
from dataclasses import dataclass, field
from itertools import combinations

import pytest

from medspace.app.compose.connector import ALGORITHMS, ENGINES, ConnectorParts
from medspace.app.doors.sdk import SpaceError
from medspace.core.canonical import exact
from medspace.core.hashing import digest
from medspace.runs.model import CHECKPOINTS, RUNS
from tests.e2e.house.masked import MASKED, MODULUS, TRAIN, MaskedAlgorithm, MaskedEngine
from tests.e2e.space import PURPOSE, audited, hospital, staged, step, table
from tests.runs import manifest_of, signed

HOSPITALS = ("north", "south", "west")
SUM_OF_AGES = {"task": MASKED, "column": "age", "purpose": PURPOSE, "min_sites": 3}


@dataclass(frozen=True)
class Watched(MaskedEngine):
    """Keeps what leaves the hospital, and what the hospital is not to give away."""

    left: list = field(default_factory=list)
    gone: list = field(default_factory=list)

    def answer(self, admission, step, workplace):
        if step.name in self.gone:
            raise OSError("the hospital is gone")  # it breaks before anything leaves
        output = super().answer(admission, step, workplace)
        self.left.append(output)
        return output


@pytest.fixture
def engines():
    return {key: Watched() for key in HOSPITALS}


@pytest.fixture
def stage(tmp_path_factory, engines):
    with staged(tmp_path_factory.mktemp("masked")) as stage:
        algorithms = (*ALGORITHMS, MaskedAlgorithm)
        stage.add("authority")
        for seed, key in enumerate(HOSPITALS, 1):
            made = {**ENGINES, (TRAIN, MASKED): lambda key=key: engines[key]}
            stage.add(key, hospital(seed, min_sites=3), parts=ConnectorParts(engines=made))
        stage.add("user", parts=ConnectorParts(algorithms=algorithms))
        stage.open()
        stage.admit()
        yield stage


@pytest.fixture
def agreements(stage):
    return [stage.agree("user", key) for key in HOSPITALS]


@pytest.fixture(autouse=True)
def fresh(engines):
    yield
    for engine in engines.values():
        engine.left.clear()
        engine.gone.clear()


def ages(seed):
    return sum(int(line.split(",")[1]) for line in table(seed).splitlines()[1:])


def masked(engine):
    (value,) = [int(output.values["masked"], 16) for output in engine.left if output.kind == "masked.sum"]
    return value


def kept(stage, collection):
    connector = stage.nodes["user"].connector
    return stage.run(connector.node.database.read(lambda tx: tx.find(collection)))


def test_the_masks_cancel_in_the_whole_set_and_nowhere_else(stage, engines, agreements, tmp_path):
    run = stage.space("user").train(SUM_OF_AGES, agreements, wait=60)
    assert run["state"] == "finished", run
    truth = [ages(seed) for seed in range(1, 4)]
    assert run["model"]["result"] == {"sum": sum(truth)}
    shown = [masked(engine) for engine in engines.values()]
    assert sum(shown) % MODULUS == sum(truth)
    for some in (1, 2):  # no hospital by itself, no two together
        for chosen in combinations(range(3), some):
            assert sum(shown[i] for i in chosen) % MODULUS != sum(truth[i] for i in chosen)
    assert audited(stage, tmp_path)["outcome"] == "verified"


def test_what_peers_send_goes_through_the_user_and_is_sealed(stage, engines, agreements):
    stage.space("user").train(SUM_OF_AGES, agreements, wait=60)
    sent = [output for engine in engines.values() for output in engine.left if output.kind == "masked.seeds"]
    assert sorted(len(output.outbox) for output in sent) == [0, 1, 2]
    seeds = [seed for output in sent for seed, _ in json.loads(output.memory).values()]
    assert len(set(seeds)) == 3
    carried = json.dumps([output.outbox for output in sent])
    assert not any(seed in carried or bytes.fromhex(seed).decode("latin-1") in carried for seed in seeds)
    assert all(saved.mail == {} for saved in kept(stage, CHECKPOINTS))  # nothing is kept once it was delivered


def test_where_one_vanishes_nothing_opens(stage, engines, agreements):
    engines["west"].gone.append("sum")
    with pytest.raises(SpaceError):
        stage.space("user").train(SUM_OF_AGES, agreements, wait=60)
    (run,) = [one for one in kept(stage, RUNS) if one.failure is not None]
    assert run.model is None
    assert run.round == 2
    two = [masked(engines[key]) for key in ("north", "south")]
    assert sum(two) % MODULUS != ages(1) + ages(2)


def test_a_user_who_shows_two_manifests_is_found_by_the_audit(stage, agreements, tmp_path):
    user, ids = stage.space("user"), [stage.nodes[key].did for key in HOSPITALS]
    uses = {key: user.request(agreement, TRAIN)["id"] for key, agreement in zip(HOSPITALS, agreements, strict=True)}
    shown = {}
    for key, nonce in zip(HOSPITALS[:2], "01", strict=True):  # the same run, to each hospital another table
        seats = dict(zip(ids, agreements, strict=True))
        manifest = manifest_of(stage.nodes["user"].did, SUM_OF_AGES, seats, run="urn:run:two", nonce=nonce * 64)
        text = signed(manifest, stage.nodes["user"].signer)
        stage._seated[uses[key]] = SUM_OF_AGES
        assert stage.post("user", key, uses[key], "/manifest", {"manifest": text}).status_code == 200
        shown[key] = manifest.digest
        # It is admitted, and would seal for peers: that these have no keys is told by the engine.
        stage.ask("user", key, uses[key], step("share", task=SUM_OF_AGES))
    noted = {key: stage.entries(key, "use.admitted")[-1]["facts"]["manifest"] for key in shown}
    assert noted == shown
    assert len(set(noted.values())) == 2
    for without in ((), ("user",)):
        report = audited(stage, tmp_path, without=without)
        assert report["outcome"] == "failed"
        assert "run.manifest.two" in {finding["code"] for finding in report["findings"]}


def test_a_user_that_seats_itself_is_refused(stage, agreements):
    use = stage.space("user").request(agreements[0], TRAIN)["id"]
    answer = stage.sit("user", "north", use, SUM_OF_AGES, ("south", "user"))
    assert (answer.status_code, answer.json()["cause"]) == (403, "run.own_seat")
    control = stage.sit("user", "north", use, SUM_OF_AGES, ("south", "west"))
    assert control.status_code == 200


def test_the_task_of_the_manifest_is_that_of_the_run(stage, agreements):
    stage.space("user").train(SUM_OF_AGES, agreements, wait=60)
    entries = [stage.entries(key, "use.admitted")[-1]["facts"] for key in HOSPITALS]
    assert {entry["task"] for entry in entries} == {digest(exact(SUM_OF_AGES))}
    assert len({(entry["run"], entry["manifest"]) for entry in entries}) == 1

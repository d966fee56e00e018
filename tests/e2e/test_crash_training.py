"""`kill -9` while models are trained: every run that was confirmed ends, with the model that it would have had."""

import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from medspace.app.compose.sdk import Space
from medspace.app.node.config import read_config
from tests.e2e import settled
from tests.e2e.business import Business, members
from tests.e2e.crash import Crowd, insist, kill_at_random, told, until

TASK = {
    "task": "glm",
    "family": "binomial",
    "target": "disease > 0",
    "purpose": "ehds:HealthcareScientificResearch",
    "l2": 1.0,
    "standardise": True,
    "missing": "indicator+mean",
    "max_rounds": 20,
    "min_sites": 1,
    "min_cohort": 10,
    "features": [{"name": "age"}],
}


@pytest.fixture
def crowd(tmp_path) -> Iterator[Crowd]:
    with members(tmp_path, "user") as crowd:
        yield crowd


class Research:
    """Trains the same model over and over under one agreement; keeps the runs that were confirmed."""

    def __init__(self, business: Business) -> None:
        self.business = business
        self.runs: dict[str, Any] = {}  # the coefficients of each

    def turn(self, _chance: random.Random) -> None:
        """Train once."""
        with self.business.user.space() as user:
            agreement = self.business.agree(user)
            self.train(user, agreement)

    def train(self, user: Space, agreement: str) -> None:
        run = insist(lambda: user._post("/runs", {"task": TASK, "agreements": [agreement]}))
        self.runs[run["id"]] = None
        ended = until(lambda: user._get(f"/runs/{run['id']}"), "finished", "failed", "cancelled")
        assert ended["state"] == "finished", ended
        self.runs[run["id"]] = ended["model"]["coefficients"]


def check_rounds(user: settled.Kept, runs: Research) -> None:
    """Each run was started and finished once, and its rounds are told once each, in order."""
    for run in runs.runs:
        told_of = [entry for entry in user.entries if entry.facts.get("run") == run]
        kinds = Counter(entry.kind for entry in told_of)
        rounds = [entry.facts["round"] for entry in told_of if entry.kind == "run.round"]
        assert (kinds["run.started"], kinds["run.finished"], kinds["run.failed"]) == (1, 1, 0)
        assert rounds == list(range(rounds[0], rounds[0] + len(rounds)))


def check_releases(holder: settled.Kept, user: settled.Kept) -> None:
    """What left the holder is in its log, and is what the user's log says that it took; nothing left twice."""
    released = {
        entry.facts["release"]: entry.facts["digest"] for entry in holder.entries if entry.kind == "use.released"
    }
    assert len(released) == sum(entry.kind == "use.released" for entry in holder.entries)
    for entry in user.entries:
        for answer in entry.facts.get("answers", ()) if entry.kind == "run.round" else ():
            assert released[answer["release"]] == answer["digest"]


async def live_and_check(crowd: Crowd, kills: int, seed: int, stories: int = 3) -> None:
    research = Research(Business(*crowd.nodes))
    research.turn(random.Random(0))  # what comes of it where nobody is killed
    undisturbed = next(iter(research.runs.values()))
    with told([research.turn] * stories, seed) as told_stories:
        kill_at_random(crowd.nodes, kills, seed)
    assert all(story.turns for story in told_stories)
    assert all(coefficients == undisturbed for coefficients in research.runs.values())
    for node in crowd.nodes:
        assert node.stop() == 0
    holder, user = [await settled.kept(read_config(node.config).database_url) for node in crowd.nodes]
    check_rounds(user, research)
    check_releases(holder, user)
    settled.check_processes_match(user, holder)


async def test_killed_connectors_train_the_same_model(crowd):
    await live_and_check(crowd, kills=30, seed=1)


@pytest.mark.slow
async def test_killed_connectors_train_the_same_model_for_long(crowd):
    await live_and_check(crowd, kills=500, seed=2, stories=6)

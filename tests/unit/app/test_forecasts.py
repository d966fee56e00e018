"""What a dry run of a training tells beforehand: all that the run itself would end with, as far as that is known."""

from dataclasses import replace

import pytest

from medspace.adapters.memory import ManualClock, MemoryDatabase
from medspace.app.features.training.service import Training
from medspace.connector.model import AGREEMENTS, Agreement
from medspace.learning.cox.service import CoxAlgorithm
from medspace.learning.glm.service import GlmAlgorithm
from medspace.learning.net.service import NetAlgorithm
from medspace.policy import templates
from medspace.runs.errors import (
    CodingDiffersError,
    SiteAwayError,
    TaskInvalidError,
    TooFewAskedError,
    TooFewMaskedError,
    UnitsDifferError,
)
from medspace.trust.model import Facts
from tests.unit.learning.simulated import SimulatedSites, coordinator

USER, TIME = "did:web:user.example", "2026-01-01T00:00:00.000Z"
PURPOSE = "ehds:HealthcareScientificResearch"
NET = {"task": "net", "target": "died", "features": [{"name": "age"}], "purpose": PURPOSE}
COX = {"task": "cox", "time": "weeks", "event": "died", "features": [{"name": "age"}], "purpose": PURPOSE}
GLM = {"task": "glm", "family": "binomial", "target": "died", "features": [{"name": "age"}], "purpose": PURPOSE}
KINDS = pytest.mark.parametrize("task", [COX, GLM], ids=["cox", "glm"])
COLUMNS = {"weeks": {"type": "number", "unit": "wk"}, "died": {"type": "integer"}, "age": {"type": "integer"}}


def published(**changes):
    columns = {name: said for name, said in (COLUMNS | changes).items() if said is not None}
    return {"columns": [{"name": name} | said for name, said in columns.items()]}


class Published:
    """What each site publishes (`runs.ports.Dictionaries`), by agreement: a dictionary, nothing, or an error."""

    def __init__(self, said):
        self.said = said

    async def dictionary(self, agreement):
        found = self.said[agreement]
        if isinstance(found, Exception):
            raise found
        return found


class Space:
    """A user with an agreement with each of some sites; no site can be asked anything but its dictionary."""

    def __init__(self, *said, **terms):
        self.database, self.clock = MemoryDatabase(), ManualClock()
        self.sites = SimulatedSites({})
        self.agreements = [f"urn:agreement:{number}" for number in range(len(said))]
        self.terms = terms
        leader = coordinator(self.sites, database=self.database, clock=self.clock)
        dictionaries = Published(dict(zip(self.agreements, said, strict=True)))
        leader = replace(
            leader, algorithms=(GlmAlgorithm(), CoxAlgorithm(), NetAlgorithm()), dictionaries=dictionaries
        )
        self.training = Training(USER, leader, self.database, lambda _tx, did: Facts(did, "DE"), self.clock)

    async def forecast(self, task, *, twice=False):
        await self.database.write(self._agree)
        document, found = await self.training.forecast(task, (1 + twice) * self.agreements)
        assert not self.sites.asked
        return document, found.facts, " ".join(map(str, found.sentences))

    def _agree(self, tx):
        for number, agreement in enumerate(self.agreements):
            site = site_of(number)
            parties = {"@id": agreement, "@type": "Agreement", "assigner": site, "assignee": USER, "target": "d"}
            policy = templates.build("train-only", offer_id="urn:offer:1", **self.terms) | parties
            digest = "sha256:" + 64 * "0"
            tx.insert(AGREEMENTS, Agreement(agreement, "urn:n", site, USER, "d", policy, digest, TIME, TIME))


def site_of(number):
    return f"did:web:site{number}"


@KINDS
async def test_a_task_that_fits_is_told_its_cost(task):
    document, facts, said = await Space(*4 * [published()]).forecast(task)
    assert document["purpose"] == PURPOSE
    assert (facts["epsilon"], facts["questions"]) == (None, 25)
    assert "it takes nothing from a privacy budget, and asks at most 25 questions." in said
    assert "Nobody can say" not in said
    assert "Warning:" not in said


async def test_a_survival_task_says_what_is_learned():
    _, facts, said = await Space(*4 * [published()]).forecast(COX)
    assert (
        facts["sums"] == 3 + 2 + 3
    )  # rows, events, deviance; of the age and whether it is missing: slopes, curvature
    assert f"{facts['sums']} sums with each step of the fit" in said
    assert "Nobody learns what happened to whom, or when." in said
    _, facts, said = await Space(*4 * [published()]).forecast(COX | {"grid": [10, 20]})
    assert facts["sums"] == 3 + 2 + 2 * 2 * 6
    assert "At each of 2 times" in said
    assert "Nobody learns what happened to whom, or when." not in said


async def test_a_net_says_what_is_learned_and_whether_updates_are_shown():
    _, facts, said = await Space(*4 * [published()]).forecast(NET)
    assert (facts["weights"], facts["questions"]) == (3, 32)  # of the age, whether it is missing, and the bias
    assert "the mean change of 3 weights" in said
    assert "in turn" not in said
    turns = NET | {"strategy": "cyclic", "cycle": [site_of(0), site_of(1)]}
    assert "all others see what one of them alone has changed" in (await Space(*4 * [published()]).forecast(turns))[2]
    searched = NET | {"search": {"rate": [0.1, 1.0]}, "validation": 0.2}
    assert "8 go to trying 2 combinations" in (await Space(*4 * [published()]).forecast(searched))[2]


@KINDS
@pytest.mark.parametrize(
    ("wanted", "sites", "error"),
    [
        ({"min_sites": 5}, 4, TooFewAskedError),
        ({"min_sites": 40}, 4, TooFewAskedError),
        ({}, 2, TooFewMaskedError),
        ({}, 1, TooFewMaskedError),
    ],
)
async def test_too_few_sites_are_refused_as_the_run_would(task, wanted, sites, error):
    with pytest.raises(TooFewAskedError) as refused:
        await Space(*sites * [published()]).forecast(task | wanted)
    assert type(refused.value) is error
    assert refused.value.facts["asked"] == sites


@KINDS
async def test_more_sites_that_a_contract_wants_are_refused(task):
    with pytest.raises(TooFewAskedError):
        await Space(*4 * [published()], min_sites=6).forecast(task)


@KINDS
async def test_a_site_named_twice_is_refused(task):
    space = Space(*4 * [published()])
    with pytest.raises(TaskInvalidError):
        await space.forecast(task, twice=True)


@pytest.mark.parametrize("column", ["weeks", "died", "age"])
async def test_a_column_that_a_site_lacks_is_refused(column):
    with pytest.raises(CodingDiffersError, match=f"there is no column {column}"):
        await Space(*3 * [published()], published(**{column: None})).forecast(COX)


async def test_times_in_other_units_are_refused():
    months = published(weeks={"type": "number", "unit": "mo"})
    with pytest.raises(UnitsDifferError):
        await Space(*3 * [published()], months).forecast(COX)


async def test_an_event_that_is_coded_is_refused():
    coded = published(died={"type": "code", "codes": {"y": "yes", "n": "no"}})
    with pytest.raises(CodingDiffersError, match="holds codes"):
        await Space(*4 * [coded]).forecast(COX)


@KINDS
async def test_sites_that_cannot_be_looked_at_are_said(task):
    away = SiteAwayError(site=site_of(3), reason="it is silent")
    *_, said = await Space(published(), published(), None, away).forecast(task)
    assert f"Warning: {site_of(2)} publishes no columns" in said
    assert f"whether the task fits the data at {site_of(3)} is not known" in said
    assert "it is silent" in said


@KINDS
async def test_a_contract_that_does_not_allow_the_purpose_is_said(task):
    space = Space(*4 * [published()], purposes=["ehds:PublicHealthSurveillance"])
    *_, said = await space.forecast(task)
    assert said.count("Warning: its contract does not let") == 4

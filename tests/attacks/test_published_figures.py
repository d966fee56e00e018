"""Watching one patient leave: the figures of a catalogue, read before and after a new version of a dataset.

Anybody in the space reads the catalogue, and searches it by size, as often as they like.
"""

import asyncio
from datetime import UTC, datetime

import msgspec
import pytest

from medspace.adapters.memory import ManualClock, MemoryDatabase, SeededRandomness
from medspace.app.node.config import read_config
from medspace.app.node.holdings import arrange, offer, prepare
from medspace.connector.catalogue import figures
from medspace.connector.catalogue.facets import FacetIndex, facts_of
from medspace.connector.catalogue.finding import listed
from medspace.connector.local import Local
from medspace.connector.model import CATALOGUE, FIGURES
from medspace.privacy import figures as rounding
from medspace.privacy.figures import DatasetFigures, PatientCounts, figures_of

DID = "did:web:holder.example"
KINDS = {"medspace:train"}
LOCAL = Local(DID, "https://holder.example/dsp", ManualClock(datetime(2026, 1, 1, tzinfo=UTC)), SeededRandomness())
CONFIG = """
[participant]
name = "Clinic"
[public]
port = 8101
[private]
port = 8102
[space]
authority = "did:web:authority.example"
authority_key = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
[[assets]]
id = "clinic"
title = "Clinic"
source = "rows.csv"
dictionary = "clinic.toml"
offers = [{template = "train-only"}]
label = {purposes = ["ehds:HealthcareScientificResearch"], kinds = ["medspace:train"], regions = ["World"]}
"""
DICTIONARY = """
title = "Clinic"
person = "patient"
[columns.patient]
type = "code"
[columns.age]
type = "integer"
unit = "a"
[columns.rare]
type = "integer"
"""
BOTH = 'publish = ["size", "missing"]'
FIRST = range(60, 460)  # patients of the first version
attack = "catalogue: one patient joins or leaves, and the figures tell"


class Watched:
    """A dataset in its catalogue, as somebody sees it who reads it after every version."""

    def __init__(self, folder, publish=BOTH):
        self.folder, self.database = folder, MemoryDatabase()
        self.write(publish)
        (folder / "clinic.toml").write_text(DICTIONARY)

    def write(self, publish):
        (self.folder / "c.toml").write_text(CONFIG + publish)

    def version(self, patients, rare=0):
        """A new extract: so many patients, of whom so many have no value in the column `rare`."""
        rows = [f"p{n},{30 + n % 50},{'' if n < rare else n % 7}" for n in range(patients)]
        (self.folder / "rows.csv").write_text("\n".join(["patient,age,rare", *rows]) + "\n")
        return asyncio.run(self._started())

    async def _started(self):
        wanted = prepare(read_config(self.folder / "c.toml"))
        await self.database.write(lambda tx: arrange(tx, LOCAL, wanted, KINDS))
        for one in filter(lambda one: one.offered, wanted):
            held = one.open()
            await self.database.write(lambda tx, held=held: offer(tx, LOCAL, held, KINDS))
        return await self.database.read(lambda tx: tx.get(CATALOGUE, "clinic"))

    def seen(self, dataset):
        """What one reads of it, and every size with which one finds it."""
        shown = listed(DID, msgspec.json.decode(dataset.body))
        index = FacetIndex.of([(shown, facts_of(shown))])
        sizes = [size for size in range(1, 600) if index.search("", {"size": [str(size)]}, limit=1, most=0).page]
        return shown["figures"], sizes


def told_apart(versions, remembering):
    """How many of these pairs of versions somebody tells apart by their figures."""
    found = 0
    for counted, later in versions:
        first = figures_of(counted, 10)
        found += figures_of(later, 10, first if remembering else None) != first
    return found


def pairs():
    """Versions that differ by one patient, who has a value or has not, and all shares of missing values."""
    for persons in FIRST:
        for missing in range(0, persons, 41):
            for more in (-1, 1):
                for without in (0, more):
                    later = PatientCounts(persons + more, {"rare": max(missing + without, 0)})
                    yield PatientCounts(persons, {"rare": missing}), later


def test_one_patient_moves_no_figure(monkeypatch, attack_report):
    versions = list(pairs())
    assert told_apart(versions, remembering=True) == 0
    rounded_only = told_apart(versions, remembering=False)
    monkeypatch.setattr(rounding, "STEP", 1)
    exact = sum(counted != later for counted, later in versions)
    assert 0 < rounded_only < exact == len(versions)
    attack_report(attack, got=0, control=rounded_only, of=len(versions), unit="pairs of versions")


def test_neither_the_catalogue_nor_a_search_by_size_tells_that_a_patient_left(tmp_path):
    watched = Watched(tmp_path)
    before = watched.version(300, rare=150)
    after = watched.version(299, rare=149)
    assert before.digest != after.digest
    assert watched.seen(before) == watched.seen(after)
    told, sizes = watched.seen(after)
    assert told.pop("reached") == {}  # it is not used under consent
    assert told == {"persons": 300, "persons_step": 50, "missing": {"age": 0, "rare": 50}, "missing_step": 10}
    assert sizes == list(range(1, 301))  # no finer than the figure itself


def test_without_the_memory_of_the_last_figures_a_patient_who_leaves_is_seen(tmp_path):
    watched = Watched(tmp_path)
    before = watched.seen(watched.version(300))
    asyncio.run(watched.database.write(lambda tx: tx.delete(FIGURES, tx.get(FIGURES, "clinic"))))
    assert watched.seen(watched.version(299)) != before


def test_offering_it_anew_rounds_nothing_anew(tmp_path):
    watched = Watched(tmp_path)
    before = watched.seen(watched.version(300))
    watched.write("offered = false\n" + BOTH)
    assert watched.version(300) is None
    watched.write("")
    assert watched.seen(watched.version(299))[0]["persons"] is None
    watched.write(BOTH)
    assert watched.seen(watched.version(299)) == before


@pytest.mark.parametrize("publish", ["", "publish = []"])
def test_nothing_is_said_where_its_holder_chose_nothing(tmp_path, publish):
    watched = Watched(tmp_path, publish)
    shown = watched.version(300, rare=150)
    assert shown.figures is None
    assert "figures" not in shown.body
    assert "numberOfUniqueIndividuals" not in shown.body
    assert watched.seen(shown) == (figures.read(None), [])


def test_what_is_no_longer_published_is_gone_before_the_rows_are_read_again(tmp_path):
    watched = Watched(tmp_path)
    assert watched.version(300).figures is not None
    watched.write('publish = ["missing"]')
    wanted = prepare(read_config(tmp_path / "c.toml"))
    asyncio.run(watched.database.write(lambda tx: arrange(tx, LOCAL, wanted, KINDS)))
    left = asyncio.run(watched.database.read(lambda tx: tx.get(CATALOGUE, "clinic")))
    assert set(left.figures) == {"missing", "missing_step"}


@pytest.mark.parametrize("patients", [12, 49])
def test_of_few_patients_nothing_is_said(tmp_path, patients):
    watched = Watched(tmp_path)
    assert watched.version(patients, rare=6).figures is None
    kept = asyncio.run(watched.database.read(lambda tx: tx.get(FIGURES, "clinic")))
    assert kept.figures == DatasetFigures(0, 50)

"""Catalogues are asked again when they are older than wanted, when members change, and always where none is kept."""

from datetime import UTC, datetime
from types import SimpleNamespace

import msgspec
import pytest

from medspace.adapters.memory import ManualClock
from medspace.app.features.terms import searching
from medspace.app.features.terms.searching import CatalogueWishes, Searching, label
from medspace.app.node.lists import PageError
from medspace.connector.catalogue import figures
from medspace.connector.catalogue.finding import AwayError

NO_FIGURES = figures.read(None)
ME, CLINIC, OTHER = "did:web:me", "did:web:clinic", "did:web:other"


class Finder:
    """Answers with what each participant has, and counts how often all are asked."""

    def __init__(self, **catalogues):
        self.catalogues, self.asked = {CLINIC: ["b", "a"], OTHER: ["c"], **catalogues}, 0

    async def catalog(self, did):
        return [dataset(did, name) for name in self.catalogues[did]]

    async def everywhere(self, dids):
        self.asked += 1
        found = [one for did in dids for one in await self.catalog(did)]
        return found, [(OTHER, AwayError(did=OTHER, reason="x"))] * (OTHER not in dids)


def dataset(did, name):
    plain = {"participant": did, "id": name, "title": f"Title {name}", "description": "", "keywords": []}
    packed = msgspec.Raw(b"[]")
    return {
        **plain,
        "formats": ["medspace:train"],
        "offers": packed,
        "dictionary": msgspec.Raw(b"null"),
        "figures": NO_FIGURES,
    }


@pytest.fixture
def space():
    members = [SimpleNamespace(did=did, name=did.upper()) for did in (ME, CLINIC, OTHER)]
    node = SimpleNamespace(did=ME, clock=ManualClock(datetime(2026, 1, 1, tzinfo=UTC)), region=lambda _did: "DE")
    node.members = lambda: tuple(members)
    finder = Finder()
    return SimpleNamespace(
        node=node, finder=finder, members=members, search=Searching(SimpleNamespace(node=node, finder=finder)).search
    )


def names(found):
    return [one["id"] for one in found.page]


async def test_young_catalogues_are_searched_again_and_old_ones_asked_for(space):
    first, catalogues = await space.search(CatalogueWishes(age=60, most=5))
    assert (names(first), first.total) == (["a", "b", "c"], 3)
    assert [one.value for one in first.facets["holder"]] == [CLINIC, OTHER]
    space.finder.catalogues[CLINIC] = ["d"]
    kept, again = await space.search(CatalogueWishes("title", {"holder": [CLINIC]}, age=60))
    assert (names(kept), again.read, space.finder.asked) == (["a", "b"], catalogues.read, 1)
    space.node.clock.advance(61)
    assert names((await space.search(CatalogueWishes(age=60)))[0]) == ["c", "d"]
    assert space.finder.asked == 2


async def test_without_an_age_and_after_a_change_of_members_everybody_is_asked(space):
    await space.search(CatalogueWishes(age=60))
    await space.search(CatalogueWishes("title"))
    await space.search(CatalogueWishes())
    assert space.finder.asked == 3
    space.members.pop()
    found, catalogues = await space.search(CatalogueWishes(age=60))
    assert (names(found), [did for did, _ in catalogues.unheard], space.finder.asked) == (["a", "b"], [OTHER], 4)


async def test_one_participant_is_asked_alone_and_a_list_has_no_facets(space):
    found, _ = await space.search(CatalogueWishes(participant=CLINIC, limit=1))
    assert (names(found), found.more, found.facets["kind"], space.finder.asked) == (["a"], True, (), 0)
    rest, _ = await space.search(CatalogueWishes(participant=CLINIC, after=f"{CLINIC} a"))
    assert names(rest) == ["b"]
    with pytest.raises(PageError):
        await space.search(CatalogueWishes(participant=CLINIC, after="gone"))


@pytest.mark.parametrize(("bound", "value", "left"), [("MOST_KEPT", 2, ["a", "c"]), ("LARGEST_KEPT", 26, ["a", "c"])])
async def test_whoever_offers_more_than_its_share_is_cut_and_told_and_the_rest_is_kept(
    space, monkeypatch, bound, value, left
):
    monkeypatch.setattr(searching, bound, value)
    for _ in range(2):
        found, catalogues = await space.search(CatalogueWishes(age=60))
        assert names(found) == left
        assert [(did, error.code, error.facts["count"]) for did, error in catalogues.unheard] == [
            (CLINIC, "find.partly", 1)
        ]
    assert space.finder.asked == 1
    everything, catalogues = await space.search(CatalogueWishes())
    assert (names(everything), catalogues.unheard) == (["a", "b", "c"], []), "a control: a list has no index"


def test_values_are_called_what_people_call_them():
    names = {CLINIC: "Clinic"}
    told = {
        ("holder", CLINIC): "Clinic",
        ("holder", OTHER): OTHER,
        ("purpose", "dpv:Marketing"): "marketing",
        ("kind", "medspace:train"): "train a model on the data",
        ("until", "open"): "without an end",
        ("until", "2030"): "2030",
        ("region", "DE"): "DE",
    }
    assert {one: label(*one, names, str) for one in told} == told

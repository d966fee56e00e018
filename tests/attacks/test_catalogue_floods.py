"""A member whose catalogue is odd or very large: the others are found all the same, and nobody waits for long."""

import json
from datetime import UTC, datetime
from types import SimpleNamespace

import msgspec
import pytest

from medspace.adapters.memory import ManualClock
from medspace.app.features.terms import searching
from medspace.app.features.terms.searching import CatalogueWishes, Searching
from medspace.connector.catalogue import facets, shares
from medspace.connector.catalogue.facets import FacetIndex, gathering
from medspace.connector.catalogue.finding import listed
from medspace.policy import templates

ME, LIAR, CLINIC = "did:web:me", "did:web:liar", "did:web:clinic"
RESEARCH = "ehds:HealthcareScientificResearch"
MEMBERSHIP = {"leftOperand": "MembershipCredential", "operator": "eq", "rightOperand": "active"}
PURPOSE = {"leftOperand": "purpose", "operator": "eq", "rightOperand": "urn:none"}


def offer(number=0):
    return templates.build("train-only", offer_id=f"urn:offer:{number}", purposes=[RESEARCH])


def constrained(constraint):
    return {"@id": "urn:odd", "@type": "Offer", "permission": [{"action": "use", "constraint": [constraint]}]}


def dataset(did, name, offers=(), **more):
    shown = listed(did, {"@id": name, "title": f"Title {name}", "hasPolicy": list(offers), **more})
    return shown | {part: msgspec.Raw(json.dumps(shown[part]).encode()) for part in ("offers", "dictionary")}


class Space:
    """One honest clinic, one liar, and the searches of a third; `ticks` are what the timer tells."""

    def __init__(self, lies, ticks=0.0):
        self.catalogues, self.asked, self.time = {LIAR: lies, CLINIC: [dataset(CLINIC, "heart", [offer()])]}, 0, 0.0
        clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
        members = tuple(SimpleNamespace(did=did, name=did) for did in (ME, *self.catalogues))
        node = SimpleNamespace(did=ME, clock=clock, region=lambda _did: "DE", members=lambda: members)
        self.ticks = ticks
        self.searching = Searching(SimpleNamespace(node=node, finder=self), self.timer)

    def timer(self):
        self.time += self.ticks
        return self.time

    async def everywhere(self, dids):
        self.asked += 1
        return [one for did in dids for one in self.catalogues[did]], []

    async def search(self, words="", **chosen):
        found, catalogues = await self.searching.search(CatalogueWishes(words, chosen, age=60, most=10))
        return found, {did: error.facts["count"] for did, error in catalogues.unheard}


@pytest.mark.parametrize("constraint", [MEMBERSHIP, PURPOSE])
async def test_terms_that_nobody_could_enforce_hide_nothing_of_the_others(constraint):
    space = Space(
        [dataset(LIAR, "odd", [constrained(constraint), offer()]), dataset(LIAR, "none", [constrained(constraint)])]
    )
    found, told = await space.search("title")
    assert (found.total, told) == (3, {})
    useful, _ = await space.search(purpose=(RESEARCH,))
    assert [one["id"] for one in useful.page] == ["heart", "odd"]
    assert [(one.value, one.count) for one in found.facets["until"]] == [("open", 2)], "the odd offer has no end"


async def test_of_very_many_offers_few_are_looked_at_and_one_at_a_time(monkeypatch):
    lies = dataset(LIAR, "many", [offer(number) for number in range(500)])

    def steps():
        return len(list(gathering(lies, "", None)))

    assert steps() == facets.MOST_OFFERS + 2
    _, told = await Space([lies]).search()
    assert told == {LIAR: 1}
    assert (await Space([dataset(LIAR, "few", [offer()])]).search())[1] == {}, "a control"
    monkeypatch.setattr(facets, "MOST_OFFERS", 500)
    assert steps() == 502, "a control: without the bound"


async def test_an_offer_that_is_very_long_is_not_looked_at():
    long = offer() | {"permission": offer()["permission"] * 100}
    found, told = await Space([dataset(LIAR, "long", [long])]).search(purpose=(RESEARCH,))
    assert ([one["participant"] for one in found.page], told) == ([CLINIC], {LIAR: 1})


async def test_whoever_takes_too_long_to_look_at_is_searched_by_titles_and_the_others_in_full():
    lies = [dataset(LIAR, f"{number:03d}", [offer()], description="deep") for number in range(20)]
    slow = Space(lies, ticks=0.25)
    found, told = await slow.search("title")
    assert (found.total, told) == (21, {LIAR: 18}), "each step takes a quarter of a second, each dataset three"
    assert (await slow.search("deep"))[0].total == 2
    assert [one["participant"] for one in (await slow.search(purpose=(RESEARCH,)))[0].page].count(CLINIC) == 1
    assert (await Space(lies).search("deep"))[1] == {}, "a control: the same, quickly"


async def test_whoever_says_too_much_is_searched_in_part(monkeypatch):
    lies = [dataset(LIAR, f"{number}", description="deep") for number in range(4)]
    assert (await Space(lies).search("deep"))[0].total == 4
    monkeypatch.setattr(shares, "MOST_TEXT", 40)
    found, told = await Space(lies).search("deep")
    assert (found.total, told) == (2, {LIAR: 2})
    monkeypatch.setattr(facets, "LONGEST_TEXT", 20)
    assert (await Space(lies).search())[1] == {LIAR: 4, CLINIC: 1}


async def test_a_flood_of_empty_datasets_makes_nobody_read_all_catalogues_again(monkeypatch):
    monkeypatch.setattr(searching, "MOST_KEPT", 100)
    space = Space([dataset(LIAR, f"{number:03d}") for number in range(300)])
    for _ in range(3):
        found, told = await space.search()
        assert (found.total, told) == (100, {LIAR: 201})
    assert (space.asked, (await space.search("heart"))[0].total) == (1, 1)
    small = Space([dataset(LIAR, f"{number:03d}") for number in range(99)])
    assert (await small.search())[1] == {}, "a control"


def test_very_many_words_cost_no_more_than_ten(monkeypatch):
    entries = [({"participant": LIAR, "id": f"{n}"}, facets.DatasetFacts({}, "abcdefghijklmnop")) for n in range(9)]
    index = FacetIndex.of(entries)
    monkeypatch.setattr(facets, "WINDOW", 3)

    def steps(words):
        return len(list(index.searching(words, {}, limit=5, most=5))) - len(facets.FACETS) - 1

    assert steps("a " * 100) == steps("a") == 3, "the same word counts once, and yields after three datasets each"
    assert steps(" ".join("abcdefghijklmnop")) == 3 * facets.MOST_WORDS
    assert steps("z " + " ".join("abcdefgh")) == 3, "nothing is left to look for"
    assert index.search("b o", {}, limit=5, most=5).total == 9, "a control: what all say is found across windows"

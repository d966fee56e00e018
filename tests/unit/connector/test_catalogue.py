"""Publishing, withdrawing, and pages that cost the same however many there are."""

import msgspec
import pytest

from medspace.connector.catalogue.finding import listed
from medspace.connector.catalogue.service import Catalogue, publish, withdraw
from medspace.connector.errors import FilterError, MessageError, OfferError, UnknownDatasetError
from medspace.connector.model import CATALOGUE, Dataset
from medspace.core.hashing import digest
from tests.protocol import schemas
from tests.unit.connector.parties import CONTEXT

LABEL = "sha256:" + "0" * 64
TRAIN = {"@id": "urn:offer:1", "@type": "Offer", "permission": [{"action": "medspace:train"}]}
REQUEST = msgspec.json.encode({"@context": CONTEXT, "@type": "CatalogRequestMessage"})
AVAILABLE = ("medspace:train", "medspace:statistics")


def dataset(asset="urn:asset:1", **members):
    fields = {
        "id": asset,
        "title": "Hearts",
        "description": "",
        "keywords": ("heart",),
        "offers": (TRAIN,),
        "formats": ("medspace:train",),
        "label": LABEL,
        "published": "",
    }
    return Dataset(**{**fields, **members})


@pytest.fixture
def catalogue(provider):
    return Catalogue(provider.database, provider.local)


async def offer(party, *datasets):
    def unit(tx):
        return [publish(tx, party.local, one, AVAILABLE) for one in datasets]

    return await party.database.write(unit)


async def test_what_is_published_stands_in_the_catalogue_and_in_the_log(provider, catalogue):
    (made,) = await offer(provider, dataset())
    page = msgspec.json.decode((await catalogue.request(REQUEST)).content)
    assert page["participantId"] == provider.did
    (shown,) = page["dataset"]
    assert shown["@id"] == "urn:asset:1"
    assert "target" not in shown["hasPolicy"][0]
    assert shown["distribution"][0]["accessService"] == page["service"][0]["@id"]
    assert page["service"][0]["endpointURL"] == provider.address
    single = msgspec.json.decode(await catalogue.dataset("urn:asset:1"))
    assert single == {"@context": CONTEXT, **shown}
    (entry,) = await provider.log()
    assert entry["kind"] == "offer.published"
    assert entry["facts"]["label"] == LABEL
    assert (await catalogue.find("urn:asset:1")) == made


CONTENT = "sha256:" + "1" * 64
DICTIONARY = {"title": "Hearts", "columns": [{"name": "age", "type": "number", "minimum": "0.0", "maximum": "120.0"}]}


async def test_a_dataset_shows_its_dictionary_and_which_content_it_has(provider, catalogue):
    await offer(provider, dataset(dictionary=DICTIONARY, digest=CONTENT))
    shown = msgspec.json.decode(await catalogue.dataset("urn:asset:1"))
    assert shown["medspace:dictionary"] == {"@type": "@json", "@value": DICTIONARY}
    assert shown["medspace:digest"] == CONTENT
    found = listed(provider.did, shown)
    assert (found["dictionary"], found["digest"]) == (DICTIONARY, CONTENT)
    (entry,) = await provider.log()
    assert (entry["facts"]["dataset"], entry["facts"]["dictionary"]) == (CONTENT, digest(DICTIONARY))


@pytest.mark.skipif(not schemas.available(), reason=schemas.MISSING)
async def test_a_dataset_with_a_dictionary_is_valid_under_the_published_schema(provider, catalogue):
    await offer(provider, dataset(dictionary=DICTIONARY, digest=CONTENT))
    for content in (await catalogue.dataset("urn:asset:1"), (await catalogue.page()).content):
        assert schemas.faults(msgspec.json.decode(content)) == []


@pytest.mark.parametrize("value", ["text", {"@value": "text"}, {"@value": [1]}, [], 7])
def test_a_dictionary_of_another_form_is_none(value):
    assert listed("did:web:x", {"@id": "urn:a", "medspace:dictionary": value})["dictionary"] is None


async def test_an_asset_without_a_table_shows_neither(provider, catalogue):
    await offer(provider, dataset())
    shown = msgspec.json.decode(await catalogue.dataset("urn:asset:1"))
    assert not [name for name in shown if name.startswith("medspace:")]
    (entry,) = await provider.log()
    assert not {"dataset", "dictionary"} & set(entry["facts"])


async def test_new_terms_replace_old_ones_and_withdrawing_ends_it(provider, catalogue):
    await offer(provider, dataset())
    await offer(provider, dataset(title="More hearts"))
    assert (await catalogue.find("urn:asset:1")).title == "More hearts"
    await provider.database.write(lambda tx: withdraw(tx, provider.local, "urn:asset:1"))
    with pytest.raises(UnknownDatasetError):
        await catalogue.dataset("urn:asset:1")
    with pytest.raises(UnknownDatasetError):
        await provider.database.write(lambda tx: withdraw(tx, provider.local, "urn:asset:1"))
    assert await provider.kinds() == ["offer.published", "offer.published", "offer.withdrawn"]


async def test_an_empty_catalogue_leaves_the_list_out(catalogue):
    page = await catalogue.request(REQUEST)
    assert "dataset" not in msgspec.json.decode(page.content)
    assert page.links is None


@pytest.mark.parametrize(
    "bad",
    [
        {"offers": ()},
        {"formats": ()},
        {"formats": ("medspace:train", "HttpData-PULL")},
        {"offers": ({**TRAIN, "target": "urn:asset:1"},)},
        {"offers": ({"@id": "urn:o"},)},
        {"offers": ({**TRAIN, "@id": ""},)},
        {"offers": (TRAIN, TRAIN)},
        {"offers": ({**TRAIN, "permission": [{"action": "medspace:train", "constraint": [{"or": []}]}]},)},
        {
            "offers": (
                {
                    **TRAIN,
                    "permission": [
                        {
                            "action": "medspace:train",
                            "constraint": [{"leftOperand": "moon", "operator": "eq", "rightOperand": "x"}],
                        }
                    ],
                },
            )
        },
    ],
)
async def test_what_could_not_be_served_as_promised_is_not_published(provider, bad):
    with pytest.raises(OfferError) as refused:
        await offer(provider, dataset(**bad))
    assert str(refused.value.text)
    assert await provider.log() == []
    assert await provider.database.read(lambda tx: tx.get(CATALOGUE, "urn:asset:1")) is None


def link(page, relation):
    for part in (page.links or "").split(", "):
        target, _, rel = part.partition("; ")
        if rel == f'rel="{relation}"':
            return target.strip("<>").partition("?")[2].partition("=")[2].replace("%3A", ":")
    return None


def ids(page):
    return [one["@id"] for one in msgspec.json.decode(page.content).get("dataset", [])]


async def test_pages_lead_forward_and_back_without_gaps(provider, catalogue):
    names = [f"urn:asset:{number:04}" for number in range(250)]
    await offer(provider, *(dataset(name) for name in names))
    first = await catalogue.request(REQUEST)
    assert link(first, "previous") is None
    second = await catalogue.request(REQUEST, after=link(first, "next"))
    third = await catalogue.request(REQUEST, after=link(second, "next"))
    assert ids(first) + ids(second) + ids(third) == names
    assert link(third, "next") is None
    back = await catalogue.request(REQUEST, before=link(third, "previous"))
    assert ids(back) == ids(second)
    assert link(back, "next") == link(second, "next")
    start = await catalogue.request(REQUEST, before=link(back, "previous"))
    assert ids(start) == ids(first)
    assert link(start, "previous") is None


@pytest.mark.parametrize("largest", [1, 800, 2_000])
async def test_pages_of_large_datasets_are_shorter_and_have_no_gaps_either(provider, catalogue, monkeypatch, largest):
    monkeypatch.setattr("medspace.connector.catalogue.rules.LARGEST_PAGE", largest)
    names = [f"urn:asset:{number:04}" for number in range(12)]
    await offer(provider, *(dataset(name) for name in names))
    pages, after = [], None
    while True:
        page = await catalogue.request(REQUEST, after=after)
        assert len(ids(page)) == 1 or len(page.content) < largest + 1_000
        pages.append(ids(page))
        after = link(page, "next")
        if after is None:
            break
    assert [name for page in pages for name in page] == names
    assert len(pages) > 1
    back = await catalogue.request(REQUEST, before=pages[-1][0])
    assert ids(back) == pages[-2]


async def test_a_page_is_a_bounded_look_at_the_database(provider, catalogue):
    asked = []
    real = provider.database.read

    async def read(view):
        class Seen:
            def __init__(self, tx):
                self.tx = tx

            def find(self, *args, **terms):
                asked.append(terms)
                return self.tx.find(*args, **terms)

        return await real(lambda tx: view(Seen(tx)))

    provider.database.read = read
    await catalogue.request(REQUEST, after="urn:asset:0100")
    assert asked == [{"after": "urn:asset:0100", "descending": False, "limit": 101}]


async def test_unknown_filters_and_other_messages_are_refused(catalogue):
    filtered = msgspec.json.encode({"@context": CONTEXT, "@type": "CatalogRequestMessage", "filter": ["x"]})
    with pytest.raises(FilterError):
        await catalogue.request(filtered)
    with pytest.raises(MessageError):
        await catalogue.request(b"{}")

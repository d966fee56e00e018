"""The catalogue beyond what the official kit looks at: filters, pages, compression."""

import re
from collections.abc import Iterator
from itertools import chain

import httpx
import pytest

from tests.protocol import schemas, wire
from tests.protocol.exchange import Target
from tests.protocol.process import system_under_test

DATASETS = [f"dataset-{number:03}" for number in range(250)]
HTTP = httpx.Client(timeout=20, trust_env=False, verify=False)


@pytest.fixture(scope="module", autouse=True)
def _closed_at_the_end() -> Iterator[None]:
    yield
    HTTP.close()


LINK = re.compile(r'<([^>]+)>\s*;\s*rel="?(\w+)"?')


@pytest.fixture(scope="module")
def paged() -> Iterator[Target]:
    """A catalogue of 250 datasets in pages of 100."""
    script = {"datasets": {dataset: {} for dataset in DATASETS}, "agreements": {}}
    with system_under_test(script, options=("--page-size", "100")) as target:
        yield target


def ask(url: str, **members) -> httpx.Response:
    return HTTP.post(url, json=wire.message("CatalogRequestMessage", **members))


def page(url: str) -> tuple[list[str], dict[str, str]]:
    answer = ask(url)
    assert answer.status_code == 200
    assert schemas.faults(answer.json()) == []
    links = {rel: str(httpx.URL(url).join(link)) for link, rel in LINK.findall(answer.headers.get("link", ""))}
    return [dataset["@id"] for dataset in answer.json()["dataset"]], links


def walk(url: str | None, direction: str) -> tuple[list[list[str]], str]:
    pages: list[list[str]] = []
    last = ""
    while url is not None:
        datasets, links = page(url)
        pages.append(datasets)
        last, url = url, links.get(direction)
    return pages, last


def test_next_links_walk_through_every_dataset_once(paged):
    pages, _ = walk(f"{paged.base}/catalog/request", "next")
    assert [len(datasets) for datasets in pages] == [100, 100, 50]
    assert sorted(chain(*pages)) == DATASETS


def test_previous_links_walk_back_the_same_pages(paged):
    forward, last = walk(f"{paged.base}/catalog/request", "next")
    backward, _ = walk(last, "previous")
    assert sorted(chain(*backward)) == DATASETS
    assert backward == forward[::-1]


def test_the_ends_of_the_catalogue_have_one_link_each(paged):
    _, first = page(f"{paged.base}/catalog/request")
    _, last_url = walk(f"{paged.base}/catalog/request", "next")
    _, last = page(last_url)
    assert set(first) == {"next"}
    assert set(last) == {"previous"}


def test_a_cursor_that_was_made_up_is_an_error_and_not_a_crash(paged):
    _, links = page(f"{paged.base}/catalog/request")
    made_up = re.sub(r"=[^&]*", "=%00%ff../..", links["next"])
    assert ask(made_up).status_code in {200, 400}


@pytest.mark.parametrize("given", [["keyword = 'heart'"], [{"anything": 1}], "text", {"a": 1}])
def test_a_filter_is_refused(sut, given):
    answer = ask(f"{sut.base}/catalog/request", filter=given)
    assert answer.status_code == 400
    assert answer.json()["@type"] == "CatalogError"
    assert answer.json()["code"]
    assert answer.json()["reason"]
    assert schemas.faults(answer.json()) == []


def test_an_empty_filter_is_none(sut):
    assert ask(f"{sut.base}/catalog/request", filter=[]).status_code == 200


def test_the_catalogue_comes_compressed_to_who_asks_for_it(sut):
    url = f"{sut.base}/catalog/request"
    body = wire.message("CatalogRequestMessage")
    zipped = HTTP.post(url, json=body, headers={"accept-encoding": "gzip"})
    plain = HTTP.post(url, json=body, headers={"accept-encoding": "identity"})
    assert zipped.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert zipped.json()["dataset"] == plain.json()["dataset"]


def test_an_unknown_dataset_is_a_404_with_code_and_reason(sut):
    answer = HTTP.get(f"{sut.base}/catalog/datasets/nothing")
    assert answer.status_code == 404
    assert answer.json()["code"]
    assert answer.json()["reason"]

"""A large asset, or one whose server does not answer, never keeps the public door closed."""

import dataclasses
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from medspace.app.compose.connector import ConnectorParts
from medspace.app.node.sources import SCHEMES, Scheme
from medspace.core.material import Form
from tests.e2e.space import ASSET, hospital, staged

FILE = SCHEMES[""]


class Slow:
    """Opens files, once it is let."""

    def __init__(self):
        self.began, self.go = threading.Event(), threading.Event()

    def open(self, location, dictionary):
        self.began.set()
        assert self.go.wait(60)
        return FILE.open(dataclasses.replace(location, address="rows.csv"), dictionary)


@pytest.fixture
def slow():
    made = Slow()
    yield made
    made.go.set()


def test_the_public_door_answers_while_an_asset_is_opened(tmp_path, slow):
    parts = ConnectorParts(sources={**SCHEMES, "slow": Scheme(Form.TABLE, slow.open)})
    with staged(tmp_path) as stage, ThreadPoolExecutor(1) as pool:
        stage.add("authority", dataclasses.replace(hospital(1), source="slow:rows"), parts=parts)
        node = stage.nodes["authority"]
        opening = pool.submit(stage.open)
        assert slow.began.wait(60)
        document = httpx.get(f"{node.url}/.well-known/did.json")
        assert (document.status_code, document.json()["id"]) == (200, node.did)
        assert not opening.done()
        slow.go.set()
        opening.result(60)
        assert stage.space("authority").status()["assets"] == [{"dataset": ASSET, "state": "open", "code": None}]
        assert [one["id"] for one in stage.space("authority").catalog(node.did)] == [ASSET]

"""Planted patients: the whole road is walked, and nothing of them is found anywhere but in the hospital's table."""

import json
import random

import pytest

from medspace.app.doors.sdk import SpaceError
from tests.attacks.logs import as_a_connector_logs
from tests.e2e.space import TASK, Holding, staged

ROWS = 60
NAMES = [f"Quendolina-{number:03d}-Wexstrom" for number in range(ROWS)]
PRESSURES = [f"{137 + number / 100 + 0.00831:.5f}" for number in range(ROWS)]  # no sum or mean looks like one


class Recorder:
    """An application that writes down every body and every header that passes."""

    def __init__(self, app, heard: list[bytes]) -> None:
        self._app, self._heard = app, heard

    async def __call__(self, scope, receive, send) -> None:
        self._heard.append(repr((scope.get("path"), scope.get("query_string"), scope.get("headers"))).encode())

        async def hearing():
            message = await receive()
            self._heard.append(message.get("body", b""))
            return message

        async def saying(message):
            self._heard.append(message.get("body", b"") + repr(message.get("headers")).encode())
            await send(message)

        await self._app(scope, hearing, saying)


def planted() -> str:
    chance = random.Random(3)
    lines = ["person,age,sex,sbp,disease"]
    for name, pressure in zip(NAMES, PRESSURES, strict=True):
        lines.append(f"{name},{chance.randint(30, 80)},{chance.choice('fm')},{pressure},{chance.randint(0, 1)}")
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def walked(tmp_path_factory):
    heard: list[bytes] = []
    logged: list[str] = []
    with staged(tmp_path_factory.mktemp("planted")) as stage:
        with as_a_connector_logs() as handler:
            handler.emit = lambda record: logged.append(handler.format(record))
            for key, holding in (("authority", None), ("clinic", Holding(planted())), ("user", None)):
                stage.add(key, holding, wrap=lambda app: Recorder(app, heard))
            stage.open()
            stage.admit()
            agreement = stage.agree("user", "clinic")
            with pytest.raises(SpaceError):
                stage.space("user").request(agreement, "HttpData-PULL")
            run = stage.space("user").train(TASK, [agreement], wait=60)
            with pytest.raises(SpaceError):
                stage.space("user").train(TASK | {"features": [{"name": "person"}]}, [agreement], wait=60)
            entries = [stage.entries(key) for key in stage.nodes]
            bundles = [stage.space(key).audit_bundle() for key in stage.nodes]
        kept = [file.read_bytes() for key in stage.nodes for file in stage.nodes[key].folder.glob("connector.db*")]
        yield {
            "run": [json.dumps(run).encode()],
            "HTTP": heard,
            "logged": [line.encode() for line in logged],
            "entries": [json.dumps([entries, bundles]).encode()],
            "databases": kept,
        }


def test_the_run_was_a_real_one(walked):
    assert json.loads(walked["run"][0])["model"]["rows"] == ROWS
    assert sum(map(len, walked["HTTP"])) > 10_000
    assert any(b"gradient" in body for body in walked["HTTP"])
    assert any(b"use.released" in body for body in walked["entries"])
    assert any(content.startswith(b"SQLite") for content in walked["databases"])


@pytest.mark.parametrize("where", ["run", "HTTP", "logged", "entries", "databases"])
def test_no_name_and_no_value_of_a_patient_is_there(walked, where):
    for content in walked[where]:
        for secret in (*NAMES, *PRESSURES):
            assert secret.encode() not in content

"""An engine that breaks leaves no admission without an end in the log."""

import pytest

from medspace.connector.usage.errors import UseFailedError
from tests.unit.connector.uses import admitted_house, call


async def test_an_engine_that_breaks_is_noted():
    house, token = await admitted_house()
    house.engine.error = ZeroDivisionError("a bug")
    with pytest.raises(UseFailedError) as broken:
        await house.control.step(call(token))
    assert isinstance(broken.value.__cause__, ZeroDivisionError)
    admitted, failed = await house.log()
    assert (admitted.kind, failed.kind) == ("use.admitted", "use.failed")
    assert failed.facts == {"admission": admitted.facts["admission"], "code": "use.failed"}
    house.engine.error = None
    assert await house.control.step(call(token))


async def test_an_engine_that_breaks_over_the_task_admits_nothing(monkeypatch):
    house, token = await admitted_house()

    def check(_task):
        raise ZeroDivisionError

    monkeypatch.setattr(house.engine, "check", check)
    with pytest.raises(UseFailedError):
        await house.control.step(call(token))
    assert await house.log() == []

"""An engine that breaks leaves no admission without an end in the log."""

import pytest

from tests.unit.connector.uses import admitted_house, call


async def test_an_engine_that_breaks_is_noted():
    house, token = await admitted_house()
    house.engine.error = ZeroDivisionError("a bug")
    with pytest.raises(ZeroDivisionError):
        await house.control.step(call(token))
    admitted, withheld = await house.log()
    assert (admitted.kind, withheld.kind) == ("use.admitted", "use.withheld")
    assert withheld.facts == {"admission": admitted.facts["admission"], "code": "use.broken"}
    house.engine.error = None
    assert await house.control.step(call(token))

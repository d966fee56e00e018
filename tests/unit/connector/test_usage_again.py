"""Answers that were given before, asked for again under what holds now."""

import pytest

from medspace.connector.model import AGREEMENTS
from medspace.connector.usage.errors import NotAdmittedError, UnknownJobError
from medspace.connector.usage.model import QUESTIONS
from tests.unit.connector.uses import LABEL, NOW, admitted_house, call


async def test_what_was_answered_is_not_given_again_once_the_label_forbids_it():
    house, token = await admitted_house()
    released = await house.control.step(call(token))
    assert await house.control.step(call(token)) == released
    await house.relabel(LABEL | {"kinds": ["medspace:statistics"]})
    with pytest.raises(NotAdmittedError):
        await house.control.step(call(token))
    assert (await house.kinds()).count("use.released") == 1


async def test_nothing_stands_any_more_where_the_agreement_is_gone():
    house, token = await admitted_house()
    await house.control.step(call(token))

    def gone(tx):
        tx.delete(AGREEMENTS, tx.get(AGREEMENTS, "urn:agreement:1"))
        (question,) = tx.find(QUESTIONS)
        with pytest.raises(UnknownJobError):
            house.control._door.stands(tx, call(token), question, NOW)

    await house.database.write(gone)

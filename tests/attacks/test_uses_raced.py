"""Many uses of one agreement at the same moment, to get one more out of a bounded number than was agreed."""

import asyncio

from medspace.adapters.sql import create, open_database
from medspace.app.compose.parts import COLLECTIONS
from medspace.connector.usage import gate
from medspace.connector.usage.door import Door
from medspace.core.errors import MedspaceError, WaitingError
from tests.unit.connector.uses import TASK, House, call

ALLOWED, USES = 20, 200


async def raced(folder, count=USES):
    """How many of so many uses at once are answered, over a real database."""
    url = f"sqlite:///{folder / 'uses.db'}"
    create(url, COLLECTIONS)
    async with open_database(url, COLLECTIONS) as database:
        house = House(database, limit=100_000, count=ALLOWED)
        await house.agree()
        jobs = [f"urn:job:{number}" for number in range(count)]
        tokens = [await house.start(job) for job in jobs]

        async def ask(number):
            task = TASK | {"seed": number}  # each asks something else
            while True:
                try:
                    await house.control.step(call(tokens[number], jobs[number], task=task))
                except WaitingError:
                    await asyncio.sleep(0.01)  # too many at once: asked again
                except MedspaceError as error:
                    return str(error.facts.get("decision", error.code))
                else:
                    return "released"

        return await asyncio.gather(*(ask(number) for number in range(count)))


async def test_a_bounded_number_of_uses_is_never_one_more(tmp_path, attack_report):
    ended = await raced(tmp_path)
    assert ended.count("released") == ALLOWED, set(ended)
    assert set(ended) == {"released", "policy.count"}
    attack_report("uses raced: answered beyond the agreed number", got=0, of=USES - ALLOWED, unit="uses")


async def test_without_the_count_all_are(tmp_path, monkeypatch, attack_report):
    monkeypatch.setattr(Door, "_uses_before", lambda *_: 0)
    monkeypatch.setattr(gate, "numbered", lambda *_: 0)
    answered = (await raced(tmp_path, 2 * ALLOWED)).count("released")
    assert answered == 2 * ALLOWED
    attack_report("uses raced: answered beyond the agreed number", control=answered - ALLOWED, unit="uses")

"""Who sits in a run beside a hospital: an ally of the user at the table knows one of the addends."""

from contextlib import suppress

from medspace.connector.usage.errors import NotAdmittedError
from medspace.core.usage import Brakes
from tests.unit.connector.test_usage_seats import B, asked, seated
from tests.unit.connector.uses import House

ROUNDS = 4


async def answers(*, on):
    """What a hospital that trains with B only gives away at a table where the user has seated an ally as well."""
    house = House(min_sites=3, holders=[B], brakes=Brakes(sites=on))
    house.sit = _by_hand
    await house.agree()
    token = await house.start()
    await seated(house, token)  # B, and one more
    got = 0
    for number in range(1, ROUNDS + 1):
        with suppress(NotAdmittedError):
            got += (await asked(house, token, round=number)).cohort > 0
    return got


async def _by_hand(_):
    """The seat is taken by hand."""


async def test_an_ally_of_the_user_gets_no_seat_beside_a_hospital_that_names_its_partners(attack_report):
    got, control = await answers(on=True), await answers(on=False)
    attack_report("table: answers with an ally seated", got=got, control=control, of=ROUNDS, unit="answers")
    assert (got, control) == (0, ROUNDS)

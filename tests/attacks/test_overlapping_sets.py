"""Three overlapping sets of hospitals: the totals of three masked fits give one hospital's own sum away.

The user sees totals over all hospitals of a run and nothing else. No two of its runs differ by one hospital, so that
no pair gives anybody away; two of them less the third are one hospital's sum, to the last digit.
"""

import pytest

from medspace.connector.usage.conditions.numbers import disclosed
from medspace.core.usage import Brakes
from medspace.privacy.overlaps import given_away
from tests.unit.connector.masking import MaskedHouse
from tests.unit.connector.uses import ASSET, HOLDER

OTHERS = {f"did:web:{name}.example": 1000.0 * at + 17.25 for at, name in enumerate("abcdef", 1)}  # what each sums up
A, B, C, D, E, F = OTHERS
RUNS = ((A, B, C), (D, E, F), (A, B, C, D, E, F))  # beside the hospital that is attacked: four, four, seven seats
OWN = float(sum(range(50)))


async def totals(house):
    """What the user hears: the totals of the runs that the hospital takes part in. The others refuse nothing."""
    found = []
    for number, others in enumerate(RUNS, 1):
        use = await house.use(number, others)
        try:
            own = (await use.ask("contribute")).values["sum"]  # goes into the total, under its mask
            await use.ask("open")
        except Exception as error:  # noqa: BLE001 - whatever refuses the run, the attack lacks this total
            found.append(str(getattr(error, "facts", {}).get("decision", error)))
            continue
        found.append(own + sum(OTHERS[other] for other in others))
    return found


@pytest.mark.parametrize("on", [True, False], ids=["on", "control"])
async def test_three_overlapping_sets(on, attack_report):
    house = MaskedHouse(brakes=Brakes(sets=on))
    seen = await totals(house)
    kept = await house.database.read(lambda tx: disclosed(tx, ASSET))
    named = "three overlapping sets of hospitals: hospitals whose sum is read exactly"
    if on:
        assert seen[1:] == ["use.sites_fixed", "use.sites_fixed"]
        assert given_away(kept.sets) == frozenset()
        attack_report(named, got=0, of=1, unit="hospitals")
        return
    first, second, third = seen
    assert first + second - third == OWN
    assert all(not given_away([one, other]) for one in kept.sets for other in kept.sets)
    assert given_away(kept.sets) == {HOLDER}
    attack_report(named, control=1, of=1, unit="hospitals")

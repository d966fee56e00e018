"""The same question again and again, so that the noise averages out: by steps that are repeated, and by two users."""

import base64
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from medspace.connector.model import AGREEMENTS
from medspace.connector.usage.errors import NotAdmittedError
from medspace.core.usage import Brakes
from medspace.privacy.masking.masks import unmasked
from medspace.privacy.noise.accounting import cost, sensitivity_for
from medspace.privacy.noise.clipping import scale_for, sensitivity
from medspace.privacy.noise.gaussian import seeded
from medspace.privacy.noise.sigma import SIGMA
from medspace.runs.masked.messages import CONTRIBUTE
from medspace.runs.masked.site import RING
from tests.attacks.canaries import SHARES, noise
from tests.attacks.masked_spying import contribution
from tests.masked import ADMISSION
from tests.unit.connector.budgeted import ONE, Budgeted, budgeted, limits
from tests.unit.connector.uses import KIND, TASK, USER, call, transfer_of
from tests.unit.learning.test_noisy_fit import masked_run

REPEATS = 32
STEPS = "a step of a masked round that is done again after each of 31 kills: different noises to average"
USERS = "a noisy sum asked for by two users again and again: error of the average, in patients"


# --- a step that is done again --------------------------------------------------------------------------------------
def noises(*, fresh):
    """The noise of a site's first contribution, which it makes again and again, as it was killed before it left.

    Whoever sees this has all seeds of the masks: more than any attacker.
    """
    table = masked_run()
    table.until(CONTRIBUTE)
    site, step = next(iter(table.due().items()))
    seat, summed = table.sites[site], table.procedure.summed
    state = summed.first()
    shape, sums = summed.shape(state), seat.engine.masked.task.summing.sums
    exact = np.array(sums(ADMISSION, table.task, summed.asked(state), shape, seat.rows, 1)[0])
    found = []
    for number in range(REPEATS):
        if fresh:  # the control
            known = msgspec.msgpack.decode(seat.memory)
            seat.memory = msgspec.msgpack.encode(known | {"noise": number.to_bytes(32, "big")})
        output = seat.answer(step)  # nothing of it is kept: the connector is killed here
        masks = msgspec.msgpack.decode(output.memory)["masks"]
        words = RING.from_bytes(base64.b64decode(contribution(output.values["signed"]).words), shape.count)
        peers = {(site, peer): seed for peer, seed in masks["pairs"].items()}
        found.append(np.array(RING.decode(unmasked(words, RING, {site: masks["own"]}, peers))) - exact)
    return np.array(found, dtype=float)


def left(found):
    """How large the noise is in the average of all, as a share of what it is in one."""
    return float(np.sqrt(np.square(found.mean(axis=0)).mean() / np.square(found).mean()))


def test_a_step_that_is_done_again_tells_nothing_more(attack_report):
    found = noises(fresh=False)
    assert (found == found[0]).all()
    assert 0.4 * SIGMA < np.sqrt(np.square(found[0]).mean()) < 1.8 * SIGMA
    attack_report(STEPS, got=1, of=REPEATS, unit="noises")


def test_with_noise_that_is_drawn_anew_it_averages_out(attack_report):
    found = noises(fresh=True)
    assert left(found) < 2.0 / np.sqrt(REPEATS)
    attack_report(STEPS, control=len(np.unique(found[:, 0])), of=REPEATS, unit="noises")


# --- two users who ask until nothing is left ------------------------------------------------------------------------
OTHER = "did:web:friend.example"
PIECES = 8  # of the year's budget: what one answer costs
ASKED = 64  # by each


async def started(house: Budgeted, user, number):
    """A use of a user under an agreement of its own; its token."""
    await house.agree(name=f"of-{number}")

    def work(tx):
        old = tx.get(AGREEMENTS, f"urn:agreement:of-{number}")
        tx.replace(AGREEMENTS, old, replace(old, consumer=user, policy=old.policy | {"assignee": user}))
        transfer = replace(transfer_of(f"urn:job:of-{number}", old.id, KIND), counterparty=user)
        return house.strategy.address(tx, transfer)

    address = await house.database.write(work)
    return str(address["endpointProperties"][0]["value"])


async def answered(brakes):
    """How many answers the two get, each use asking one question: another one each time, as to the same question in
    the same words everybody gets the answer that was given before.
    """
    house, _ = await budgeted(limits(), brakes=brakes)
    house.regions[OTHER] = "DE"
    got = 0
    for number in range(2 * ASKED):
        user = (USER, OTHER)[number % 2]
        try:
            token = await started(house, user, number)
            job, task = f"urn:job:of-{number}", TASK | {"rho": [ONE // PIECES]}
            await house.control.step(call(token, job=job, user=user, task=task, round=number + 1))
        except NotAdmittedError as refusal:
            assert refusal.facts["decision"] == "budget.year"  # noqa: PT017 - after some that are admitted
            continue
        got += 1
    return got


def error(answers, rho):
    """Of the average of so many noisy counts of patients that cost so much each: root mean square."""
    scale = scale_for(sensitivity_for(rho, SHARES), 1.0, 1)
    assert cost(sensitivity(1.0, scale, 1) ** 2, SHARES) <= rho
    drawn = noise(answers * 400, seeded(bytes(32), "repeats"), 1).reshape(400, answers)
    return float(np.sqrt(np.square(drawn.mean(axis=1) / scale).mean()))


async def test_two_users_who_ask_on_learn_no_more_than_one_who_takes_it_all_at_once(attack_report):
    got = await answered(Brakes())
    assert got == PIECES
    found, whole = error(got, ONE // PIECES), error(1, ONE)
    assert found == pytest.approx(whole, rel=0.15)
    attack_report(USERS, got=round(found, 1), of=round(whole, 1), unit="patients")


async def test_where_nothing_is_counted_the_average_reads_the_sum(attack_report):
    """The control: as many answers as they ask for, without noise that anybody pays for."""
    got = await answered(Brakes(budget=False))
    assert got == 2 * ASKED
    found, whole = error(got, ONE // PIECES), error(1, ONE)
    assert found < whole / 3.0
    attack_report(USERS, control=round(found, 1), of=round(whole, 1), unit="patients")

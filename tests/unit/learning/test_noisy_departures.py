"""Hospitals that leave a fit with noise, in whatever step: it goes on while the thresholds hold, and says who was in.

What each total holds is checked to the last unit: the sums of those in it, and just their noise.
"""

import base64
import math
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from medspace.core.engine import Workplace
from medspace.core.errors import InvalidInputError
from medspace.core.usage import Brakes
from medspace.learning.glm.engine import GlmEngine
from medspace.learning.glm.service import GlmAlgorithm
from medspace.privacy.masking.masks import unmasked
from medspace.privacy.masking.thresholds import LEAST_SITES, Thresholds
from medspace.privacy.noise.accounting import cost
from medspace.privacy.noise.gaussian import SIGMA, draw, seeded
from medspace.runs.masked import messages, records
from medspace.runs.masked.contributing import RING
from medspace.runs.masked.memory import Remembered
from tests.masked import ADMISSION, CLOCK, COORDINATOR, Coordinated, Seated, names, seated
from tests.unit.learning.noisy import TASK, NoisyRun, patients

FIVE = names(5)
TOTALS = 5  # of a fit
EXACT = {name: value for name, value in TASK.items() if name != "noise"}


class Hospital(Seated):
    """One hospital at the table; `paid`: what its use is asked is bounded by a privacy budget, as its door knows."""

    rows = None
    paid = True
    brakes = Brakes()

    def answer(self, step):
        admission = replace(ADMISSION, holder=self.did, asset=self.did, brakes=self.brakes, noisy=self.paid)
        rows = self.rows if step.name == "contribute" else None
        return self.engine.answer(admission, step, Workplace(rows, self.randomness, CLOCK, self.memory, self.keys))

    def remembered(self):
        return msgspec.msgpack.decode(self.memory, type=Remembered)

    def at(self, name, question):
        """What it did in this step of this question."""
        found = [one for one in self.said if one[0].name == name and one[0].inputs.get("question") == question]
        return found[0][1] if found else None


def hospitals(seats=5, task=TASK, **more):
    procedure = GlmAlgorithm().prepare(task | {"noise": {"epsilon": 10.0}} if "noise" in task else task)
    opened = NoisyRun([patients(200, seed) for seed in range(seats)]).sites
    sites = {}
    for rows, (site, one) in zip(opened, seated([0] * seats, colluders=1).items(), strict=True):
        sites[site] = Hospital(site, GlmEngine(), one.keys, one.randomness)
        sites[site].rows, sites[site].paid = rows, "noise" in task
    return Coordinated(sites, procedure=procedure, task=procedure.document, **more)


def lost(step, question, site=FIVE[1], **more):
    """A run that a hospital is lost in at this step; as `site` nobody: whose turn it is to propose."""
    gone = set()
    table = hospitals(gone=lambda one, _step, _question: one in gone, **more)
    table.until(step, question)
    gone.add(site or table.state["proposer"])
    return table, gone.copy().pop()


def totals(table):
    """Each question's record, as one of the hospitals keeps it."""
    found = {}
    for seat in table.sites.values():
        for _, output in seat.said:
            if output.record is not None:
                one = records.read(output.record.decode())
                found[one.question] = one
    return [found[number] for number in sorted(found)]


def noise(seat, question, count):
    """What a hospital adds to its sums."""
    stream = seeded(seat.remembered().noise, f"{seat.keys.manifest.digest} {question}")
    return draw(count, stream)


def held(table, record):
    """The sums of those in a total, and their noise."""
    kind = GlmEngine().masked.task
    summed = kind.summed(table.task)
    asked, shape = summed.asked(record.state), summed.shape(record.state)
    admitted = NoisyRun([patients(10)]).admitted
    sums, drawn = [], []
    for site in record.sites:
        seat = table.sites[site]
        sums.append(kind.summing.sums(admitted, table.task, asked, shape, seat.rows, record.question)[0])
        drawn.append(noise(seat, record.question, shape.count))
    return np.sum(sums, axis=0), drawn


# --- it goes on ----------------------------------------------------------------------------------------------------
PLACES = [
    ("contribute", 1, 0),
    ("agree", 1, 0),
    ("open", 1, 1),
    ("contribute", 3, 2),
    ("agree", 3, 2),
    ("open", 3, 3),
    ("propose", 2, 2),
    ("contribute", 5, 4),
    ("propose", 5, 5),
    ("result", 5, 5),
]


@pytest.mark.parametrize(("step", "question", "whole"), PLACES)
def test_a_fit_with_noise_goes_on_without_a_hospital_that_is_lost_at_any_step(step, question, whole):
    table, site = lost(step, question, None if step == "propose" else FIVE[1])
    result = table.to_the_end()
    rest = [one for one in FIVE if one != site]
    took = result.content["opened"]["outcome"]["took"]
    assert took == [FIVE] * whole + [rest] * (TOTALS - whole)
    assert list(result.sites) == sorted(result.content["opened"]["signed"]) == rest
    first = len(took[0]) * 200  # patients
    assert result.rows == pytest.approx(first, abs=100)
    assert all(math.isfinite(float(term["coefficient"])) for term in result.content["terms"])


@pytest.mark.parametrize(("step", "question"), [("contribute", 3), ("agree", 2), ("open", 4)])
def test_a_total_holds_the_sums_and_the_noise_of_those_in_it_and_nothing_of_who_left(step, question):
    table, site = lost(step, question)
    table.to_the_end()
    found = totals(table)
    assert len(found) == TOTALS
    assert [site in one.sites for one in found].count(False) == TOTALS - question + (step != "open")
    summed = GlmEngine().masked.task.summed(table.task)
    for record, following in zip(found, [*(one.state for one in found[1:]), found[-1].following], strict=True):
        assert summed.follow(record.state, record.numbers, record.proposal) == following  # nothing begins again
        sums, drawn = held(table, record)
        assert (np.array(record.numbers) == sums + np.sum(drawn, axis=0)).all()
        assert len(drawn) - 1 >= 3  # besides the one that may tell its own


def test_without_noise_the_same_totals_are_the_bare_sums():  # the control: it is noise that the test above finds
    table, _ = lost("contribute", 3)
    for seat in table.sites.values():
        seat.brakes = Brakes(noise=False)
    table.to_the_end()
    last = totals(table)[-1]
    assert (np.array(last.numbers) == held(table, last)[0]).all()


def test_what_is_opened_of_who_left_opens_nothing_that_it_had_sent_before():
    left = False
    table = hospitals(gone=lambda one, _step, _question: left and one == FIVE[1])
    seat = table.sites[FIVE[1]]
    table.until("agree", 2)
    sent = messages.said(seat.at("contribute", 2).values["signed"])
    words = base64.b64decode(messages.read(sent, messages.MaskedContribution, seat.did).words)
    before = seat.remembered().masks
    table.until("agree", 3)
    after, left = seat.remembered().masks, True
    table.until("propose", 3)
    given = table.sites[FIVE[0]].remembered().opening.pairs
    assert given == {seat.did: after.pairs[FIVE[0]].hex()}
    table.to_the_end()

    def shown(pairs):  # its own mask of that question was opened then, as of everybody in the total
        seeds = {(seat.did, peer): seed for peer, seed in pairs.items()}
        return RING.decode(unmasked(RING.from_bytes(words, count), RING, {seat.did: before.own}, seeds))

    record = totals(table)[1]
    count = len(record.numbers)
    sums, _ = held(table, msgspec.structs.replace(record, sites=[seat.did]))
    own = (sums + noise(seat, 2, count)).tolist()
    assert shown(before.pairs) == own  # the control: these are the masks that hide it
    assert not set(shown(after.pairs)) & set(own)


def test_a_contribution_that_is_made_again_after_a_kill_has_other_masks_and_the_same_noise():
    table = hospitals()
    table.until("contribute", 2)
    seat, (step, *_) = table.sites[FIVE[1]], table.due().values()

    def unmasked_of(output):
        masks = msgspec.msgpack.decode(output.memory, type=Remembered).masks
        said = messages.said(output.values["signed"])
        content = base64.b64decode(messages.read(said, messages.MaskedContribution, seat.did).words)
        seeds = {(seat.did, peer): seed for peer, seed in masks.pairs.items()}
        words = RING.from_bytes(content, len(content) // RING.size)
        return masks.own, RING.decode(unmasked(words, RING, {seat.did: masks.own}, seeds))

    step = replace(step, inbox=table.mail[seat.did])
    (one, sent), (other, again) = unmasked_of(seat.answer(step)), unmasked_of(seat.answer(step))
    assert one != other
    assert sent == again
    released = seat.do(step)
    assert seat.again(step) is released


# --- where it ends -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("task", [TASK, EXACT], ids=["noise that is not paid for", "no noise"])
def test_control_a_site_that_knows_of_no_budget_signs_no_list_without_it(task):
    table, _ = lost("contribute", 3, task=task)
    for seat in table.sites.values():
        seat.paid = False
    with pytest.raises(InvalidInputError) as refused:
        table.to_the_end()
    assert (refused.value.code, refused.value.named) == ("masked.survivors", COORDINATOR)
    assert "its own terms" in str(refused.value.text)
    assert all(seat.at("open", 3) is None for seat in table.sites.values())


def test_with_fewer_than_the_noise_counts_on_nothing_is_opened_and_all_is_said():
    table = hospitals(
        seats=4, gone=lambda one, step, question: one == FIVE[1] and step == "contribute" and question > 1
    )
    with pytest.raises(InvalidInputError) as refused:
        table.to_the_end()
    assert refused.value.code == "masked.survivors"
    assert "of 4 sites 3 are left, and 4 are needed" in str(refused.value.text)
    assert refused.value.next_step
    assert all(seat.at("open", 2) is None for seat in table.sites.values())


def test_a_use_that_has_paid_for_noise_gives_no_total_without_it():
    table = hospitals(seats=4, task=EXACT)
    for seat in table.sites.values():
        seat.paid = True
    with pytest.raises(InvalidInputError, match="would carry no noise"):
        table.to_the_end()
    assert all(seat.at("contribute", 1) is None for seat in table.sites.values())


def test_a_total_that_may_be_opened_has_the_noise_that_is_paid_for():
    for seats in range(4, 15):
        for colluders in range(seats):
            for least in range(LEAST_SITES, seats + 1):
                terms = Thresholds.for_seats(seats, colluders, least)
                if terms.problem is None:
                    honest = terms.fewest_survivors - colluders
                    assert honest >= least
                    assert cost(SIGMA * SIGMA, honest) <= cost(SIGMA * SIGMA, least)
                    assert terms.lost_too_many(terms.fewest_survivors - 1) is not None


def test_two_lists_of_one_question_differ_by_one_hospital_and_its_noise_so_at_most_one_is_opened():
    deceived = FIVE[0]

    def carry(site, step):
        if site != deceived or step.name != "agree":
            return step
        texts = {name: text for name, text in step.inputs["texts"].items() if name != FIVE[4]}
        return replace(step, inputs={**step.inputs, "texts": texts})

    table = hospitals(carry=carry)
    with pytest.raises(InvalidInputError) as refused:
        table.to_the_end()
    assert refused.value.named == COORDINATOR
    assert all(seat.at("open", 1) is None for seat in table.sites.values())


# --- people --------------------------------------------------------------------------------------------------------
def test_people_are_told_that_hospitals_left_and_whose_number_of_patients_it_is():
    table, _ = lost("contribute", 3)
    said = lambda result: [str(text) for text in table.procedure.describe(result, {}).sentences]  # noqa: E731
    assert "5 were in the first total and 4 in the last" in said(table.to_the_end())[-1]
    assert not any("Hospitals left" in text for text in said(hospitals().to_the_end()))

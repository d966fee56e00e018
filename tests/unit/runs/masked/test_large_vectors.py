"""Large vectors under masks: what comes out, what a coordinator that lies about their sum can do, what it cannot."""

import tracemalloc
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from medspace.app.features.training.views import PROTECTIONS as SHOWN
from medspace.core.engine import MASKED_SUMS, MASKED_WEIGHTS
from medspace.core.errors import InvalidInputError
from medspace.core.parts import Part
from medspace.ledger.lineage import PROTECTIONS as LINEAGE
from medspace.privacy.masking.ring import Ring
from medspace.runs.errors import AnswersInvalidError
from medspace.runs.masked import vectors
from medspace.runs.masked.errors import TotalInvalidError
from medspace.runs.masked.ports import Shape
from medspace.runs.masked.vectors import MEDIA_TYPE
from tests.e2e.house.big_vector import (
    AVERAGING,
    FRACTION,
    Averaging,
    AveragingAlgorithm,
    AveragingTask,
    moved,
)
from tests.masked import names
from tests.unit.runs.masked.carried import table

COUNT, CLIP, ROUNDS = 100_001, 0.5, 2
RING = Ring(32)


def task(count=COUNT):
    return {
        "task": AVERAGING,
        "count": count,
        "clip": str(CLIP),
        "rounds": ROUNDS,
        "min_sites": 3,
        "protection": MASKED_WEIGHTS,
    }


class Rows:
    """Twenty persons of one age."""

    def __init__(self, age):
        self.age = age

    def persons(self):
        return np.arange(20)

    def numbers(self, column):
        return np.full(20, float(self.age))


def around(folder, sites=5, count=COUNT, **seats):
    procedure = AveragingAlgorithm().prepare(task(count))
    rows = [Rows(40 + 3 * number) for number in range(sites)]
    return table(folder, rows, task(count), AveragingTask(), procedure, **seats)


def averaged(ages, count=COUNT, rounds=ROUNDS):
    weights = np.zeros(count)
    for _ in range(rounds):
        weights += np.mean([moved(weights, np.full(20, float(age)), 0, CLIP) for age in ages], axis=0)
    return weights


def weights_at(carrying, site):
    """The weights that a site has now."""
    state = state_of(carrying, site)
    seat = carrying.sites[site]
    with seat.store.of(seat.keeping).open(Part(state["weights"][0], MEDIA_TYPE, state["weights"][1])) as source:
        return np.frombuffer(source.read(), "<f4")


def state_of(carrying, site):
    return msgspec.msgpack.decode(carrying.sites[site].memory)["state"]


def tolerance(rounds=ROUNDS):
    return rounds * 2.0 ** -(FRACTION + 1) + 2.0**-22


# --- what comes out -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("count", [1, COUNT, 98_303, 98_304, 98_305])  # a block, one less, one more
def test_the_weights_are_those_of_the_plain_clipped_average(tmp_path, count):
    carrying = around(tmp_path, count=count)
    result = carrying.to_the_end()
    assert result.rows == 100
    truth = averaged(range(40, 55, 3), count)
    for site in carrying.sites:
        assert np.abs(weights_at(carrying, site) - truth).max() <= tolerance()


def test_each_site_is_brought_the_sum_and_no_other_vector(tmp_path):
    carrying = around(tmp_path)
    carrying.to_the_end()
    vector = 4 * (COUNT + 1)
    assert carrying.sent == [*[vector] * 2 * 5 * ROUNDS, 4 * COUNT]  # to and fro; the weights leave one site, once


def test_a_site_that_may_leave_is_lost_after_its_vector_came(tmp_path):
    carrying, gone = around(tmp_path, 8, leaving=range(8)), set()
    carrying.gone = lambda site, _step, _question: site in gone
    carrying.until("agree", 2)
    gone.add(names(8)[2])
    carrying.to_the_end()
    ages = [40 + 3 * number for number in range(8)]
    first = averaged(ages, rounds=1)
    left = [age for age in ages if age != 46]
    truth = first + np.mean([moved(first, np.full(20, float(age)), 0, CLIP) for age in left], axis=0)
    assert np.abs(weights_at(carrying, names(8)[0]) - truth).max() <= tolerance()


def test_whoever_was_to_give_the_weights_away_may_be_lost_too(tmp_path):
    carrying, gone = around(tmp_path, 8, leaving=range(8)), set()
    carrying.gone = lambda site, _step, _question: site in gone
    carrying.until("result", ROUNDS)
    gone.add(carrying.state["proposer"])
    result = carrying.to_the_end()
    assert len(result.content["opened"]["signed"]) == 7
    assert carrying.sent[-1] == 4 * COUNT


def test_a_few_blocks_are_in_memory_however_large_the_vectors_are(tmp_path):
    count = 1 << 22
    carrying = around(tmp_path, 5, count)
    carrying.until("contribute", 2)
    tracemalloc.start()
    try:
        carrying.until("propose", 2)
        carrying.step()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < count  # bytes: a quarter of one vector


# --- a coordinator that lies ----------------------------------------------------------------------------------------
def another(carrying, part, change):
    """A part like this one, changed by whoever carries it."""
    with carrying.blobs.open(part) as source:
        words = np.frombuffer(source.read(), "<u4").copy()
    change(words)
    with carrying.blobs.create(MEDIA_TYPE) as made:
        made.write(words.tobytes())
    return made.part


def shifted(words):
    words[7] += np.uint32(1 << FRACTION)  # by one: of five sites, the weight moves by a fifth


def test_another_total_for_one_site_is_found_before_anybody_opens(tmp_path):
    carrying = around(tmp_path)
    one = names(5)[3]
    carrying.swap = lambda site, part: another(carrying, part, shifted) if site == one else part
    with pytest.raises(InvalidInputError) as refused:
        carrying.to_the_end()
    assert refused.value.code == "masked.survivors"
    assert refused.value.named == "did:web:coordinator"
    assert not any(output.kind == "masked.opening" for seat in carrying.sites.values() for _, output in seat.said)


def test_control_the_same_total_for_all_is_opened(tmp_path):
    carrying = around(tmp_path)
    carrying.swap = lambda site, part: another(carrying, part, lambda words: None)
    carrying.to_the_end()


def test_a_total_that_the_coordinator_shifted_is_not_found_and_the_lineage_says_so(tmp_path):
    carrying = around(tmp_path)
    carrying.swap = lambda site, part: another(carrying, part, shifted) if carrying.state["question"] == 1 else part
    carrying.until("result", ROUNDS)
    (asked,) = {
        output.worded.inputs["weights"][0]
        for seat in carrying.sites.values()
        for step, output in seat.said
        if step.name == "contribute" and output.worded.round == 2
    }
    seat = carrying.sites[names(5)[0]]
    truth = averaged(range(40, 55, 3), rounds=1)
    with seat.store.of(seat.keeping).open(Part(asked, MEDIA_TYPE, 4 * COUNT)) as source:
        chosen = np.frombuffer(source.read(), "<f4")
    assert chosen[7] - truth[7] == pytest.approx(1 / 5, abs=1e-4)  # the weight that it chose, in the next question
    carrying.to_the_end()
    for words in (LINEAGE[MASKED_WEIGHTS], SHOWN[MASKED_WEIGHTS]):
        assert "coordinator could choose weights" in words


@pytest.mark.parametrize("times", [0, 2])
def test_a_site_that_is_left_out_or_counted_twice_makes_noise(tmp_path, times):
    """Masks hold each site in a total exactly once."""
    carrying = around(tmp_path)

    def weighted(site, part):
        with carrying.blobs.open(Part(*carrying.state["parts"][names(5)[1]][:1], MEDIA_TYPE, part.size)) as source:
            vector = np.frombuffer(source.read(), "<u4")
        return another(
            carrying, part, lambda words: np.add(words, vector * np.uint32((times - 1) % (1 << 32)), out=words)
        )

    carrying.swap = weighted
    with pytest.raises(TotalInvalidError) as ended:
        carrying.to_the_end()
    assert "round 1 cannot be right" in str(ended.value)


def test_a_total_of_another_size_is_refused(tmp_path):
    carrying = around(tmp_path)

    def cut(site, part):
        with carrying.blobs.create(MEDIA_TYPE) as made:
            made.write(b"\0" * (part.size - 4))
        return made.part

    carrying.swap = cut
    with pytest.raises(InvalidInputError) as refused:
        carrying.to_the_end()
    assert refused.value.named == "did:web:coordinator"


def test_a_coordinator_that_brings_no_total_is_refused(tmp_path):
    carrying = around(tmp_path)
    carrying.carry = lambda _site, step: replace(step, parts=())
    with pytest.raises(InvalidInputError) as refused:
        carrying.to_the_end()
    assert refused.value.code == "masked.survivors"


def test_a_site_adds_up_nothing_large_under_a_protection_that_promises_more(tmp_path):
    carrying = around(tmp_path)
    for seat in carrying.sites.values():
        seat.protection = MASKED_SUMS
    with pytest.raises(InvalidInputError):
        carrying.to_the_end()
    for seat in carrying.sites.values():
        assert not any(step.name == "contribute" for step, _ in seat.said)


@pytest.mark.parametrize(("shares", "noisy"), [(3, False), (0, True), (3, True)])
def test_what_is_to_carry_noise_is_not_added_up_without_it(tmp_path, monkeypatch, shares, noisy):
    plain = Averaging.shape
    monkeypatch.setattr(Averaging, "shape", lambda self, state: replace(plain(self, state), shares=shares))
    carrying = around(tmp_path)
    for seat in carrying.sites.values():
        seat.noisy = noisy
    with pytest.raises(InvalidInputError, match="would carry no noise"):
        carrying.to_the_end()


# --- what has no place ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "shape",
    [
        Shape(5, 8, 1 << 30, 32),
        Shape(5, 8, (1, 2, 3, 4, 5), 32),
        Shape(5, 8, 1, 192),
        Shape(0, 8, 1, 32),
        Shape(1 << 31, 8, 1, 32),
    ],
)
def test_what_has_no_place_is_refused(shape):
    with pytest.raises(InvalidInputError):
        vectors.check_place(shape, 5)
    vectors.check_place(Shape(5, 8, 1 << 28, 32), 5)
    vectors.check_place(Shape(5, 8, 1 << 30, 64), 5)


@pytest.mark.parametrize("blocks", [[[1, 2]], [[1, 2], [3, 4]], [[1, 2], [9]], [[1, -9], [3]]])
def test_a_site_sends_just_what_was_agreed(tmp_path, blocks):
    carrying = around(tmp_path)
    given = [np.array(block, np.int32) for block in blocks]
    with pytest.raises(InvalidInputError):
        vectors.hidden(given, Shape(3, 0, 8, 32), "a", {}, bytes(32), carrying.blobs)
    vectors.hidden([np.array([1, -8, 8])], Shape(3, 0, 8, 32), "a", {}, bytes(32), carrying.blobs)


def test_the_coordinator_adds_up_what_is_alike(tmp_path):
    carrying = around(tmp_path)
    parts = []
    for size in (8, 12, 8):
        with carrying.blobs.create(MEDIA_TYPE) as made:
            made.write(bytes(range(size)))
        parts.append(made.part)
    for wrong, bits in ((parts[:2], 32), (parts[1:2], 64), (parts[:1], 192), ([], 32)):
        with pytest.raises(AnswersInvalidError):
            vectors.added(wrong, bits, carrying.blobs)
    total = vectors.added(parts[::2], 32, carrying.blobs)
    with carrying.blobs.open(total) as source:
        assert source.read() == bytes(2 * number for number in range(8))

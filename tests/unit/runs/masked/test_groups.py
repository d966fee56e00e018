"""Masked rounds of sites in groups, each of which opens a total of its own: what comes out, however it goes."""

from dataclasses import dataclass, replace

import msgspec
import pytest

from medspace.core.canonical import canonical
from medspace.core.engine import MASKED_GROUPS
from medspace.core.errors import InvalidInputError
from medspace.core.text import Text
from medspace.core.usage import Step
from medspace.ledger.report import AuditOutcome
from medspace.privacy.masking.errors import ThresholdsInvalidError
from medspace.privacy.masking.masks import masked
from medspace.runs.masked import records, replay
from medspace.runs.masked.errors import ProposalInvalidError, TotalInvalidError
from medspace.runs.masked.grouping import division, split
from medspace.runs.masked.leading import Kinds, MaskedProcedure
from medspace.runs.masked.memory import Remembered
from medspace.runs.masked.messages import MaskedContribution, Opening, label
from medspace.runs.ports import Demands
from medspace.trust.envelope import unproven
from tests.masked import FRACTION, Coordinated, Toy, names, seated
from tests.unit.runs.masked.test_masked_crashes import Surviving
from tests.unit.runs.masked.test_replay import FIRST, log, shown


@dataclass(frozen=True)
class InGroups(Toy):
    """The middle of the totals of three groups is what is asked about next."""

    questions: int = 2
    groups: int = 3
    trim: int = 1
    most: int = 0  # of the numbers of one site, where the task bounds them

    def check(self, state, total, sites):
        super().check(state, total, sites)
        if self.most and total[0] > sites * self.most << FRACTION:
            raise TotalInvalidError(round=state["question"], reason=Text("it is too large for so many sites"))

    def propose(self, state, total):
        return {}

    def follow(self, state, total, proposal, sites=0):
        if proposal:
            raise ProposalInvalidError(state["question"], Text("nothing is proposed"))
        totals = split(total, self.groups)
        middle = sorted(one[0] for one in totals)[self.groups // 2]
        persons = sum(one[2] for one in totals)
        return {"question": state["question"] + 1, "about": str(middle), "persons": persons}


NUMBERS = tuple(range(11, 29, 2))  # nine sites; without colluders three are enough in each group


def table(numbers=NUMBERS, toy=InGroups(), colluders=0, protection=MASKED_GROUPS, cls=Coordinated, **more):
    seats = {name: more.pop(name) for name in ("leaving", "nonce", "min_sites") if name in more}
    sites = seated(numbers, toy=toy, colluders=colluders, protection=protection, **seats)
    procedure = MaskedProcedure(toy, Kinds("toy.progress", "toy.model"), {"task": "toy"}, Demands(), (), None)
    return cls(sites, procedure=procedure, **more)


def groups_at(made):
    keys = next(iter(made.sites.values())).keys
    return division(keys.terms.manifest, keys.seats, 3)


def middle_of(made, numbers, gone=()):
    value = dict(zip(names(len(numbers)), numbers, strict=True))
    totals = [sum(value[site] for site in group if site not in gone) for group in groups_at(made)]
    return str(sorted(totals)[1] << FRACTION)


# --- what comes out ------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def played():
    made = table()
    return made, made.to_the_end()


def test_what_counts_is_made_of_the_totals_of_the_groups(played):
    made, result = played
    assert result.content["about"] == middle_of(made, NUMBERS)
    assert result.rows == 20 * len(NUMBERS)
    assert set(result.content["opened"]["signed"]) == set(names(9))


def test_every_site_sees_the_totals_of_all_groups_and_shares_with_its_own_alone(played):
    made, _ = played
    groups = groups_at(made)
    value = dict(zip(names(9), NUMBERS, strict=True))
    for site, seat in made.sites.items():
        own = next(group for group in groups if site in group)
        found = [records.read(one.record.decode()) for _, one in seat.said if one.record is not None]
        assert [one.groups for one in found] == [[*map(list, groups)]] * 2
        assert [one[0] for one in split(found[0].numbers, 3)] == [
            sum(value[one] for one in group) << FRACTION for group in groups
        ]
        posted = [output for step, output in seat.said if step.name in ("share", "contribute")]
        assert all(set(output.outbox) <= set(own) for output in posted)


def test_an_auditor_follows_the_totals_of_groups(played):
    made, _ = played
    texts = [output.record.decode() for _, output in made.sites[FIRST].said if output.record is not None]

    def outcomes(toy, changed):
        found = replay.check([shown(FIRST, changed)], lambda _: toy, {FIRST: log(FIRST, changed)})
        return {one.code for one in found if one.outcome is AuditOutcome.FAILED}

    assert outcomes(InGroups(), texts) == set()
    assert outcomes(Toy(questions=2), texts) != set()  # a task without groups has no such totals
    less = msgspec.structs.replace(records.read(texts[0]), groups=[])
    assert outcomes(InGroups(), [records.written(less).decode()]) != set()
    moved = records.read(texts[0])
    moved = msgspec.structs.replace(moved, groups=[moved.groups[0][1:], *moved.groups[1:]])
    assert outcomes(InGroups(), [records.written(moved).decode()]) != set()


@pytest.mark.parametrize("liars", [1, 2])
def test_a_total_is_held_against_what_its_own_group_can_say(liars):
    """Of nine sites the total would be small enough, of three it is not; one group may say what it likes."""
    lying = [group[0] for group in groups_at(table())[:liars]]
    numbers = [80 if site in lying else 10 for site in names(9)]
    made = table(numbers, InGroups(most=30))
    if liars == 1:
        assert made.to_the_end().content["about"] == str(30 << FRACTION)
        return
    with pytest.raises(TotalInvalidError):
        made.to_the_end()


@pytest.mark.parametrize("groups", [True, False])
def test_a_site_whose_masks_do_not_cancel_spoils_its_group_and_ends_no_run(groups, monkeypatch):
    """The control: without groups it ends, and names nobody."""
    liar = names(9)[4]

    def another(words, ring, me, pairs, own):
        return masked(words, ring, me, pairs, bytes(32) if me == liar else own)

    monkeypatch.setattr("medspace.runs.masked.contributing.masked", another)
    made = table(toy=InGroups() if groups else Toy(questions=1))
    if not groups:
        with pytest.raises(TotalInvalidError):
            made.to_the_end()
        return
    result = made.to_the_end()
    value = dict(zip(names(9), NUMBERS, strict=True))
    honest = [sum(value[site] for site in group) << FRACTION for group in groups_at(made) if liar not in group]
    assert result.content["about"] == str(sorted([0, *honest])[1])  # which says 0


# --- who may be with whom ------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("sites", "colluders"), [(8, 0), (11, 1), (14, 2)])
def test_where_one_group_would_be_too_small_nobody_says_anything(sites, colluders):
    made = table(range(1, sites + 1), colluders=colluders)
    with pytest.raises(ThresholdsInvalidError):
        made.to_the_end()
    assert not any(seat.said for seat in made.sites.values())
    more = table(range(1, sites + 2), colluders=colluders)
    assert more.step()


def test_a_contract_that_promises_the_sum_over_all_gets_no_groups():
    made = table(protection="masked-sums")
    with pytest.raises(InvalidInputError, match="fewer sites than its protection promises"):
        made.to_the_end()
    assert not any(seat.said for seat in made.sites.values())


# --- lost, and killed ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("step", ["contribute", "agree", "open"])
def test_a_site_of_one_group_may_be_lost(step):
    numbers, gone = list(range(1, 13)), set()
    made = table(numbers, leaving=range(12), gone=lambda site, _step, _question: site in gone)
    made.until(step, 2)
    lost = groups_at(made)[1][2]
    gone.add(lost)
    result = made.to_the_end()
    left_out = gone if step != "open" else set()  # of whoever has signed the list, the total is opened all the same
    assert result.content["about"] == middle_of(made, numbers, left_out)
    assert result.content["opened"]["outcome"]["took"][1] == sorted(set(names(12)) - left_out)


def test_the_loss_of_too_many_of_one_group_opens_nothing_though_all_others_are_there():
    gone = set()
    made = table(range(1, 13), leaving=range(12), gone=lambda site, _step, _question: site in gone)
    made.until("contribute", 2)
    gone.update(groups_at(made)[0][:2])
    made.step()
    for site, step in made.due().items():
        if site not in gone:  # in whichever group
            with pytest.raises(InvalidInputError):
                made.sites[site].answer(step)
    with pytest.raises(InvalidInputError) as refused:
        made.to_the_end()
    assert refused.value.code == "masked.survivors"
    assert not any(
        step.name == "open" and step.inputs["question"] == 2 for one in made.sites.values() for step, _ in one.said
    )


def test_all_parties_are_killed_at_every_moment_and_no_bit_changes(played):
    seen = set()

    def kill(*moment):
        if moment in seen:
            return False
        seen.add(moment)
        return True

    made = table(cls=Surviving)
    made.kill = kill
    result = made.to_the_end()
    assert canonical(result.content["opened"]["outcome"]) == canonical(played[1].content["opened"]["outcome"])
    assert made.killed == len(seen) > 200


# --- who lies ------------------------------------------------------------------------------------------------------
def changed(made, site, question, change):
    """The signed contribution of a site as it would be if it had said something else, signed by itself."""
    content = msgspec.json.decode(unproven(made.state["texts"][site]), type=MaskedContribution)
    said = msgspec.json.encode(change(content), order="deterministic")
    return made.sites[site].keys.announce(label(question, "contribute"), said, {})[0]


def test_what_two_sites_of_another_group_say_of_their_mask_is_compared_too():
    made = table()
    made.until("agree")
    first, second, _ = groups_at(made)
    other = "sha256:" + "0" * 64
    lie = changed(made, second[0], 1, lambda one: msgspec.structs.replace(one, pairs=one.pairs | {second[1]: other}))
    witness = first[0]
    step = made.due()[witness]
    inputs = {**step.inputs, "texts": {**step.inputs["texts"], second[0]: lie}}
    with pytest.raises(InvalidInputError) as refused:
        made.sites[witness].answer(replace(step, inputs=inputs))
    assert refused.value.code == "masked.masks_differ"


def test_a_false_opening_of_another_group_is_found_by_those_who_are_not_in_it():
    made = table()
    made.until("propose")
    groups = groups_at(made)
    reader = made.state["proposer"]
    liar = next(group for group in groups if reader not in group)[0]
    seat, step = made.sites[liar], made.due()[reader]
    remembered = msgspec.msgpack.decode(seat.memory, type=Remembered)
    false = {site: "00" * (len(share) // 2) for site, share in remembered.opening.shares.items()}
    message = msgspec.json.encode(Opening(false, {}), order="deterministic")
    sealed = seat.keys.seal_all({reader: message}, label(1, "open"))[reader]
    with pytest.raises(InvalidInputError) as refused:
        made.sites[reader].answer(replace(step, inbox={**step.inbox, liar: sealed}))
    assert (refused.value.code, refused.value.named) == ("masked.opening", liar)


def test_nobody_outside_a_group_holds_a_share_of_its_seeds():
    made = table()
    made.until("open")
    groups = groups_at(made)
    for site, seat in made.sites.items():
        remembered = msgspec.msgpack.decode(seat.memory, type=Remembered)
        own = next(set(group) for group in groups if site in group)
        assert set(remembered.agreed.held) == own
        assert set(remembered.secrets) == own - {site}


def test_a_step_of_another_name_is_no_step_of_the_protocol():
    with pytest.raises(KeyError):
        table().sites[FIRST].answer(Step({"task": "toy"}, 1, "guess", {}))

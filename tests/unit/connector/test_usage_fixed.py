"""Rows and sites of a use under masks are fixed; numbers that leave are counted; near repeats are said."""

from dataclasses import replace

import pytest

from medspace.connector.usage.conditions.numbers import disclosed
from medspace.connector.usage.disclosures import MOST_SETS, Given, by_default, numbers_in, same_sites, told, within
from medspace.connector.usage.errors import NotAdmittedError, WithheldError
from medspace.connector.usage.model import DISCLOSURES, Disclosed
from medspace.connector.usage.repeats import all_near, near
from medspace.core.engine import StepLimits
from medspace.core.errors import InvalidInputError
from medspace.core.parts import Part
from medspace.core.usage import Brakes, Output
from tests.unit.connector.masking import OTHERS, THREE, MaskedHouse
from tests.unit.connector.uses import ASSET, HOLDER, LABEL, House, admitted_house, call

A, B = OTHERS
C = "did:web:c.example"
ROWLESS = ("open", "result")


async def kept(house):
    return await house.database.read(lambda tx: disclosed(tx, ASSET))


# --- rows -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["contribute", *ROWLESS])
@pytest.mark.parametrize("on", [True, False], ids=["on", "control"])
async def test_a_patient_who_withdraws_ends_the_use_before_anything_is_opened(name, on):
    house = MaskedHouse(brakes=Brakes(fixed=on, changes=False))
    use = await house.use(1)
    await use.ask("contribute")
    house.consent.withdrawn = frozenset({"7"})
    before = len(house.engine.asked)
    if not on:  # the control: what was made of the patient's row as well is opened
        assert await use.ask(name)
        return
    assert await use.refused(name) == "use.rows_changed"
    assert len(house.engine.asked) == before
    assert house.ended == [("urn:job:1", "use.rows_changed")]
    assert (await house.log())[-1].facts["code"] == "use.rows_changed"


async def test_a_patient_who_withdraws_while_a_total_is_opened_keeps_the_opening_back():
    house = MaskedHouse()
    use = await house.use(1)
    await use.ask("contribute")

    def withdraw():
        house.consent.withdrawn = frozenset({"7"})

    house.engine.before = withdraw
    with pytest.raises(WithheldError):
        await use.ask("open")
    assert await use.refused("open") == "use.rows_changed"


@pytest.mark.parametrize("name", ["contribute", *ROWLESS])
async def test_a_label_that_is_narrowed_ends_the_use_at_its_next_step(name):
    house = MaskedHouse()
    use = await house.use(1)
    await use.ask("contribute")
    await house.relabel(LABEL | {"purposes": ["dpv:PublicBenefit"]})
    before = len(house.engine.asked)
    assert await use.refused(name) == "label.purposes"
    assert len(house.engine.asked) == before
    assert house.ended == [("urn:job:1", "label.purposes")]


async def test_while_nobody_withdraws_a_use_goes_on():
    house = MaskedHouse()
    use = await house.use(1)
    for name in ("contribute", "open", "contribute", "result"):
        assert await use.ask(name, number=use.round)
    assert house.ended == []


async def test_who_has_withdrawn_before_a_use_begins_ends_nothing():
    house = MaskedHouse()
    house.consent.withdrawn = frozenset({"7"})
    use = await house.use(1)
    await use.ask("contribute")
    assert await use.ask("open")


@pytest.mark.parametrize("changed", [3, 40])
async def test_other_content_of_the_rows_ends_a_use_that_began_on_another(changed):
    house = MaskedHouse()
    use = await house.use(1)
    await use.ask("contribute")
    house.source.said = tuple(number + 100 * (number < changed) for number in range(50))
    house.build()  # the connector starts again, with another extract
    assert await use.refused("contribute", number=2) == "use.rows_changed"
    assert await use.refused("open") == "use.rows_changed"  # now it is known that others are there
    assert ("urn:job:1", "use.rows_changed") in house.ended


@pytest.mark.parametrize(("changed", "on", "answered"), [(3, True, False), (3, False, True), (10, True, True)])
async def test_the_next_fit_waits_until_enough_persons_have_changed(changed, on, answered):
    house = MaskedHouse(brakes=Brakes(changes=on))
    first = await house.use(1)
    await first.ask("contribute")
    house.source.said = tuple(number + 100 * (number < changed) for number in range(50))
    house.build()
    second = await house.use(2)
    if answered:
        assert (await second.ask("contribute")).values["sum"] != 1225.0
    else:
        assert await second.refused("contribute") == "use.changed"


async def test_a_masked_contribution_is_never_that_of_an_earlier_use():
    house = MaskedHouse()
    for number in (1, 2):
        await (await house.use(number)).ask("contribute")
    assert len(house.engine.asked) == 2


# --- sites ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("others", [(A, B, C), (A, C)], ids=["a superset", "another"])
async def test_the_first_run_fixes_with_whom_an_asset_is_summed_up(others):
    house = MaskedHouse()
    first = await house.use(1)
    await first.ask("contribute")
    assert set((await kept(house)).sites) == {HOLDER, A, B}
    second = await house.use(2, others)
    assert await second.refused("contribute") == "use.sites_fixed"
    third = await house.use(3)
    assert await third.ask("contribute")
    assert len((await kept(house)).sets) == 1


async def test_the_terms_fix_it_before_the_first_run():
    house = MaskedHouse(holders=[A, B, C])
    use = await house.use(1)
    assert await use.refused("contribute") == "use.sites_fixed"
    other = await house.use(2, (A, B, C))
    assert await other.ask("contribute")


async def test_a_total_of_fewer_is_remembered_as_a_set():
    house = MaskedHouse()
    use = await house.use(1, (A, B, C))
    await use.ask("contribute")
    await use.ask("open", texts=dict.fromkeys((HOLDER, A, B), "signed"))
    found = await kept(house)
    assert set(map(len, found.sets)) == {3, 4}
    await use.ask("open", texts="signed by nobody")
    assert (await kept(house)).sets == found.sets


async def test_a_use_whose_sums_are_seen_fixes_nothing():
    house, token = await admitted_house()
    await house.control.step(call(token))
    assert (await kept(house)).sites == ()


def test_a_set_is_kept_once_and_so_many_at_most():
    one = told(Disclosed(ASSET), ["b", "a"])
    assert one.sets == (("a", "b"),)
    assert told(one, ["a", "b"]) is one
    full = replace(one, sets=tuple((str(number),) for number in range(MOST_SETS)))
    assert told(full, ["c"]) is full


def test_a_refusal_says_the_set_and_what_to_do():
    assert same_sites((), ["a"]).permitted
    decision = same_sites(["b", "a"], ["a", "b", "c"])
    assert "a, b" in str(decision.failures[0].asked)
    assert "medspace sites" in str(decision.failures[0].remedy)


# --- numbers --------------------------------------------------------------------------------------------------------
def test_numbers_are_counted_however_they_are_written():
    values = {"a": [1, 2.5, "0.5", "-1e-05", True, None], "b": {"c": "sha256:12", "d": (3,), "e": "did:web:1"}}
    assert numbers_in(Output("k", values, 10)) == 5
    assert numbers_in(Output("k", {}, 10, (Part("0" * 64, "a/b", 9),))) == 3
    assert by_default(240) == 240
    assert (Given(10, 4).left, Given(10, 14).left) == (6, 0)
    assert within(Given(10, 10), 0).permitted
    assert within(Given(10, 4), 6).permitted
    assert within(Given(10, 4), 7).code == "use.numbers"


async def test_what_leaves_is_counted_once_over_all_users_and_messages_count_nothing():
    house = MaskedHouse()
    for number in (1, 2):
        use = await house.use(number)
        await use.ask("contribute")
        await use.ask("open")
        assert (await kept(house)).numbers == 3 * (number - 1)
        await use.ask("result")
        use.round -= 1
        await use.ask("result")  # its answer was lost
        assert (await kept(house)).numbers == 3 * number


async def test_an_answer_that_was_given_before_counts_nothing():
    house = House()
    await house.agree()
    for job in ("urn:job:1", "urn:job:2"):
        token = await house.start(job)
        await house.control.step(call(token, job))
    assert len(house.engine.asked) == 1
    assert (await kept(house)).numbers == 1


async def test_a_release_beyond_the_limit_is_kept_back_and_more_work_is_refused():
    house = MaskedHouse()
    house.numbers = 5
    house.build()
    first, second = await house.use(1), await house.use(2)
    for use in (first, second):
        await use.ask("contribute")
    await first.ask("result")
    with pytest.raises(WithheldError) as refusal:
        await second.ask("result")
    assert refusal.value.facts["decision"] == "use.numbers"
    assert (await kept(house)).numbers == 3
    third = await house.use(3)
    assert await third.ask("contribute")  # two are left
    await house.database.write(lambda tx: tx.replace(DISCLOSURES, tx.get(DISCLOSURES, ASSET), Disclosed(ASSET, 5)))
    assert await third.refused("contribute", number=2) == "use.numbers"


@pytest.mark.parametrize("on", [True, False], ids=["on", "control"])
async def test_what_the_engine_knows_before_is_refused_before_the_work(on):
    house = MaskedHouse(brakes=Brakes(numbers=on))
    house.numbers, house.engine.expected = 5, 6
    house.build()
    use = await house.use(1)
    if on:
        assert await use.refused("contribute") == "use.numbers"
        assert house.engine.asked == []
    else:
        assert await use.ask("contribute")
        house.engine.model = tuple(map(float, range(9)))
        assert await use.ask("result")  # the control: more than the limit leaves
        assert (await kept(house)).numbers > house.numbers


async def test_an_asset_of_which_nothing_is_set_gives_nothing():
    house, token = await admitted_house()
    house.grounds.holder.numbers.clear()
    with pytest.raises(NotAdmittedError) as refusal:
        await house.control.step(call(token))
    assert refusal.value.facts["decision"] == "use.numbers"


# --- near repeats ---------------------------------------------------------------------------------------------------
async def test_a_task_that_nearly_repeats_one_is_said_to_the_holder_with_which_and_what_differs():
    house = MaskedHouse()
    first = await house.use(1)
    await first.ask("contribute")
    same, near = await house.use(2), await house.use(3)
    await same.ask("contribute")
    assert house.warned == []
    near.task = THREE | {"column": "mean"}
    answered = await near.ask("contribute")
    ((admission, earlier, differs),) = house.warned
    assert (admission, str(differs)) == (answered.admission, "the column")
    log = await house.log()
    assert (log[earlier].kind, log[earlier].facts["transfer"]) == ("use.admitted", "urn:job:1")
    (found,) = await house.control.near_repeats(ASSET)
    assert (found.earlier, str(found.differs)) == (earlier, "the column")
    assert log[found.entry].facts["admission"] == admission


async def test_an_engine_that_compares_nothing_warns_of_nothing():
    house, token = await admitted_house()
    await house.control.step(call(token))
    other = await house.start("urn:job:2")
    await house.control.step(call(other, "urn:job:2", name="mean"))
    assert await house.control.near_repeats(ASSET) == []
    assert await house.control.near_repeats("another") == []
    assert house.engine.limits == StepLimits()


def test_tasks_of_other_kinds_or_versions_are_near_to_nothing():
    class Engine:
        def difference(self, one, other):
            raise InvalidInputError(reason="it means nothing any more")

    task = {"task": "glm"}
    assert near({"task": "mean"}, 2, [(1, task)], Engine()) is None
    assert near(task, 2, [(1, task)], Engine()) is None
    assert all_near([(1, {}), (2, task)], {"glm": Engine()}) == []

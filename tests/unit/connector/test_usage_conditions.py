"""Conditions: what one grants narrows the admission, what one spends is spent once, and scopes hold everywhere."""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from medspace.adapters.memory import MemoryDatabase
from medspace.connector.model import AGREEMENTS
from medspace.connector.usage.conditions import PERMITTED, Neutral, kept_duties
from medspace.connector.usage.conditions.agreement import AgreementCondition
from medspace.connector.usage.contents import MOST_KNOWN, MOST_VERSIONS
from medspace.connector.usage.errors import NotAdmittedError, StepHeldError, WithheldError
from medspace.connector.usage.model import JOBS, QUESTIONS, VERSIONS
from medspace.core.canonical import canonical
from medspace.core.decision import Decision, Premise, Verdict
from medspace.core.engine import COORDINATOR_SEES_SUMS
from medspace.core.errors import StorageFullError
from medspace.core.hashing import digest, digest_bytes
from medspace.core.text import Text
from medspace.core.usage import Brakes, Grant, RowScope
from medspace.policy.templates import build
from medspace.trust.model import Facts, Member, MemberList, facts
from tests.unit.connector.uses import ASSET, KIND, NOW, TASK, USER, House, call, transfer_of


def no(code):
    """A decision against it."""
    said = Text("anything but this")
    return Decision(Verdict.DENY, code, (Premise(code, said, Text("this"), satisfied=False),))


@dataclass
class Scripted(Neutral):
    """Does as told, and writes down when it is asked and what it spends."""

    grant: Grant = field(default_factory=Grant)
    examined: Decision = PERMITTED
    admitted: Decision = PERMITTED
    judged: Decision = PERMITTED
    leaves: Decision = PERMITTED
    clauses: frozenset = frozenset()
    spent: list = field(default_factory=list)
    seen: list = field(default_factory=list)

    def examine(self, tx, wish):
        return self.examined

    def admit(self, tx, visit):
        return self.admitted, self.grant

    def judge(self, tx, asking):
        self.seen.append(asking)
        return self.judged

    def spend(self, tx, asking):
        self.spent.append(asking.request)

    def released(self, tx, leaving):
        self.seen.append(leaving)
        return self.leaves

    def violated(self, tx, agreement, user):
        return self.clauses


async def scripted(database=None, **said):
    """A house with one more condition, one agreement and one started use."""
    condition = Scripted(**said)
    house = House(database, more=[lambda _: condition])
    await house.agree()
    return house, condition, await house.start()


def only(*persons, within=True):
    return RowScope("person", frozenset(map(str, persons)), within)


# --- grants ----------------------------------------------------------------------------------------------------


async def test_what_a_condition_grants_narrows_the_admission():
    ends = NOW + timedelta(minutes=5)
    grant = Grant((only(*range(30)),), frozenset({"count.sum"}), 20, 1, ends, {"privacy": 0.5})
    house, _, token = await scripted(grant=grant)
    await house.control.step(call(token))
    admission = house.engine.asked[0]
    assert (admission.scope, admission.outputs) == (grant.scope, ("count.sum",))
    assert (admission.min_cohort, admission.min_sites, admission.expires) == (20, 1, ends)
    assert admission.budget == {"privacy": 0.5}


def test_of_two_grants_the_stricter_of_each_holds():
    one, other = only(1), only(2, within=False)
    early, late = NOW, NOW + timedelta(days=1)
    first = Grant((one,), frozenset({"a", "b"}), 5, 3, late, {"x": 1}, {"f": 1})
    second = Grant((one, other), frozenset({"b", "c"}), 7, 2, early, {"y": 2}, {"g": 2})
    both = Grant((one, other), frozenset({"b"}), 7, 3, early, {"x": 1, "y": 2}, {"f": 1, "g": 2})
    assert first.narrowed(second) == both
    assert Grant().narrowed(first) == first.narrowed(Grant()) == first
    assert first.narrowed(Grant(expires=early)).expires == early
    assert Grant(hold=("a", "b")).narrowed(Grant(hold=("b", "c"))).hold == ("a", "b", "c")
    assert Grant().narrowed(Grant(hold=("a",))).hold == Grant(hold=("a",)).narrowed(Grant()).hold == ("a",)
    assert both.hold == Grant().hold == ()


@pytest.mark.parametrize("why", [(), ("ethics.board",)])
async def test_a_condition_can_want_a_person_to_look(why):
    house, _, token = await scripted(grant=Grant(hold=why))
    if not why:  # the control
        assert await house.control.step(call(token))
        return
    with pytest.raises(StepHeldError):
        await house.control.step(call(token))
    (held,) = await house.control.checking.steps(None, None, 10)
    assert held.held_for == why
    assert await house.control.checking.decide(held.id, approve=True)
    assert await house.kinds() == ["use.admitted", "use.held", "use.released"]


async def test_more_holders_than_the_agreement_wants_can_be_demanded():
    house, _, token = await scripted(grant=Grant(min_sites=2))
    with pytest.raises(NotAdmittedError) as refusal:
        await house.control.step(call(token))
    assert refusal.value.facts["decision"] == "use.sites"


async def test_an_output_that_a_grant_does_not_name_does_not_leave():
    house, _, token = await scripted(grant=Grant(outputs=frozenset({"count.mean"})))
    with pytest.raises(WithheldError):
        await house.control.step(call(token))


async def test_a_condition_may_say_something_in_the_entry_of_an_admission():
    house, _, token = await scripted(grant=Grant(noted={"scope": "sha256:" + 64 * "0"}))
    await house.control.step(call(token))
    assert (await house.log())[0].facts["scope"] == "sha256:" + 64 * "0"


# --- saying no -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["admitted", "judged"])
async def test_one_no_is_enough_and_nothing_is_spent_or_opened(where):
    house, condition, token = await scripted(**{where: no("test.no")})
    with pytest.raises(NotAdmittedError) as refusal:
        await house.control.step(call(token))
    assert refusal.value.facts["decision"] == "test.no"
    assert [entry.facts["code"] for entry in await house.log()] == ["test.no"]
    assert (condition.spent, house.source.opened, (await house.job()).steps) == ([], [], 0)


async def test_a_condition_may_refuse_a_transfer():
    house, condition, _ = await scripted()
    condition.examined = no("test.no")
    transfer = await examined(house)
    assert transfer.code == "test.no"


async def examined(house):
    transfer = transfer_of("urn:job:9", "urn:agreement:1", KIND)
    return await house.database.read(
        lambda tx: house.strategy.examine(tx, tx.get(AGREEMENTS, "urn:agreement:1"), transfer)
    )


async def test_a_condition_may_keep_an_output_and_is_asked_without_the_cohort_first():
    house, condition, token = await scripted(leaves=no("test.no"))
    with pytest.raises(WithheldError):
        await house.control.step(call(token))
    open_, behind = condition.seen[-2:]
    assert open_.request.cohort > behind.request.cohort == 50
    assert (await house.log())[-1].facts["code"] == "test.no"


# --- spending --------------------------------------------------------------------------------------------------


async def test_a_question_is_paid_for_once_however_often_it_is_asked():
    house, condition, token = await scripted()
    first = await house.control.step(call(token))
    assert await house.control.step(call(token)) == first
    other = await house.start("urn:job:2")
    assert (await house.control.step(call(other, job="urn:job:2"))).values == first.values
    assert len(condition.spent) == 1
    assert [asking.new for asking in condition.seen if hasattr(asking, "new")] == [True, False]


async def test_a_question_that_another_condition_refuses_costs_nothing():
    condition = Scripted()
    house = House(limit=0, more=[lambda _: condition])
    await house.agree()
    with pytest.raises(NotAdmittedError):
        await house.control.step(call(await house.start()))
    assert condition.spent == []


async def test_what_was_thought_to_be_known_is_paid_for_once_the_rows_show_that_it_is_new():
    house, condition, token = await scripted()
    await house.control.step(call(token))
    house.source.said = tuple(range(100, 150))  # everybody changed
    house.build()
    other = await house.start("urn:job:2")
    await house.control.step(call(other, job="urn:job:2"))
    assert len(condition.spent) == 2
    kept = await house.database.read(lambda tx: tx.find(QUESTIONS))
    assert all(question.counted for question in kept)


async def test_what_turns_out_to_be_new_and_cannot_be_paid_for_is_refused_before_the_engine_sees_it():
    house, condition, token = await scripted()
    await house.control.step(call(token))
    house.source.said = tuple(range(100, 150))
    house.build()
    other = await house.start("urn:job:2")
    condition.judged = no("test.no")
    house.engine.asked.clear()
    condition_judges_only_what_is_new(condition)
    with pytest.raises(NotAdmittedError) as refusal:
        await house.control.step(call(other, job="urn:job:2"))
    assert (refusal.value.facts["decision"], len(condition.spent), house.engine.asked) == ("test.no", 1, [])
    assert (await house.kinds())[-2:] == ["use.admitted", "use.withheld"]


def condition_judges_only_what_is_new(condition):
    against = condition.judged
    condition.judge = lambda tx, asking: against if asking.new else PERMITTED


@pytest.mark.parametrize("collection", [JOBS, AGREEMENTS])
async def test_what_turns_out_to_be_new_under_what_is_gone_is_refused(collection):
    house, condition, token = await scripted()
    await house.control.step(call(token))
    house.source.said = tuple(range(100, 150))
    house.build()
    other = await house.start("urn:job:2")
    gone = "urn:job:2" if collection is JOBS else "urn:agreement:1"
    opening = house.source.open

    def lose(admission):
        asyncio.run(house.database.write(lambda tx: tx.delete(collection, tx.get(collection, gone))))
        return opening(admission)

    house.source.open = lose
    with pytest.raises(NotAdmittedError) as refusal:
        await house.control.step(call(other, job="urn:job:2"))
    assert (refusal.value.facts["decision"], len(condition.spent)) == ("decision.none", 1)


class Full(MemoryDatabase):
    """Has no room for the entry of an admission."""

    full = False

    async def write(self, work):
        def limited(tx):
            done = work(tx)
            if self.full:
                raise StorageFullError(reason="no room")
            return done

        return await super().write(limited)


async def test_what_is_spent_is_spent_in_the_transaction_of_the_admission():
    house, _, token = await scripted(Full())
    house.database.full = True
    with pytest.raises(StorageFullError):
        await house.control.step(call(token))
    house.database.full = False
    assert (await house.database.read(lambda tx: house.control.allowance(tx, ASSET))).used == 0
    assert await house.kinds() == []
    await house.control.step(call(token))
    assert (await house.database.read(lambda tx: house.control.allowance(tx, ASSET))).used == 1


async def test_each_brake_can_be_off_by_itself_where_an_attack_is_tested():
    house = House(limit=0, brakes=Brakes(once=False, sites=False, questions=False, changes=False), min_sites=3)
    await house.agree()
    token = await house.start()
    task = TASK | {"min_sites": 3}
    await house.control.step(call(token, task=task))
    await house.control.step(call(token, task=task, inputs={"other": 1}))
    assert (await house.kinds()).count("use.released") == 2
    assert await house.database.read(lambda tx: tx.find(VERSIONS)) == []


# --- scopes ----------------------------------------------------------------------------------------------------


async def test_a_condition_that_says_that_it_never_narrows_rows_and_does_admits_nothing():
    house, condition, token = await scripted(grant=Grant((only(*range(30)),)))
    condition.narrows = False
    with pytest.raises(ValueError, match="Scripted"):
        await house.control.step(call(token))
    assert (house.engine.asked, await house.kinds()) == ([], [])
    condition.narrows = True  # the control
    await house.control.step(call(token))


async def test_a_source_that_does_not_apply_the_scope_is_not_worked_on():
    house, _, token = await scripted(grant=Grant((only(*range(30)),)))
    house.source.scopes = False
    with pytest.raises(WithheldError):
        await house.control.step(call(token))
    assert (house.engine.asked, house.told[-1][1]) == ([], "use.scope")


async def test_the_rows_that_an_engine_gets_are_checked_as_well():
    house, condition, token = await scripted(grant=Grant((only(*range(30)),)))
    await house.control.step(call(token))
    house.source.scopes = False
    house.engine.asked.clear()
    with pytest.raises(WithheldError):
        await house.control.step(call(token, round=2))
    assert (house.engine.asked, house.told[-1][1]) == ([], "use.scope")
    assert condition.grant.scope


async def test_an_answer_under_one_scope_is_not_given_under_another():
    house, condition, token = await scripted(grant=Grant((only(*range(30)),)))
    await house.control.step(call(token))
    condition.grant = Grant((only(*range(20)),))
    house.engine.output = replace(house.engine.output, values={"sum": 2.5})
    with pytest.raises(NotAdmittedError) as refusal:  # not even to the use that has it
        await house.control.step(call(token))
    assert refusal.value.facts["decision"] == "use.round"
    other = await house.start("urn:job:2")
    assert (await house.control.step(call(other, job="urn:job:2"))).values == {"sum": 2.5}


async def test_the_order_in_which_a_scope_is_told_makes_no_other_question():
    one, two = only(*range(30)), only(40, within=False)
    house, condition, token = await scripted(grant=Grant((one, two)))
    first = await house.control.step(call(token))
    condition.grant = Grant((two, one))
    assert await house.control.step(call(token)) == first


@pytest.mark.parametrize(("persons", "code"), [(29, "use.changed"), (21, "use.changed"), (20, None), (30, None)])
async def test_scopes_that_few_persons_tell_apart_are_not_both_asked(persons, code):
    house, condition, token = await scripted(grant=Grant((only(*range(30)),)))
    await house.control.step(call(token))
    condition.grant = Grant((only(*range(persons)),))
    if code is None:
        await house.control.step(call(token, round=2))
    else:
        with pytest.raises(NotAdmittedError) as refusal:
            await house.control.step(call(token, round=2))
        assert refusal.value.facts["decision"] == code


async def test_a_scope_that_was_read_before_another_was_asked_is_held_against_it():
    house, condition, token = await scripted(grant=Grant((only(*range(30)),)))
    house.engine.error = ValueError("broken")
    with pytest.raises(Exception, match="failed"):
        await house.control.step(call(token))  # read, and not answered
    house.engine.error = None
    condition.grant = Grant((only(*range(29)),))
    await house.control.step(call(token, round=2))  # nothing stands against it: the other has answered nothing
    condition.grant = Grant((only(*range(30)),))
    with pytest.raises(NotAdmittedError) as refusal:
        await house.control.step(call(token, round=3))
    assert refusal.value.facts["decision"] == "use.changed"


async def test_a_content_that_has_answered_is_not_forgotten_for_those_that_have_not():
    house, condition, token = await scripted(grant=Grant((only(*range(30)),)))
    await house.control.step(call(token))
    for few in range(1, 9):  # nine scopes with one person less each; all but the last are too near
        condition.grant = Grant((only(*range(30 - few)),))
        with pytest.raises(NotAdmittedError):
            await house.control.step(call(token, round=2))
    assert len(await house.database.read(lambda tx: tx.find(VERSIONS))) == MOST_VERSIONS
    house.build()
    condition.grant = Grant((only(*range(21)),))
    with pytest.raises(NotAdmittedError) as refusal:
        await house.control.step(call(token, round=2))
    assert refusal.value.facts["decision"] == "use.changed"


async def test_what_is_kept_in_memory_of_many_scopes_is_bounded():
    house, condition, token = await scripted()
    contents = house.control._door.recollection.contents
    for number in range(MOST_KNOWN + 5):
        admission = AnyAdmission(scope=(only(number),))
        await contents.remember(house.source, admission, contents.sums(house.source, admission), NOW)
    assert len(contents._known) == MOST_KNOWN
    assert contents.known(ASSET, (only(0),), AnyAdmission.use) is None
    assert condition.spent == []
    assert token


@dataclass
class AnyAdmission:
    asset: str = ASSET
    use: str = "urn:job:1"
    scope: tuple = ()


async def test_the_log_tells_that_there_is_a_scope_but_not_of_whom():
    house, _, token = await scripted(grant=Grant((only(*range(30)),)))
    await house.control.step(call(token))
    said = (await house.log())[0].facts["scope"]
    assert said.startswith("sha256:")
    other, _, token = await scripted(grant=Grant((only(*range(30)),)))
    other.secret = b"another secret of the questions"
    other.build()
    await other.control.step(call(token))
    assert (await other.log())[0].facts["scope"] != said


async def test_without_a_scope_questions_are_named_as_before():
    """What an older version kept is found again."""
    house, _, token = await scripted()
    await house.control.step(call(token))
    asked = digest_bytes(canonical({"task": call(token).step.task, "round": 1, "name": "sum", "inputs": {}}))
    kept = await house.database.read(lambda tx: tx.find(QUESTIONS))
    assert kept[0].request == digest({"kind": "medspace:train", "min_cohort": 10, "step": asked})


# --- duties, facts ---------------------------------------------------------------------------------------------


def with_duty(policy):
    return policy | {"permission": [rule | {"duty": [{"action": "inform"}]} for rule in policy["permission"]]}


async def test_a_duty_that_was_violated_closes_the_use():
    house, condition, token = await scripted()

    def bind(tx):
        made = tx.get(AGREEMENTS, "urn:agreement:1")
        tx.replace(AGREEMENTS, made, replace(made, policy=with_duty(made.policy)))

    await house.database.write(bind)
    await house.control.step(call(token))
    condition.clauses = frozenset({"/permission/0/duty/0"})
    with pytest.raises(NotAdmittedError) as refusal:
        await house.control.step(call(token, round=2))
    assert refusal.value.facts["decision"] == "policy.duty_violated"
    assert (await examined(house)).code == "policy.duty_violated"


async def test_a_duty_that_is_violated_while_the_engine_works_keeps_the_answer():
    house, condition, token = await scripted()
    policy = with_duty(build("train-only", protection=COORDINATOR_SEES_SUMS))
    house.engine.before = lambda: setattr(condition, "clauses", frozenset({"/permission/0/duty/0"}))

    def bind(tx):
        made = tx.get(AGREEMENTS, "urn:agreement:1")
        tx.replace(AGREEMENTS, made, replace(made, policy=made.policy | {"permission": policy["permission"]}))

    await house.database.write(bind)
    with pytest.raises(WithheldError):
        await house.control.step(call(token))


def test_the_duties_that_are_kept_are_those_of_all_conditions():
    class Informing(Neutral):
        duties = frozenset({"inform"})

    assert kept_duties([AgreementCondition(), Neutral()]) == {"medspace:log", "medspace:count"}
    assert kept_duties([AgreementCondition(), Informing()]) == {"medspace:log", "medspace:count", "inform"}


def test_of_a_participant_is_known_what_the_authority_signed():
    member = Member(USER, "A company", "DE", ("user",), b"")
    listed = MemberList("did:web:authority.example", NOW, NOW, (member, replace(member, did="did:web:b", region="")))
    assert facts(listed, USER) == Facts(USER, "DE", ("user",), USER)
    run_by = MemberList("did:web:authority.example", NOW, NOW, (replace(member, operator="did:web:chain"),))
    assert facts(run_by, USER).operator == "did:web:chain"
    assert facts(listed, "did:web:b").region is None
    assert facts(listed, "did:web:nobody") == facts(None, "did:web:nobody") == Facts("did:web:nobody")

"""Masked rounds, played by sites around a table: what comes out, and that it comes out the same however it goes."""

import msgspec
import pytest

from medspace.core.errors import InvalidInputError
from medspace.privacy.masking.errors import ThresholdsInvalidError
from medspace.runs.masked.site import RING
from tests.masked import FRACTION, QUESTIONS, Coordinated, LeadsNowhereError, Toy, names, seated

NUMBERS = (11, 22, 33, 44)


def expected(numbers):
    about = 0
    for _ in range(QUESTIONS):
        about = (sum(numbers) << FRACTION) // 2
    return str(about)


@pytest.mark.parametrize("numbers", [NUMBERS, range(1, 11)])
def test_the_outcome_is_that_of_the_plain_sum(numbers):
    table = Coordinated(seated(list(numbers)))
    result = table.to_the_end()
    assert result.content["about"] == expected(numbers)
    assert result.rows == 20 * len(numbers)
    assert set(result.content["opened"]["signed"]) == set(names(len(numbers)))


def test_every_site_answers_each_question_once_and_the_same_one():
    table = Coordinated(seated(NUMBERS))
    table.to_the_end()
    asked = {site: seat.engine.task.summing.asked for site, seat in table.sites.items()}
    assert len({tuple((number, str(question)) for number, question in found) for found in asked.values()}) == 1
    assert [number for number, _ in next(iter(asked.values()))] == [1, 2, 3]


def test_what_is_carried_shows_no_number():
    table = Coordinated(seated(NUMBERS))
    table.to_the_end()
    for seat, number in zip(table.sites.values(), NUMBERS, strict=True):
        for _, output in seat.said:
            if output.kind == "masked.contribution":
                plain = RING.to_bytes(RING.encode([number << FRACTION]))
                assert plain not in msgspec.json.encode(output.values)


def test_of_too_few_seats_nothing_is_begun():
    with pytest.raises(ThresholdsInvalidError):
        Coordinated(seated(NUMBERS[:3])).to_the_end()
    assert Coordinated(seated(NUMBERS[:3], colluders=0)).to_the_end().content["about"] == expected(NUMBERS[:3])


def test_a_total_that_leads_nowhere_ends_the_run_in_the_words_of_the_task():
    table = Coordinated(seated(NUMBERS, toy=Toy(nowhere=True)))
    with pytest.raises(LeadsNowhereError):
        table.to_the_end()


@pytest.mark.parametrize("step", ["contribute", "agree", "open", "propose", "result"])
def test_a_site_whose_terms_let_the_run_go_on_may_be_lost_at_any_step(step):
    numbers = list(range(1, 11))
    gone: set[str] = set()
    table = Coordinated(seated(numbers, leaving=range(10)), gone=lambda site, _step, _question: site in gone)
    table.until(step, 3 if step == "result" else 2)
    gone.add(names(10)[4] if step != "propose" else table.state["proposer"])
    if step == "propose":  # whose turn it was may be gone before it was known to be its turn
        table.state["proposer"] = next(site for site in names(10) if site not in gone)
    result = table.to_the_end()
    lost = numbers[names(10).index(gone.pop())]
    rest = numbers if step == "result" else [number for number in numbers if number != lost]
    assert result.content["about"] == expected(rest)


def test_a_site_whose_terms_do_not_say_so_is_not_gone_on_without():
    table = Coordinated(
        seated((*NUMBERS, 55, 66)), gone=lambda site, _step, question: question == 2 and site == names(1)[0]
    )
    with pytest.raises(InvalidInputError) as refused:
        table.to_the_end()
    assert refused.value.code == "masked.survivors"
    assert refused.value.named == "did:web:coordinator"


@pytest.mark.parametrize("step", ["contribute", "agree"])
def test_a_task_begins_again_with_the_sites_that_are_left_where_it_must(step):
    numbers = list(range(1, 11))
    gone: set[str] = set()
    toy = Toy(restarts=True)
    table = Coordinated(seated(numbers, leaving=range(10), toy=toy), gone=lambda site, _step, _question: site in gone)
    table.until(step, 3)
    gone.add(names(10)[4])
    result = table.to_the_end()
    assert result.content["about"] == expected([number for number in numbers if number != 5])
    left = table.sites[names(10)[0]]
    assert [question for question, _ in left.engine.task.summing.asked] == list(range(1, QUESTIONS + 4))

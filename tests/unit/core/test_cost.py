"""What a use costs of a privacy budget."""

import pytest

from medspace.core.engine import Cost, cost_of


class Exact:
    """An engine that knows nothing of noise."""


class Noisy:
    """One that has some."""

    def cost(self, task):
        return Cost(tuple(task["rho"])) if task else None


def test_it_adds_up_and_exact_answers_cost_nothing_that_is_counted():
    assert cost_of(Exact(), {}) is None
    assert cost_of(Noisy(), {}) is None
    assert cost_of(Noisy(), {"rho": [1, 2]}).total == 3


@pytest.mark.parametrize("rho", [(), (1, -1)])
def test_what_would_cost_nothing_or_less_is_no_cost(rho):
    with pytest.raises(ValueError, match="a cost has"):
        Cost(rho)

"""The page about policies says what the tables hold."""

from pathlib import Path

import pytest

from medspace.policy.actions import ACTIONS, DUTIES, PROFILE
from medspace.policy.operands import OPERANDS, PROTECTIONS
from medspace.policy.purposes import VOCABULARY
from medspace.policy.templates import TERMS

PAGE = Path("docs/policy.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "name",
    [
        *OPERANDS,
        *ACTIONS.ancestors,
        *DUTIES,
        *PROTECTIONS,
        *TERMS,
        *(p.name for p in VOCABULARY),
        PROFILE,
    ],
)
def test_every_name_is_on_the_page(name):
    assert name in PAGE


def test_every_operand_stands_with_its_operators_and_its_first_point():
    for name, row in OPERANDS.items():
        line = next(line for line in PAGE.splitlines() if line.startswith("| `") and f"`{name}`" in line)
        _, _, operators, _, since, *_ = (cell.strip() for cell in line.split("|"))
        assert set(operators.split()) == set(row.tests)
        assert since == row.since.name.lower()
        assert f"`{row.code}`" in PAGE or f"`.{row.code.partition('.')[2]}`" in PAGE

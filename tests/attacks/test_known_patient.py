"""A known patient's hidden column, out of models: fits over four hospitals under masks, in one contract of the demo.

A member chooses tasks and gets models. Each is exact, so its covariance, to the last bits, tells the Hessian, whose
elements are linear in how many patients have which codes: three models tell the number in each of 600 cells of five
codes, and so the codes of everybody who is alone with the others that are known. The covariance is released as
coarsely as standard errors allow; the control hands it out as finely as sums are.
"""

import pytest

from bench import _models
from bench._federation import TableFederation, everybody
from medspace.learning import newton
from medspace.privacy.rounding import BITS, ERROR_BITS

FIT = next(_models.plan())


@pytest.fixture(scope="module")
def values():
    return _models.joined(everybody())


@pytest.fixture
def member():
    contract = TableFederation(everybody(), masks=False)
    yield contract
    contract.close()


@pytest.fixture(params=[True, False], ids=["on", "control"])
def on(request, monkeypatch):
    """With the brake on, and with covariances as fine as sums."""
    monkeypatch.setattr(newton, "ERROR_BITS", ERROR_BITS if request.param else BITS)
    return request.param


def test_cells_of_codes(on, values, member, attack_report):
    real = _models.alike(values)
    found = _models.counted(member.fit, values)
    right = {cell for cell, number in real.items() if abs(found.cells.get(cell, 0.0) - number) < 0.5}
    false = sum(number > 0.5 and cell not in real for cell, number in found.cells.items())
    victims = list(unlike(real))
    read = sum((found.says(cell, place) or 0.0) * (1.0 if cell[place] else -1.0) > 0.5 for cell, place in victims)
    got = "got" if on else "control"
    named = "three models of four hospitals under masks: "
    attack_report(named + "cells of five codes counted right", **{got: len(right)}, of=len(real), unit="cells")
    attack_report(
        named + "code read of known patients who are alone and unlike most",
        **{got: read},
        of=len(victims),
        unit="patients",
    )
    assert member.models == 3
    if on:
        assert len(right) < len(real) / 2
        assert read < len(victims) / 2
    else:
        assert len(right) > 0.95 * len(real)
        assert false <= 2
        assert read > 0.95 * len(victims)


def unlike(real):
    """Cells of one patient, alone with the other four codes, and the place of a yes or no that most do not share."""
    places = _models.hidden_places()
    for place in places:
        shares = {side: sum(number for cell, number in real.items() if cell[place] == side) for side in (0.0, 1.0)}
        usual = max(shares, key=shares.__getitem__)
        for cell, number in real.items():
            other = (*cell[:place], usual, *cell[place + 1 :])
            if number == 1 and cell[place] == 1.0 - usual and other not in real:
                yield cell, place


def test_masks_change_no_bit_of_a_model(member):
    """So the attacks above may do without them."""
    masked = TableFederation(everybody())
    try:
        under, without = masked.fit(FIT), member.fit(FIT)
    finally:
        masked.close()
    assert under is not None
    assert under == without

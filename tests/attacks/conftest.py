"""How an attack says what it got."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.attacks.report import REPORT, append, row


@pytest.fixture
def attack_report(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Say what an attack got, for `make attacks`.

    attack_report("plane: patients read exactly", got=0, control=802, of=914, unit="patients"): `got` with the brake
    on, `control` with that one brake off, `of` what there was to get. A test and its control may say theirs apart,
    under the same name.
    """

    def say(attack: str, *, got=None, control=None, of=None, unit: str) -> None:
        line = row(request.node.nodeid, attack, got=got, control=control, of=of, unit=unit)
        if path := os.environ.get(REPORT):
            append(Path(path), line)

    return say

"""The cases of DCP 1.0 in which we verify what a caller shows."""

import pytest

from tests.protocol.dcp.cases import VERIFIER


@pytest.mark.parametrize("case", VERIFIER, ids=lambda case: case.id)
def test_case(case, kit):
    case.run(kit)

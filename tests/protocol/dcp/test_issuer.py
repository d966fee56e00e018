"""The cases of DCP 1.0 in which we issue credentials."""

import pytest

from tests.protocol.dcp.cases import ISSUER


@pytest.mark.parametrize("case", ISSUER, ids=lambda case: case.id)
def test_case(case, kit):
    case.run(kit)

"""The cases of DCP 1.0 in which an issuer delivers credentials to us."""

import pytest

from tests.protocol.dcp.cases import STORAGE


@pytest.mark.parametrize("case", STORAGE, ids=lambda case: case.id)
def test_case(case, kit):
    case.run(kit)

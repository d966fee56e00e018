"""The cases of DCP 1.0 in which an issuer offers credentials to us."""

import pytest

from tests.protocol.dcp.cases import OFFERS


@pytest.mark.parametrize("case", OFFERS, ids=lambda case: case.id)
def test_case(case, kit):
    case.run(kit)

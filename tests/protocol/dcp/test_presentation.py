"""The cases of DCP 1.0 in which our credential service is asked for presentations."""

import pytest

from tests.protocol.dcp.cases import PRESENTATION


@pytest.mark.parametrize("case", PRESENTATION, ids=lambda case: case.id)
def test_case(case, kit):
    case.run(kit)

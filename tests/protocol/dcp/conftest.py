"""One system and one counterpart for all cases of a module, and one pair for each control."""

import pytest

from tests.protocol.dcp.running import pair


@pytest.fixture(scope="module")
def kit():
    """A counterpart, and a system that believes its issuer."""
    with pair() as counterpart:
        yield counterpart

"""Two connectors for the tests of this room."""

import pytest

from tests.unit.connector.parties import Network, Party


@pytest.fixture
def network():
    return Network()


@pytest.fixture
async def provider(network):
    party = Party("provider", network)
    party.start()
    yield party
    await party.stop()


@pytest.fixture
async def consumer(network):
    party = Party("consumer", network)
    party.start()
    yield party
    await party.stop()

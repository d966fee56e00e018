"""The conformance run: every case once, side by side, against one system under test.

`--sut-url` (or MEDSPACE_SUT_URL) names a running system that was started with the reactions which
`python -m tests.protocol.cases` prints; without it the product's own connector is started as a process.
"""

import os
from collections.abc import Iterator

import pytest

from tests.protocol.cases import ALL, reactions
from tests.protocol.exchange import Target
from tests.protocol.process import system_under_test
from tests.protocol.runner import Outcome, run


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--sut-url", default=os.environ.get("MEDSPACE_SUT_URL"), help="root of a running system under test"
    )


@pytest.fixture(scope="session")
def sut(request: pytest.FixtureRequest) -> Iterator[Target]:
    """The system under test."""
    url = request.config.getoption("--sut-url", None) or os.environ.get("MEDSPACE_SUT_URL")
    if url:
        yield Target.at(url)
        return
    with system_under_test(reactions(*ALL.values())) as target:
        yield target


@pytest.fixture(scope="session")
def outcomes(sut: Target) -> dict[str, Outcome]:
    """The outcome of every case, by its id."""
    return run(ALL.values(), sut)

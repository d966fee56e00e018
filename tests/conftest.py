"""What holds for every test."""

import os
from collections.abc import Generator, Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.examples import most
from tests.failures import keep
from tests.order import mixed
from tests.sockets import left_open, open_sockets

# What tests write decides, as in a hospital, what may leave: others must not be able to change it.
os.umask(0o022)

# Examples have no time limit: the machine may be busy, and time is measured in bench/. In continuous integration the
# examples are the same at each run, so that a change is judged by what it changed; elsewhere they are drawn anew.
settings.register_profile(
    "medspace",
    deadline=None,
    max_examples=most(100),
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
)
settings.load_profile("medspace")


@pytest.fixture(autouse=True, scope="module")
def _no_socket_stays_open() -> Iterator[None]:
    before = open_sockets()
    yield
    assert left_open(before) == [], "close what this module opened"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--order-seed", type=int, help="run the tests in the order that this number makes (make orders)")


def pytest_report_header(config: pytest.Config) -> list[str]:
    seed = config.getoption("--order-seed")
    return [] if seed is None else [f"order: --order-seed {seed}"]


@pytest.hookimpl(trylast=True)  # after pytest has put together what shares a fixture
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    seed = config.getoption("--order-seed")
    if seed is not None:
        items[:] = mixed(items, seed)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed and (kept := keep(item, report, item.config.rootpath)) is not None:
        report.sections.append(("Kept", f"databases, logs and output: {kept}"))
    return report

"""Tests in another order: `--order-seed N` mixes the modules, and the tests within each.

Tests of one module stay together, since what they share (`scope="module"`) would be made again for each otherwise.
The seed alone decides, so that a failure can be seen again, and processes side by side collect alike.
"""

import random
from itertools import groupby
from typing import TypeVar

import pytest

T = TypeVar("T", bound=pytest.Item)


def mixed(items: list[T], seed: int) -> list[T]:
    """The tests in the order of that seed."""
    chance = random.Random(seed)
    modules = [list(tests) for _, tests in groupby(sorted(items, key=_module), key=_module)]
    chance.shuffle(modules)
    for tests in modules:
        tests.sort(key=lambda item: item.nodeid)
        chance.shuffle(tests)
    return [test for tests in modules for test in tests]


def _module(item: pytest.Item) -> str:
    return item.nodeid.partition("::")[0]

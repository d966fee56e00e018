"""A tensor of 64 MB is asked and answered; neither side ever holds more than a part of it in memory."""

import sys

import pytest

from tests.e2e.house.apart import pair
from tests.e2e.space import audited

MB = 1 << 20
SIZE = 64 * MB

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the memory of a process is read from /proc")


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    with pair(tmp_path_factory.mktemp("tensors")) as both:
        both.exchange(MB, 3.0)  # what is loaded for the first question of all is none of the tensor's
        yield both


def test_a_large_tensor_goes_there_and_back_in_little_memory(both):
    said = both.exchange(SIZE, 2.0)
    assert said["right"]
    assert said["size"] >= SIZE
    assert said["memory"] < 64
    assert said["clinic"] < 64


def test_the_log_says_which_part_left(both):
    (admitted, released) = both.stage.entries("clinic", "use.admitted", "use.released")[:2]
    (digest,) = released["facts"]["parts"]
    assert digest.startswith("sha256:")
    assert released["facts"]["admission"] == admitted["facts"]["admission"]


def test_the_logs_of_it_are_verified(both, tmp_path):
    report = audited(both.stage, tmp_path)
    assert report["outcome"] == "verified", report["findings"]

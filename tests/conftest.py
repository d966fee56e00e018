"""What holds for every test."""

import os

from hypothesis import HealthCheck, settings

# What tests write decides, as in a hospital, what may leave: others must not be able to change it.
os.umask(0o022)

# Examples have no time limit: the machine may be busy, and time is measured in bench/. In continuous integration the
# examples are the same at each run, so that a change is judged by what it changed; elsewhere they are drawn anew.
settings.register_profile(
    "medspace",
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
)
settings.load_profile("medspace")

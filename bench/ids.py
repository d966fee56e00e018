"""The 21 usage policy classes of the International Data Spaces: of how many a test over two connectors passes.

Each class is used as its terms allow and as they do not, by hand over HTTP, or is refused with the reason why nothing
here could enforce it (`tests/e2e/test_usage_classes.py`).
"""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

TESTS = "tests/e2e/test_usage_classes.py"
# The classes that each test is about; one test per duty is named after its class.
ABOUT = {
    "test_allow_data_usage": ("allow-data-usage",),
    "test_connector_restricted": ("connector-restricted",),
    "test_application_restricted": ("application-restricted",),
    "test_location_restricted": ("location-restricted",),
    "test_purpose_restricted": ("purpose-restricted",),
    "test_role_restricted": ("role-restricted",),
    "test_security_level_restricted": ("security-level-restricted",),
    "test_event_and_state_restricted[event": ("event-restricted",),
    "test_event_and_state_restricted[state": ("state-restricted",),
    "test_number_of_usages": ("restricted-number-of-usages",),
    "test_interval_and_duration_restricted": ("interval-restricted", "duration-restricted"),
    "test_modify_in_transit": ("modify-in-transit",),
    "test_local_logging": ("local-logging",),
    "test_what_the_users_connector_does_after_the_use_is_proven_to_the_holder[use-and-delete-after": (
        "use-and-delete-after",
    ),
    "test_what_the_users_connector_does_after_the_use_is_proven_to_the_holder[remote-notification": (
        "remote-notification",
    ),
    "test_distribute_only_if_encrypted": ("distribute-only-if-encrypted",),
}
REFUSED = "test_what_only_the_other_side_could_do_is_refused_with_the_reason["


def measure() -> dict[str, dict[str, Any]]:
    """Run the tests of the classes, and count the classes whose test passes."""
    held, refused = classes()
    reference = "of 21; the archived DataspaceConnector enforced 8 to 9"
    return {
        "ids.classes": {"value": len(held | refused), "unit": "of 21", "target": "= 21", "reference": reference},
        "ids.enforced": {"value": len(held), "unit": "of 21", "reference": "the others are refused with the reason"},
    }


def classes() -> tuple[set[str], set[str]]:
    """The classes that held, and those that were refused."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", TESTS, "-q", "--no-cov", f"--junitxml={report}"]
        subprocess.run(command, check=False, capture_output=True, timeout=900)
        cases = list(ET.parse(report).iter("testcase"))  # noqa: S314 - of a file that our own run of the tests has just written
    passed = [case.get("name", "") for case in cases if not len(case)]  # a failed or skipped one has a reason in it
    held = {one for name in passed for test, about in ABOUT.items() if name.startswith(test) for one in about}
    return held, {name.removeprefix(REFUSED).rstrip("]") for name in passed if name.startswith(REFUSED)}

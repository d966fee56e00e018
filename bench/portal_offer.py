"""From a CSV on the desk to a published offer: how often somebody touches the page, as the browser test counts it."""

import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
TEST = "tests/e2e/portal/test_offers.py::test_from_a_file_on_the_desk_to_a_published_offer"
OPTIONS = ("-q", "-n", "0", "--no-cov", "-o", "junit_family=xunit1")


def measure() -> dict[str, dict[str, Any]]:
    """The measure of the way from a file to an offer."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", *OPTIONS, f"--junitxml={report}", TEST]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
        said = ET.parse(report).find(".//property[@name='steps']")  # noqa: S314 - the report is our own
    assert said is not None, "the test counts its steps"
    return {
        "portal.csv_to_offer": {
            "value": float(said.attrib["value"]),
            "unit": "steps",
            "reference": "clicks and choices in Chromium, the passkey included",
            "target": "<= 12",
        }
    }

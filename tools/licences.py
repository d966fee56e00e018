"""The licence of every installed package is one that we may ship, or the package is listed with its reason.

python -m tools.licences
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

ALLOWED = {
    "0bsd", "3-clause bsd license",
    "apache 2.0", "apache license 2.0", "apache software license", "apache-2.0", "apache-2.0 with llvm-exception",
    "bsd license", "bsd-2-clause", "bsd-3-clause", "bsl-1.0",
    "cc0-1.0", "isc", "isc license (iscl)", "mit", "mit license", "mit-0", "mit-cmu",
    "mozilla public license 2.0 (mpl 2.0)", "mpl-2.0", "psf-2.0", "python software foundation license", "unlicense",
    "zlib",
}  # fmt: skip
# LGPL only as an unmodified optional extra.
OPTIONAL = {
    "psycopg": "LGPL-3.0, the PostgreSQL driver, extra `postgres`, loaded by SQLAlchemy, never imported by us",
    "psycopg-binary": "LGPL-3.0, the compiled part of psycopg, extra `postgres`",
}
# What only tests run and nobody ships; the licence does not reach the product.
ORACLES: Mapping[str, str] = {
    "axe-playwright-python": "MIT by its licence file, which its metadata does not name; brings axe-core, MPL-2.0",
    "openvc-core": "LGPL-3.0-or-later; checks our SD-JWT VC and status lists, in tests alone",
}

Package = Mapping[str, str]


def complaints(packages: Iterable[Package]) -> Iterator[str]:
    """The packages whose licence is not allowed, one line each."""
    for package in packages:
        name = package["Name"].lower()
        if name not in OPTIONAL and name not in ORACLES and not allowed(package["License"]):
            yield f"{package['Name']} {package['Version']}: {package['License']} is not on the list"


def allowed(licence: str) -> bool:
    """Whether every licence that binds is on the list: of alternatives (OR) one is enough.

    Lists without OR or AND ("A; B", as classifiers are printed) must be allowed in every part.
    """
    parts = re.split(r";| AND ", licence)
    return all(any(_plain(choice) in ALLOWED for choice in part.split(" OR ")) for part in parts)


def _plain(licence: str) -> str:
    return licence.strip().removeprefix("(").removesuffix(")" if "(" not in licence.lstrip("(") else "").lower()


def installed() -> list[Package]:
    """The packages of this environment, as pip-licenses lists them."""
    command = [str(Path(sys.executable).with_name("pip-licenses")), "--format=json", "--from=mixed"]
    listing = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - a fixed command
    packages: list[Package] = json.loads(listing.stdout)
    return packages


def main() -> int:
    """Print what is wrong; 1 if anything is."""
    found = list(complaints(installed()))
    sys.stdout.write("".join(f"{line}\n" for line in found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

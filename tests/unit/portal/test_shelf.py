"""What browsers load is on the shelf: nothing else, nothing changed, third-party files as they are locked."""

import re
import tomllib
from base64 import b64encode
from hashlib import sha384
from pathlib import Path

import pytest
from starlette.requests import Request

from medspace.app.doors.portal.shelf import HERE, Shelf

VENDOR = HERE / "vendor"
LOCK = tomllib.loads((VENDOR / "vendor.lock.toml").read_text())
APP = Path("src/medspace/app")
SHIPPED = {"0BSD", "MIT", "BSD-2-Clause", "BSD-3-Clause", "Apache-2.0", "ISC"}


def asked(name, accept="", query=b""):
    scope = {"type": "http", "method": "GET", "path": f"/portal/static/{name}", "query_string": query}
    scope |= {"headers": [(b"accept-encoding", accept.encode())], "path_params": {"name": name}}
    return Shelf([]).answer(Request(scope))


@pytest.mark.parametrize("name", LOCK)
def test_third_party_files_are_as_locked(name):
    entry = LOCK[name]
    digest = b64encode(sha384((VENDOR / entry["file"]).read_bytes()).digest()).decode()
    assert entry["sha384"] == f"sha384-{digest}"
    assert entry["licence"] in SHIPPED
    assert (VENDOR / entry["licence_file"]).read_text().strip()
    assert re.fullmatch(r"\d+\.\d+\.\d+", entry["version"])


def test_every_third_party_file_is_locked():
    named = {entry["file"] for entry in LOCK.values()} | {entry["licence_file"] for entry in LOCK.values()}
    assert {path.name for path in VENDOR.iterdir()} == named | {"vendor.lock.toml"}


def test_a_file_is_kept_for_ever_by_its_digest_and_asked_for_again_without():
    shelf = Shelf([])
    version = shelf.address("portal.css").partition("?v=")[2]
    assert "immutable" in asked("portal.css", query=f"v={version}".encode()).headers["cache-control"]
    assert asked("portal.css").headers["cache-control"] == "no-cache"
    assert asked("portal.css", "gzip, br").headers["content-encoding"] == "gzip"


@pytest.mark.parametrize("name", ["../portal.py", "vendor/vendor.lock.toml", "/etc/passwd", "none.css", ""])
def test_nothing_else_is_given(name):
    assert asked(name).status_code == 404


def test_integrity_is_that_of_the_file():
    digest = b64encode(sha384((HERE / "portal.js").read_bytes()).digest()).decode()
    assert Shelf([]).integrity("portal.js") == f"sha384-{digest}"


@pytest.mark.parametrize("path", sorted(APP.rglob("templates/**/*.html")), ids=lambda path: path.name)
def test_templates_escape_everything_and_have_nothing_inline(path):
    text = path.read_text()
    assert "|safe" not in text.replace(" ", "")
    assert "autoescape" not in text
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", text, re.IGNORECASE)
    assert all("src=" in script for script in re.findall(r"<script[^>]*>", text))


@pytest.mark.parametrize(
    "path", [p for p in sorted(APP.rglob("static/**/*.js")) if p.parent.name != "vendor"], ids=lambda p: p.name
)
def test_scripts_write_no_html(path):
    text = path.read_text()
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|localStorage", text
    )

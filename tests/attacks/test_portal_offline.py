"""What a browser keeps for offline use is the same for everybody, and goes with the session."""

import json
import re

import pytest

from medspace.app.doors.portal import offline
from medspace.app.doors.portal.shelf import HERE, Shelf
from tests.attacks.portal_guests import Place

KEPT = ("/portal/worker.js", "/portal/manifest.webmanifest", "/portal/offline")


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


@pytest.mark.parametrize("path", KEPT)
async def test_what_is_kept_is_the_same_with_and_without_a_session(place, path):
    somebody = await place.entered(await place.clinic.account("Dr Li"))
    known, unknown = await somebody.get(path, headers={"accept-language": "zh"}), await place.guest().get(path)
    assert (known.status_code, known.content) == (200, unknown.content)
    page = (await somebody.get("/portal/deeds")).text
    assert "Dr Li" in page, "a control: their pages name them"
    assert not any(one in known.text for one in ("Dr Li", somebody.session, await somebody.token()))
    assert "require-trusted-types-for 'script'" in known.headers["content-security-policy"]


async def test_the_worker_may_keep_files_of_the_shelf_alone(place):
    text = (await place.guest().get("/portal/worker.js")).text
    files = json.loads(re.search(r"^const FILES = (\[.*\]);$", text, re.MULTILINE)[1])
    assert files == Shelf([]).addresses()
    assert all(re.fullmatch(r"/portal/static/[\w/.-]+\?v=[0-9a-f]{12}", one) for one in files)
    for path in files:
        answer = await place.guest().get(path)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
    assert set(re.findall(r"cache\.(\w+)|caches\.(\w+)", text)) == {
        ("addAll", ""),
        ("", "open"),
        ("", "keys"),
        ("", "delete"),
    }


async def test_signing_out_clears_what_the_browser_keeps(place):
    somebody = await place.entered(await place.clinic.account("Dr Li"))
    assert "clear-site-data" not in (await somebody.get("/portal/deeds")).headers
    left = await somebody.post("/portal/sign-out", {"token": await somebody.token()})
    assert left.headers["clear-site-data"] == '"cache", "storage"'


def test_another_file_or_page_is_another_version(tmp_path):
    def version(shelf, page="page"):
        return re.search(r'VERSION = "([0-9a-f]{16})"', offline.script(shelf, page))[1]

    first = version(Shelf([]))
    assert first == version(Shelf([]))
    assert version(Shelf([]), "another page") != first
    changed = tmp_path / "vendor" / "htmx.min.js"
    changed.parent.mkdir()
    changed.write_bytes((HERE / "vendor" / "htmx.min.js").read_bytes() + b"\n")
    assert version(Shelf([tmp_path])) != first

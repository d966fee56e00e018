"""Tables that are uploaded to be offered: whose they are, what names and contents can do, how much they may take."""

from datetime import UTC, datetime

import httpx
import pytest

from medspace.adapters.system import SystemRandomness
from medspace.app.features.offers import drafts, keeping
from medspace.app.features.offers.keeping import DRAFTS, MOST_DRAFTS_EACH, TABLES
from tests.e2e.space import hospital, staged, table

ROWS = table(5, 120).encode()
NOW = datetime(2026, 1, 1, tzinfo=UTC)
OK, CREATED, BAD, FORBIDDEN, BROKEN = 200, 201, 400, 403, 500


class Desk:
    """The private door of a clinic, as stewards with tokens of their own see it."""

    def __init__(self, stage):
        self.node, self.owner = stage.nodes["clinic"], stage.space("clinic")
        self.folder = self.node.folder
        names = {"li": ["terms", "read"], "wang": ["terms", "read"], "reader": ["read"], "checker": ["check"]}
        self.tokens = {
            name: self.owner.new_token(name, scopes, person=True)["text"] for name, scopes in names.items()
        } | {"owner": self.node.token}

    def send(self, who, method, path, content=b"", **query):
        sent = {"Authorization": f"Bearer {self.tokens[who]}"}
        url = f"{self.node.private_url}{path}"
        if isinstance(content, dict):
            return httpx.request(method, url, headers=sent, json=content, params=query, timeout=120)
        return httpx.request(method, url, headers=sent, content=content, params=query, timeout=120)

    def upload(self, who, name="registry.csv", content=ROWS):
        return self.send(who, "POST", "/offer-drafts", content, name=name)

    def seen(self, who, pid):
        return self.send(who, "GET", f"/offer-drafts/{pid}/foreseen").json()["seen"]

    def publish(self, who, pid):
        return self.send(who, "POST", f"/offer-drafts/{pid}/publish", {"seen": self.seen(who, pid)})

    def tables(self):
        home = self.folder / TABLES
        return set(home.iterdir()) if home.is_dir() else set()

    def kept(self):
        home = self.folder / DRAFTS
        return {one.relative_to(self.folder) for one in home.rglob("*") if one.is_file()} if home.is_dir() else set()


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    with staged(tmp_path_factory.mktemp("uploads")) as stage:
        stage.add("authority")
        stage.add("clinic", hospital())
        stage.open()
        stage.admit()
        yield stage


@pytest.fixture(scope="module")
def desk(stage):
    return Desk(stage)


@pytest.fixture(autouse=True)
def cleared(desk):
    yield
    for one in desk.send("owner", "GET", "/offer-drafts").json()["drafts"]:
        desk.send("owner", "POST", f"/offer-drafts/{one['id']}/discard")
    assert desk.kept() == set()


@pytest.mark.parametrize(
    "name",
    [
        "../../medspace.toml",
        "..\\..\\medspace.toml",
        "/etc/cron.d/job",
        "about.json",
        "..",
        "",
        "a\0b.csv",
        "\u202egpj.exe",
        "x" * 500,
        "<script>alert(1)</script>.csv",
    ],
)
def test_no_name_leads_anywhere(desk, name):
    before = (desk.folder / "medspace.toml").read_text()
    made = desk.upload("li", name)
    assert made.status_code == CREATED
    (file,) = (one for one in desk.kept() if one.name != "about.json")
    assert file.parts[:2] == (DRAFTS, made.json()["id"])
    assert file.name.isascii()
    assert not set(file.name) & set("/\\<> \0")
    assert (desk.folder / file).stat().st_mode & 0o077 == 0
    assert (desk.folder / file).parent.stat().st_mode & 0o077 == 0
    assert (desk.folder / "medspace.toml").read_text() == before


def test_a_draft_is_its_makers_and_the_owners_alone(desk, attack_report):
    pid = desk.upload("li").json()["id"]
    tried = [
        ("GET", "columns"),
        ("POST", "columns"),
        ("GET", "terms"),
        ("POST", "terms"),
        ("GET", "foreseen"),
        ("POST", "publish"),
        ("POST", "discard"),
    ]
    got = [part for method, part in tried if desk.send("wang", method, f"/offer-drafts/{pid}/{part}", {}).is_success]
    assert desk.send("wang", "GET", "/offer-drafts").json()["drafts"] == []
    for who in ("reader", "checker"):
        assert desk.send(who, "GET", "/offer-drafts").status_code == FORBIDDEN
        assert desk.upload(who).status_code == FORBIDDEN
    control = [who for who in ("li", "owner") if desk.send(who, "GET", f"/offer-drafts/{pid}/columns").is_success]
    assert got == []
    assert control == ["li", "owner"]
    attack_report("offers: somebody else's upload opened", got=len(got), control=len(control), of=7, unit="ways")


def test_a_steward_names_no_file_of_the_machine(desk):
    secret = desk.folder / "rows.csv"
    for path in (str(secret), "rows.csv", "/etc/passwd"):
        assert desk.send("li", "POST", "/offer-drafts/path", {"source": path}).status_code == FORBIDDEN
        assert desk.send("li", "POST", "/offers", {"source": path}).status_code == FORBIDDEN
    pid = desk.upload("li").json()["id"]
    for part in ("columns", "terms"):
        body = {"file": str(secret), "source": str(secret)}
        assert desk.send("li", "POST", f"/offer-drafts/{pid}/{part}", body).status_code == BAD
    for source in ("rows.csv", "/etc", "/dev/zero", "/nowhere.csv", "/etc/pass\0wd"):
        assert desk.send("owner", "POST", "/offer-drafts/path", {"source": source}).status_code == BAD


@pytest.mark.parametrize("pid", ["..", "../..", "%2e%2e", "0" * 31, "0" * 33, "z" * 32, "0" * 32])
def test_no_identity_leads_out_of_the_folder(desk, pid):
    assert desk.send("owner", "POST", f"/offer-drafts/{pid}/discard").status_code in (BAD, 404, 405)
    assert (desk.folder / "medspace.toml").is_file()


def test_a_link_in_the_place_of_the_file_is_not_followed(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("mine")
    kept = keeping.DraftFolder(tmp_path, SystemRandomness())
    made = kept.begun("t.csv", "actor:x", NOW)
    (tmp_path / DRAFTS / made.id / "t.csv").symlink_to(victim)
    with pytest.raises(FileExistsError):
        kept.create(made)
    assert victim.read_text() == "mine"
    kept.remove(made.id)
    assert victim.read_text() == "mine"


def test_what_is_uploaded_is_bounded_in_size_and_number(desk, monkeypatch):
    monkeypatch.setattr(drafts, "LARGEST_UPLOAD", len(ROWS) - 1)
    assert desk.upload("li").json()["code"] == "offer.upload"
    assert desk.kept() == set()
    monkeypatch.undo()
    assert desk.upload("li", content=b"").json()["code"] == "offer.upload"
    made = [desk.upload("li").status_code for _ in range(MOST_DRAFTS_EACH + 1)]
    assert made == [CREATED] * MOST_DRAFTS_EACH + [BAD]


@pytest.mark.parametrize(
    "content",
    [
        b"PK\x03\x04" + b"\0" * 4000,  # a workbook, or any archive: never unpacked
        b"SQLite format 3\0" + b"\0" * 4000,
        b"\0" * 8 + b"DUCK" + b"\0" * 4000,
        b"PAR1" + b"\xff" * 4000 + b"PAR1",
        b"\x89PNG\r\n\x1a\n" + b"\0" * 4000,
        b'{"a": 1}',
        b"%PDF-1.7\n" + b"x" * 2000,
    ],
)
def test_what_is_no_table_is_refused_and_not_kept(desk, content):
    answer = desk.upload("li", content=content)
    assert answer.status_code == BAD, answer.text
    assert desk.kept() == set()


def test_a_file_that_grows_when_it_is_read_is_refused(desk, tmp_path):
    duckdb = pytest.importorskip("duckdb")
    bomb = tmp_path / "bomb.parquet"
    query = f"SELECT 'p' AS person, '{'x' * 4000}' AS a FROM range(3000000)"
    duckdb.sql(f"COPY ({query}) TO '{bomb}' (FORMAT parquet, COMPRESSION zstd)")
    assert bomb.stat().st_size < 1 << 20
    answer = desk.upload("li", "bomb.parquet", bomb.read_bytes())
    assert answer.status_code == BAD
    assert answer.json()["code"] == "table.unreadable"
    assert desk.kept() == set()


def test_a_steward_publishes_what_was_uploaded_and_nothing_leads_back_to_the_sender(desk):
    pid = desk.upload("li", "Hearts of the north.csv").json()["id"]
    terms = {"purposes": ["ehds:HealthcareScientificResearch"], "regions": ["DE"], "dataset": "north"}
    assert desk.send("li", "POST", f"/offer-drafts/{pid}/terms", terms).status_code == OK
    before = desk.tables()
    told = desk.publish("li", pid).json()
    assert told["dataset"] == "north"
    assert told["offered"]
    (placed,) = desk.tables() - before
    assert placed.read_bytes() == ROWS
    assert placed.stat().st_mode & 0o077 == 0
    entries = [one for one in desk.owner.offers() if one["dataset"] == "north"]
    assert any("DE" in sentence or "Germany" in sentence for sentence in entries[0]["offers"][0]["contract"])
    taken = desk.upload("li").json()["id"]
    answer = desk.send("li", "POST", f"/offer-drafts/{taken}/terms", terms)
    assert answer.json()["code"] == "offer.taken"
    assert desk.tables() == before | {placed}


AGREED = {"purposes": ["ehds:HealthcareScientificResearch"], "regions": ["DE"]}


def test_nothing_is_published_that_was_not_seen(desk, attack_report):
    pid = desk.upload("li").json()["id"]
    terms = AGREED | {"dataset": "unseen"}
    assert desk.send("li", "POST", f"/offer-drafts/{pid}/terms", terms).status_code == OK
    seen = desk.seen("li", pid)
    assert desk.seen("li", pid) == seen
    told = desk.send("li", "GET", f"/offer-drafts/{pid}/columns").json()
    column = next(one["name"] for one in told["table"]["columns"] if not one["person"] and not one["left_out"])
    person = {"person": told["said"]["person"]}
    changes = [
        ("terms", terms | {"regions": []}),
        ("terms", terms | {"title": "Another"}),
        ("terms", terms | {"dataset": "other"}),
        ("columns", person | {"columns": {column: {"description": "other words"}}}),
        ("columns", person | {"leave_out": [column]}),
    ]
    got = []
    for part, body in changes:
        assert desk.send("owner", "POST", f"/offer-drafts/{pid}/{part}", body).status_code == OK
        answer = desk.send("li", "POST", f"/offer-drafts/{pid}/publish", {"seen": seen})
        got += [part] if answer.is_success else []
        assert answer.json()["code"] == "offer.draft_moved"
        for back, said in (("terms", terms), ("columns", person)):
            assert desk.send("owner", "POST", f"/offer-drafts/{pid}/{back}", said).status_code == OK
    for body in ({}, b"", {"seen": ""}, {"seen": "0" * 64}):
        assert desk.send("li", "POST", f"/offer-drafts/{pid}/publish", body).status_code == BAD
    control = desk.send("li", "POST", f"/offer-drafts/{pid}/publish", {"seen": seen})
    assert control.status_code == CREATED, control.text
    attack_report("offers: published unseen", got=len(got), control=1, of=len(changes), unit="changes")


def test_a_publication_that_fails_leaves_no_table_behind(desk, monkeypatch):
    before = desk.tables()
    pid = desk.upload("li").json()["id"]
    assert desk.send("li", "POST", f"/offer-drafts/{pid}/terms", AGREED | {"dataset": "failing"}).status_code == OK
    seen = desk.seen("li", pid)

    def broken(*_):
        raise RuntimeError

    monkeypatch.setattr(drafts.publishing, "written", broken)
    answer = desk.send("li", "POST", f"/offer-drafts/{pid}/publish", {"seen": seen})
    assert answer.status_code == BROKEN
    assert desk.tables() == before
    monkeypatch.undo()
    assert desk.send("li", "POST", f"/offer-drafts/{pid}/publish", {"seen": seen}).status_code == CREATED
    (placed,) = desk.tables() - before
    assert placed.read_bytes() == ROWS


def test_a_table_that_is_offered_after_all_is_not_taken_back(desk, monkeypatch):
    pid = desk.upload("li").json()["id"]
    assert desk.send("li", "POST", f"/offer-drafts/{pid}/terms", AGREED | {"dataset": "late"}).status_code == OK
    seen, put = desk.seen("li", pid), drafts.Offers.put

    async def late(*args, **kwargs):
        await put(*args, **kwargs)
        raise RuntimeError

    before = desk.tables()
    monkeypatch.setattr(drafts.Offers, "put", late)
    assert desk.send("li", "POST", f"/offer-drafts/{pid}/publish", {"seen": seen}).status_code == BROKEN
    (placed,) = desk.tables() - before
    assert desk.send("li", "POST", f"/offer-drafts/{pid}/discard").status_code == OK
    assert placed.read_bytes() == ROWS
    assert any(one["dataset"] == "late" and one["offered"] for one in desk.owner.offers())

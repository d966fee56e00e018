"""Resources fetched from a FHIR server: by export and by search, with its faults, to no other place."""

import asyncio
import errno
import json
import os
import stat
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from medspace import sdk
from medspace.adapters.fhir.errors import (
    ChangedMeanwhileError,
    FhirAwayError,
    FhirServerError,
    FhirSettingsError,
    ResourcesRefusedError,
    ViewError,
)
from medspace.adapters.fhir.fetching.folder import FhirFolder
from medspace.adapters.fhir.fetching.login import new_key, public_keys
from medspace.adapters.fhir.fetching.service import FetchParts, fetch
from medspace.adapters.fhir.ndjson import SWAPPING, types_in
from medspace.adapters.keys import SecretExposedError
from medspace.app.main import main
from medspace.core.errors import MedspaceError
from medspace.policy.consent import reading
from medspace.policy.consent.reading import ACT_REASON
from medspace.services.consents.recording import version_of
from tests.fhirserver import fresh, served

PKCS8 = PrivateFormat.PKCS8


class FastClock:
    """The time of this machine, and what was slept on it, which takes none."""

    def __init__(self):
        self.slept = 0.0

    def now(self):
        return datetime.now(UTC) + timedelta(seconds=self.slept)

    async def sleep(self, seconds):
        self.slept += seconds


@pytest.fixture(scope="module")
def process():
    with served() as server:
        yield server


@pytest.fixture
def server(process):
    fresh(process)
    process.control(resources=resources(5))
    return process


def resources(count, since="2025-01-01T00:00:00Z"):
    meta = {"meta": {"lastUpdated": since}}
    names = [{"family": "Berg"}]
    patients = [{"resourceType": "Patient", "id": f"p{n}", "name": names, **meta} for n in range(count)]
    return {"Patient": patients, "Observation": [observation(n, f"p{n}", **meta) for n in range(count)]}


def observation(number, patient, **more):
    value = {"value": 1.50, "code": "mg"}
    said = {"resourceType": "Observation", "id": f"o{number}", "status": "final", "valueQuantity": value}
    return {**said, "subject": {"reference": f"Patient/{patient}"}, "note": [{"text": "private"}], **more}


@pytest.fixture
def settings(tmp_path):
    def write(server, /, login="", **said):
        said = {"server": server.base, "views": ["Observation"], "networks": ["127.0.0.0/8"], "page": 2, **said}
        lines = [f"{name} = {json.dumps(value)}" for name, value in said.items()]
        file = tmp_path / "fhir.toml"
        file.write_text("\n".join(lines) + login)
        file.chmod(0o600)
        return file

    return write


@pytest.fixture
def fetched(tmp_path):
    def run(file, clock=None, **more):
        clock = clock or FastClock()
        return asyncio.run(fetch(file, tmp_path / "here", parts=FetchParts(clock=clock), **more))

    return run


def lines(tmp_path, kind="Observation"):
    return [json.loads(line) for line in (tmp_path / "here" / f"{kind}.ndjson").read_bytes().splitlines()]


WAYS = pytest.mark.parametrize("way", ["export", "search"])


@WAYS
def test_what_the_views_need_is_fetched_and_nothing_else(server, settings, fetched, tmp_path, way):
    server.control(per_file=2)
    found = fetched(settings(server, way=way))
    assert found["resources"] == {"Observation": 5, "Patient": 5}
    assert sorted(types_in(tmp_path / "here")) == ["Observation", "Patient"]
    assert all(one.keys() == {"resourceType", "id"} for one in lines(tmp_path, "Patient"))
    assert all("note" not in one for one in lines(tmp_path))
    assert b'"value": 1.5' in (tmp_path / "here" / "Observation.ndjson").read_bytes()
    modes = {stat.S_IMODE(one.stat().st_mode) for one in (tmp_path / "here").iterdir()}
    assert modes <= {0o600, 0o700}
    assert not [path for _, path, *_ in server.asked() if "Condition" in path]


def test_what_names_another_patient_stays_whole_so_that_it_is_left_out_later(server, settings, fetched, tmp_path):
    other = observation(9, "p1", focus=[{"reference": "Patient/p2"}])
    server.control(resources={**resources(3), "Observation": [other]})
    fetched(settings(server))
    assert lines(tmp_path)[0]["focus"] == [{"reference": "Patient/p2"}]


def test_an_export_brings_what_changed_and_erases_what_was_deleted(server, settings, fetched, tmp_path):
    file = settings(server)
    assert fetched(file)["since"] == ""
    new = observation(1, "p1", status="amended", meta={"lastUpdated": "2026-02-01T00:00:00Z"})
    more = observation(7, "p3", meta={"lastUpdated": "2026-02-01T00:00:00Z"})
    server.control(
        resources={"Patient": [], "Observation": [new, more]}, now="2026-03-01T00:00:00Z",
        deleted=[["Observation", "o0"], ["Patient", "p4"]],
    )  # fmt: skip
    found = fetched(file)
    assert (found["since"], found["deleted"]) == ("2026-01-01T00:00:00Z", 2)
    assert {one["id"]: one["status"] for one in lines(tmp_path)} == {
        "o2": "final", "o3": "final", "o1": "amended", "o7": "final",
    }  # fmt: skip
    assert {one["id"] for one in lines(tmp_path, "Patient")} == {"p0", "p1", "p2", "p3"}
    assert "_since=2026-01-01" in server.asked("$export")[-1][1]
    fetched(file, whole=True)
    assert {one["id"] for one in lines(tmp_path)} == {"o1", "o7"}
    server.control(resources=resources(2))
    fetched(settings(server, views=["Observation", "Condition"]))  # other views: nothing of before is enough
    assert "_since" not in server.asked("$export")[-1][1]


def test_an_export_goes_on_where_it_stopped(server, settings, fetched, tmp_path):
    file = settings(server)
    server.control(per_file=2, faults=[{"path": "files/1/Patient/2", "status": 503, "times": 100}])
    with pytest.raises(FhirAwayError):
        fetched(file)
    assert not list((tmp_path / "here").glob("*.ndjson"))
    first = server.asked("files/1/Observation/0")
    server.control(faults=[])
    assert fetched(file)["resources"] == {"Observation": 5, "Patient": 5}
    assert len(server.asked("$export")) == 1
    assert len(server.asked("files/1/Observation/0")) == len(first) == 1
    assert [one[0] for one in server.asked("jobs/1")][-1] == "DELETE"


def test_a_job_that_is_known_no_more_is_started_anew(server, settings, fetched):
    file = settings(server)
    server.control(faults=[{"path": "jobs/1", "status": 500, "times": 100}])
    with pytest.raises(FhirAwayError):
        fetched(file)
    server.control(faults=[], jobs={})
    with pytest.raises(FhirServerError, match="404"):
        fetched(file)
    assert fetched(file)["resources"]["Patient"] == 5


def test_as_much_patience_as_the_server_asks_for(server, settings, fetched):
    clock = FastClock()
    server.control(faults=[{"path": "export", "status": 429, "headers": {"Retry-After": "120"}}])
    fetched(settings(server), clock)
    assert 120 <= clock.slept < 140
    server.control(faults=[{"path": "export", "status": 503, "headers": {"Retry-After": "999999"}}])
    with pytest.raises(FhirAwayError, match="999999"):
        fetched(settings(server), whole=True)
    server.control(faults=[{"path": "jobs", "status": 202, "times": 100_000, "headers": {"Retry-After": "3600"}}])
    with pytest.raises(FhirServerError, match="24 hours"):
        fetched(settings(server), whole=True)


def bundle(**more):
    return json.dumps({"resourceType": "Bundle", "type": "searchset", "entry": [], **more})


def manifest(**more):
    return json.dumps({"transactionTime": "2026-01-01T00:00:00Z", "output": [], **more})


def leads(url):
    return bundle(link=[{"relation": "next", "url": url}])


BAD_PAGES = {
    "html": ("<html>log in</html>", "not one JSON object"),
    "half": ('{"resourceType": "Bundle", "type": "searchset", "entry": [{"res', "not one JSON object"),
    "deep": ("[" * 100_000, "not one JSON object"),
    "no bundle": ('{"resourceType": "Patient", "id": "x"}', "not a page"),
    "another type": (bundle(entry=[{"resource": {"resourceType": "Group", "id": "g"}}]), "another type"),
    "no id": (bundle(entry=[{"resource": {"resourceType": "Observation"}}]), "no id"),
    "no resource": (bundle(entry=[{"fullUrl": "x"}]), "not JSON"),
    "a path as id": (bundle(entry=[{"resource": {"resourceType": "Observation", "id": "../x"}}]), "its id is none"),
    "to another server": (leads("https://evil.example/r4/Observation"), "evil.example"),
    "to this machine": (leads("http://127.0.0.1:1/r4/Observation"), "not the server's own place"),
    "to metadata": (leads("http://169.254.169.254/latest/meta-data/"), "169.254.169.254"),
    "to a file": (leads("file:///etc/passwd"), "not the server's own place"),
    "with a user": (leads("http://127.0.0.1@evil.example/"), "evil.example"),
    "in a circle": (leads("{base}/Observation?_count=2"), "in a circle"),
}


@pytest.mark.parametrize("name", BAD_PAGES)
def test_pages_that_cannot_be_right_are_refused_and_what_was_there_stays(server, settings, fetched, tmp_path, name):
    file = settings(server, way="search")
    fetched(file)
    body, word = BAD_PAGES[name]
    server.control(faults=[{"path": "Observation", "status": 200, "body": body, "times": 100}])
    with pytest.raises(FhirServerError, match=word):
        fetched(file)
    assert len(lines(tmp_path)) == 5


ISSUE = {"code": "forbidden", "diagnostics": "Mary Smith"}
OUTCOME = json.dumps({"resourceType": "OperationOutcome", "issue": [ISSUE]})
BAD_JOBS = {
    "status elsewhere": ("export", 202, {"Content-Location": "http://169.254.169.254/x"}, "", "169.254.169.254"),
    "no status": ("export", 202, {}, "", "no address"),
    "at once": ("export", 200, {}, "{}", "status 200"),
    "not allowed": ("export", 403, {}, OUTCOME, "forbidden"),
    "moved": ("export", 302, {"Location": "http://169.254.169.254/"}, "", "302"),
    "no manifest": ("jobs", 200, {}, "{}", "lists no files"),
    "no time": ("jobs", 200, {}, '{"output": []}', "up to which time"),
    "files elsewhere": ("jobs", 200, {}, manifest(output=[{"type": "Patient", "url": "https://evil.example/p"}]),
                        "evil.example"),
    "files of others": ("jobs", 200, {}, manifest(output=[{"type": "Claim", "url": "{base}/x"}]), "not asked for"),
    "no list": ("jobs", 200, {}, manifest(output=3), "not a list"),
    "html file": ("files", 200, {"Content-Type": "text/html"}, "<html>", "page for people"),
    "half a file": ("files", 200, {}, '{"resourceType": "Observation", "id"', "not JSON"),
    "fewer than said": ("files", 200, {}, '{"resourceType": "Observation", "id": "x"}', "not 5"),
    "other patients": ("files", 200, {}, '{"resourceType": "Patient", "id": "x"}', "another type"),
    "gone": ("files", 410, {}, "", "410"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_JOBS)
def test_exports_that_cannot_be_right_are_refused_and_forgotten(server, settings, fetched, tmp_path, name):
    file = settings(server)
    fetched(file)
    path, status, headers, body, word = BAD_JOBS[name]
    fault = {"path": path, "status": status, "headers": headers, "body": body}
    server.control(faults=[fault], resources=resources(5, "2026-02-01T00:00:00Z"))
    with pytest.raises(FhirServerError, match=word) as refused:
        fetched(file)
    assert "Mary" not in str(refused.value)
    assert len(lines(tmp_path)) == 5
    assert fetched(file)["since"]  # and the next one begins with a new job


def test_a_file_that_ends_early_is_taken_again(server, settings, fetched):
    cut = {"path": "files/1/Patient", "status": 200, "body": '{"resourceType": "Patient", "id": "p0"}\n', "cut": 99}
    server.control(faults=[cut])
    assert fetched(settings(server))["resources"]["Patient"] == 5


def test_files_come_from_a_place_that_the_settings_list_and_without_the_token(server, settings, fetched, tmp_path):
    key = tmp_path / "key.pem"
    new_key(key)
    server.control(auth="jwt", jwks=public_keys(key))
    with served() as store:
        store.control(jobs={"/jobs/9": {"found": {"Patient": [{"resourceType": "Patient", "id": "s"}]}}})
        output = [{"type": "Patient", "url": f"{store.base}/files/9/Patient/0"}]
        said = manifest(output=output, requiresAccessToken=True)
        server.control(faults=[{"path": "jobs", "status": 200, "body": said, "times": 2}], polls=0)
        login = '\n[login]\nclient = "medspace"\nkey = "key.pem"\n'
        with pytest.raises(FhirServerError, match="not the server's own place"):
            fetched(settings(server, login))
        found = fetched(settings(server, login, files=[f"http://127.0.0.1:{store.port}"]))
        assert found["resources"] == {"Observation": 0, "Patient": 1}
        assert [one[2] for one in store.asked("files")] == [""]


def test_pages_that_change_under_the_reader_are_read_anew_or_refused(server, settings, fetched, tmp_path):
    changed = {"Observation": [observation(n, f"p{n}", status="amended") for n in range(4)]}
    server.control(changes={"after": 0, "times": 1, "resources": changed})
    fetched(settings(server, way="search"))
    assert {one["status"] for one in lines(tmp_path)} == {"amended"}
    again = leads("{base}/Observation?page=1&_count=2")
    twice = bundle(entry=[{"resource": observation(0, "p0")}, {"resource": observation(0, "p1")}])
    for body in (twice, json.dumps({**json.loads(again), "total": 77})):
        server.control(faults=[{"path": "Observation", "status": 200, "body": body, "times": 100}], changes={})
        with pytest.raises((ChangedMeanwhileError, FhirServerError)):
            fetched(settings(server, way="search"))


def test_pages_that_go_on_for_ever_are_left(server, settings, fetched):
    faults = [
        {"path": f"Observation.*(at={n}$|_count)" if n == 0 else f"at={n}$", "status": 200,
         "body": leads(f"{{base}}/Observation?at={n + 1}")}
        for n in range(50)
    ]  # fmt: skip
    server.control(faults=faults)
    with pytest.raises(FhirServerError, match="nothing new"):
        fetched(settings(server, way="search"))
    assert len(server.asked("Observation")) < 15


def test_a_signed_assertion_lets_in_and_a_token_that_ends_is_renewed(server, settings, fetched, tmp_path):
    key = tmp_path / "key.pem"
    new_key(key)
    server.control(auth="jwt", jwks=public_keys(key), token_uses=2)
    login = '\n[login]\nclient = "medspace"\nkey = "key.pem"\n'
    assert fetched(settings(server, login))["resources"]["Patient"] == 5
    assert len(server.asked("token")) > 1
    assert {one[2] for one in server.asked("token")} == {""}
    server.control(skew=-400)
    with pytest.raises(FhirServerError, match=r"clock is -(399|400|401) seconds ahead"):
        fetched(settings(server, login), whole=True)
    key.chmod(0o644)
    with pytest.raises(SecretExposedError):
        fetched(settings(server, login), whole=True)


def test_a_secret_lets_in_and_goes_to_no_other_place(server, settings, fetched, tmp_path):
    (tmp_path / "secret").write_text("b l+u%e\n")
    (tmp_path / "secret").chmod(0o600)
    server.control(auth="secret", secret="b l+u%e")
    login = '\n[login]\nclient = "medspace"\nsecret = "secret"\n'
    assert fetched(settings(server, login))["resources"]["Patient"] == 5
    elsewhere = json.dumps({"token_endpoint": "https://evil.example/token"})
    server.control(faults=[{"path": "smart-configuration", "status": 200, "body": elsewhere}])
    with pytest.raises(FhirServerError, match="at its own place"):
        fetched(settings(server, login))
    server.control(secret="other")
    with pytest.raises(FhirServerError, match="invalid_client"):
        fetched(settings(server, login), whole=True)


def test_a_replacement_that_was_interrupted_is_refused_to_readers_and_finished(
    server, settings, fetched, tmp_path, monkeypatch
):
    file = settings(server)
    fetched(file)
    new = [observation(n, "p0", status="amended", meta={"lastUpdated": "2026-02-01T00:00:00Z"}) for n in range(5)]
    server.control(resources={"Observation": new, "Patient": []}, now="2026-03-01T00:00:00Z")
    with monkeypatch.context() as killed:
        killed.setattr(
            FhirFolder, "note", lambda *_: os._exit(9) if (tmp_path / "here" / SWAPPING).exists() else None
        )
        pid = os.fork()
        if pid == 0:
            fetched(file)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 9
    with pytest.raises(ResourcesRefusedError, match="being replaced"):
        types_in(tmp_path / "here")
    fetched(file)
    assert {one["status"] for one in lines(tmp_path)} == {"amended"}
    with FhirFolder(tmp_path / "here").opened(), pytest.raises(FhirAwayError, match="another fetch"):
        fetched(file)


def test_a_folder_that_cannot_be_written_is_said(server, settings, fetched, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(FhirFolder, "part", full)
        with pytest.raises(ResourcesRefusedError, match="disk is full"):
            fetched(settings(server))
    (tmp_path / "here").rename(tmp_path / "there")
    (tmp_path / "here").write_text("a file")
    with pytest.raises(ResourcesRefusedError):
        fetched(settings(server))


def test_an_export_that_says_itself_that_something_is_missing_is_refused(server, settings, fetched):
    for severity, refused in (("error", True), ("warning", False)):
        fault = {"path": "jobs", "status": 200, "body": manifest(error=[{"url": "{base}/errors"}])}
        outcome = json.dumps({"resourceType": "OperationOutcome", "issue": [{"severity": severity}]})
        server.control(faults=[fault, {"path": "errors", "status": 200, "body": outcome}])
        if refused:
            with pytest.raises(FhirServerError, match="could not export everything"):
                fetched(settings(server))
        else:
            assert fetched(settings(server))["resources"]["Patient"] == 0


@pytest.mark.parametrize("body", ["{", "[]", bundle(entry=[{"request": {"method": "GET", "url": "Patient/p1"}}])])
def test_a_list_of_deleted_resources_that_is_none_erases_nothing(server, settings, fetched, tmp_path, body):
    file = settings(server)
    fetched(file)
    gone = {"path": "jobs", "status": 200, "body": manifest(deleted=[{"url": "{base}/gone"}])}
    server.control(faults=[gone, {"path": "gone", "status": 200, "body": body}])
    with pytest.raises(FhirServerError, match="list of deleted"):
        fetched(file)
    assert len(lines(tmp_path)) == 5


def test_a_key_that_servers_do_not_take_is_refused(server, settings, fetched, tmp_path):
    login = '\n[login]\nclient = "medspace"\nkey = "key.pem"\n'
    rsa_key, small, curve = (
        rsa.generate_private_key(65537, 2048), rsa.generate_private_key(65537, 1024),
        ec.generate_private_key(ec.SECP256R1()),
    )  # fmt: skip
    for made, taken in ((rsa_key, True), (small, False), (curve, False), (None, False)):
        content = b"no key" if made is None else made.private_bytes(Encoding.PEM, PKCS8, NoEncryption())
        (tmp_path / "key.pem").unlink(missing_ok=True)
        (tmp_path / "key.pem").write_bytes(content)
        (tmp_path / "key.pem").chmod(0o600)
        if taken:
            server.control(auth="jwt", jwks=public_keys(tmp_path / "key.pem"))
            assert fetched(settings(server, login))["resources"]["Patient"] == 5
        else:
            with pytest.raises(FhirSettingsError, match="P-384"):
                fetched(settings(server, login), whole=True)


@pytest.mark.parametrize("said", ["{}", "[]", '{"access_token": "a b\\n", "token_type": "mac"}', "<html>"])
def test_what_is_no_token_is_refused(server, settings, fetched, tmp_path, said):
    new_key(tmp_path / "key.pem")
    server.control(auth="jwt", faults=[{"path": "token$", "status": 200, "body": said}])
    with pytest.raises(FhirServerError, match="token"):
        fetched(settings(server, '\n[login]\nclient = "medspace"\nkey = "key.pem"\n'))


@pytest.mark.parametrize(
    "said",
    [
        {"server": "ftp://x"}, {"server": "http://u:p@x"}, {"views": []}, {"views": ["Nothing"]}, {"way": "steal"},
        {"group": "../x"}, {"hours": 0}, {"page": 0}, {"networks": ["everywhere"]}, {"certificates": "none.pem"},
        {"unknown": 1}, {"files": ["x"]},
    ],
)  # fmt: skip
def test_settings_that_cannot_be_are_refused(server, settings, fetched, said):
    with pytest.raises((FhirSettingsError, ViewError)):
        fetched(settings(server, **said))
    assert server.asked() == []


def test_an_address_of_this_machine_is_asked_only_if_the_settings_allow_it(server, settings, fetched):
    with pytest.raises(FhirServerError, match="not a public address"):
        fetched(settings(server, networks=[]))
    assert server.asked() == []


def test_the_way_from_a_server_to_a_draft_on_the_command_line(server, settings, tmp_path, capsys, monkeypatch):
    def typed(*arguments):
        with pytest.raises(SystemExit) as end:
            main(list(arguments))
        told = capsys.readouterr()
        return end.value.code, told.out + told.err

    monkeypatch.chdir(tmp_path)
    code, told = typed("source", "key", "key.pem")
    assert code == 0
    assert json.loads(told) == public_keys(tmp_path / "key.pem")
    server.control(auth="jwt", jwks=json.loads(told), polls=0, resources=resources(20))
    file = settings(server, '\n[login]\nclient = "medspace"\nkey = "key.pem"\n')
    code, told = typed("source", "fetch", str(file), "here")
    assert (code, "medspace draft fhir:here" in told) == (0, True)
    code, told = typed("draft", "fhir:here", "--table", "Observation", "--person", "patient")
    assert (code, "20 rows of 20 persons" in told) == (0, True)
    server.control(faults=[{"path": "export", "status": 404}])
    code, told = typed("source", "fetch", str(file), "here", "--whole", "--lang", "zh")
    assert (code, "先前获取的资源保持原样" in told) == (2, True)


def test_the_sdk_does_the_same(server, settings, tmp_path):
    server.control(polls=0)
    found = sdk.fetch_resources(settings(server), tmp_path / "here")
    assert found["resources"] == {"Observation": 5, "Patient": 5}
    names = [one["name"] for one in sdk.draft_view(tmp_path / "here", "Observation")["select"][0]["column"]]
    assert names == ["patient", "status", "value", "unit"]
    with pytest.raises(MedspaceError):
        sdk.draft_view(tmp_path / "here", "Observation", min_cohort=1)


# --- consents -------------------------------------------------------------------------------------------------------
CONSENT_ELEMENTS = ("meta", "status", "scope", "patient", "performer", "policyRule", "provision")
CONSENT_VIEW = {
    "resourceType": "ViewDefinition",
    "name": "consent",
    "status": "active",
    "resource": "Consent",
    "select": [
        {"column": [{"name": one.lower(), "path": f"{one}.exists()", "type": "boolean"} for one in CONSENT_ELEMENTS]}
    ],
}


def test_consents_come_from_a_server_with_all_that_decides_and_are_read(server, settings, fetched, tmp_path):
    consents = [
        {
            "resourceType": "Consent",
            "id": f"c{number}",
            "meta": {"versionId": str(number + 1)},
            "status": "active",
            "scope": {"coding": [{"code": "research"}]},
            "patient": {"reference": f"Patient/p{number}"},
            "provision": {"type": "permit", "purpose": [{"system": ACT_REASON, "code": "HRESCH"}]},
            "sourceAttachment": {"title": "a scan that nobody needs"},
        }
        for number in range(5)
    ]
    server.control(resources={**resources(5), "Consent": consents})
    (tmp_path / "consent.json").write_text(json.dumps(CONSENT_VIEW))
    fetched(settings(server, views=["consent.json"]))
    found = lines(tmp_path, "Consent")
    assert all("sourceAttachment" not in one for one in found)
    assert [reading.read(one, version_of(one)) for one in found] == [
        reading.read(one, version_of(one)) for one in consents
    ]
    assert [version_of(one) for one in found] == [1, 2, 3, 4, 5]

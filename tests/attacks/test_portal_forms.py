"""Forms from elsewhere, forms that are none, and addresses that lead astray."""

import time
from contextlib import suppress

import pytest

from medspace.app.doors.portal.guarding import SESSION
from medspace.services.accounts.rules import CONFIRMED_FOR
from tests.attacks.portal_guests import ORIGIN, OWN, Guest, Place
from tests.passkeys import HOST

LIGHT, HEAVY = "/portal/deeds/light", "/portal/deeds/heavy"
EVIL = "https://evil.example"


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


@pytest.fixture
async def guest(place):
    return await place.entered(await place.clinic.account())


FOREIGN = {
    "no origin": {},
    "another origin": {"origin": EVIL},
    "no origin to speak of": {"origin": "null"},
    "another scheme": {"origin": ORIGIN.replace("https", "http")},
    "another port": {"origin": ORIGIN + ":8443"},
    "a longer name": {"origin": ORIGIN + ".evil.example"},
    "a name that ends so": {"origin": f"https://evil{HOST}"},
    "two origins": {"origin": f"{ORIGIN} {EVIL}"},
    "the same site": {"sec-fetch-site": "same-site"},
    "another site": {"sec-fetch-site": "cross-site"},
    "an own Host": {"origin": EVIL, "host": "evil.example"},
    "a forwarded Host": {"origin": EVIL, "x-forwarded-host": "evil.example", "forwarded": "host=evil.example"},
}


@pytest.mark.parametrize("name", FOREIGN)
async def test_a_form_of_another_site_does_nothing_even_with_the_token(place, guest, name):
    form = {"token": await guest.token(), "what": "x"}
    for path in (LIGHT, HEAVY, "/portal/sign-out", "/portal/preferences", "/portal/passkeys/remove"):
        answer = await guest.post(path, form, headers=FOREIGN[name])
        assert (answer.status_code, "portal.foreign_form" in answer.text) == (403, True), path
    assert place.deeds.done == []
    assert (await guest.get("/portal/deeds")).status_code == 200
    answer = await guest.post(LIGHT, form)  # the control
    assert (answer.status_code, place.deeds.done) == (303, ["x"])


async def test_a_form_needs_the_token_of_its_session(place, guest):
    other = await place.entered(await place.clinic.account("Dr Wang"))
    foreign, own = await other.token(), await guest.token()
    for token in ("", "0" * 64, foreign, own.upper(), own[:-1], own + " ", guest.session, "\ud7ff\x00"):
        for path in (LIGHT, HEAVY, "/portal/sign-out", "/portal/preferences"):
            answer = await guest.post(path, {"token": token, "what": "x"})
            assert (answer.status_code, "portal.foreign_form" in answer.text) == (403, True), path
    in_address = await guest.post(f"{LIGHT}?token={own}", {"what": "x"})
    twice = await guest.post(LIGHT, {"token": [own, foreign], "what": "x"})
    assert (in_address.status_code, twice.status_code, place.deeds.done) == (403, 403, [])


async def test_a_form_that_no_page_can_be_made_to_send_is_no_form(place, guest):
    token = await guest.token()
    for kind in ("text/plain", "application/json", "application/x-www-form-urlencoded2"):
        answer = await guest.send(
            "POST", LIGHT, content=f"token={token}&what=x", headers={**OWN, "content-type": kind}
        )
        assert answer.status_code == 403, kind
    assert place.deeds.done == []


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"])
async def test_another_method_does_nothing(place, guest, method):
    token = await guest.token()
    for headers in (OWN, {**OWN, "x-http-method-override": "POST", "x-method-override": "POST"}):
        answer = await guest.send(
            method, f"{LIGHT}?token={token}&what=x&_method=POST", headers={**headers, "x-form-token": token}
        )
        assert answer.status_code == 405
        assert answer.headers["allow"] == "POST"
    assert place.deeds.done == []


@pytest.mark.parametrize("path", ["/portal/deeds", "/portal/sign-in", "/portal/static/portal.css", "/portal/keys"])
async def test_what_is_read_takes_no_form(guest, path):
    answer = await guest.post(path, {"token": await guest.token()})
    assert answer.status_code == 405
    assert "Traceback" not in answer.text


async def test_what_weighs_more_needs_a_passkey_each_time(place, guest):
    form = {"token": await guest.token(), "what": "x", "from_page": "/portal/deeds?id=urn:1", "confirmed": "yes"}
    for more in ({}, {"x-confirmed": "yes"}):
        answer = await guest.post(HEAVY, form, headers={**OWN, **more})
        assert answer.headers["location"] == "/portal/confirm?next=%2Fportal%2Fdeeds%3Fid%3Durn%3A1"
    await place.confirmed(guest)
    assert (await guest.post(HEAVY, form)).headers["location"] == "/portal/deeds"
    known = await place.clinic.accounts.look(guest.session)
    again = await place.entered(known.account)  # another session of the same person
    assert "/confirm" in (await again.post(HEAVY, {**form, "token": await again.token()})).headers["location"]
    place.clinic.clock.advance(CONFIRMED_FOR.total_seconds() + 1)
    assert "/confirm" in (await guest.post(HEAVY, form)).headers["location"]
    assert place.deeds.done == ["x"]


async def test_a_form_knows_its_page_with_its_query_and_takes_nothing_else_for_it(place, guest):
    assert (
        'name="from_page" value="/portal/deeds?id=urn:1&amp;x=%22"'
        in (await guest.get("/portal/deeds?id=urn:1&x=%22")).text
    )
    for odd in ("/portal/deeds?next=//evil.example", "/portal/deeds?x=" + "a" * 3_000, "/portal//evil.example"):
        assert 'name="from_page" value="/portal/"' in (await guest.get(odd)).text
    asked = await place.guest().get("/portal/deeds?id=urn:1")
    assert asked.headers["location"] == "/portal/sign-in?next=%2Fportal%2Fdeeds%3Fid%3Durn%3A1"


AWAY = [
    EVIL,
    "//evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "/portal//evil.example",
    "/portal/..//evil.example",
    "/portal/\t//evil.example",
    "/portal/\r\nSet-Cookie: a=b",
    "javascript:alert(1)",
    " https://evil.example",
    "/portalevil",
    "/portal@evil.example",
]


@pytest.mark.parametrize("way", AWAY)
async def test_nobody_is_led_away(place, guest, way):
    link = (await place.clinic.link(await place.clinic.account("Dr Wang"))).text
    entered = await place.guest().post("/portal/enter", {"link": link, "next": way})
    asked = await guest.post(HEAVY, {"token": await guest.token(), "from_page": way})
    assert entered.headers["location"] == "/portal/"
    assert asked.headers["location"] == "/portal/confirm?next=%2Fportal%2F"
    assert "set-cookie" not in asked.headers


CODECS = [
    "punycode",
    "idna",
    "utf-7",
    "utf-16",
    "unicode_escape",
    "raw_unicode_escape",
    "latin-1",
    "hex",
    "rot13",
    "no",
]


@pytest.mark.parametrize("codec", CODECS)
async def test_a_form_is_read_with_no_codec_that_its_sender_chooses(place, codec):
    head = f"multipart/form-data; boundary=b; charset={codec}"
    answer = await place.guest().send("POST", "/portal/enter", content=bomb(8), headers={**OWN, "content-type": head})
    assert (answer.status_code, "portal.form" in answer.text) == (400, True)


def bomb(size):
    return b'--b\r\nContent-Disposition: form-data; name="link"\r\n\r\n-' + b"a9" * (size // 2) + b"\r\n--b--\r\n"


async def test_a_form_that_would_be_read_for_seconds_is_not_read(place, attack_report):
    content = bomb(60_000)

    async def seconds(kind):
        began = time.process_time()
        await place.guest().send("POST", "/portal/enter", content=content, headers={**OWN, "content-type": kind})
        return time.process_time() - began

    got = await seconds("multipart/form-data; boundary=b; charset=punycode")
    began = time.process_time()
    with suppress(UnicodeError):
        content.split(b"\r\n\r\n")[1].partition(b"\r\n")[0].decode("punycode")
    control = time.process_time() - began  # what each field would take without the brake
    attack_report("portal: one small form keeps everybody waiting", got=got, control=control, unit="s")
    assert got < control


def part(name, more="", value=b"x"):
    return f'--b\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'.encode() + value + b"\r\n"


MULTIPART = "multipart/form-data; boundary=b"
MALFORMED = {
    "no boundary": ("multipart/form-data", part("token")),
    "too many parts": (MULTIPART, b"".join(part(f"f{n}") for n in range(1000)) + b"--b--"),
    "files": (MULTIPART, part("token", '; filename="../../x"') * 3 + b"--b--"),
    "headers without end": (MULTIPART, b"--b\r\n" + b"X: y\r\n" * 2_000),
    "a long header": (MULTIPART, b"--b\r\nContent-Disposition: " + b"a" * 60_000),
    "no disposition": (MULTIPART, b"--b\r\nX: y\r\n\r\nx\r\n--b--"),
    "no name": (MULTIPART, b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--"),
    "cut off": (MULTIPART, part("token")[:-4]),
    "noise": (MULTIPART, bytes(range(256)) * 8),
    "many fields": ("application/x-www-form-urlencoded", b"&".join(b"a=b" for _ in range(15_000))),
    "deep names": ("application/x-www-form-urlencoded", b"a" + b"%5Bx%5D" * 9_000 + b"=1"),
    "separators": ("application/x-www-form-urlencoded", b"&;=" * 20_000),
    "bad escapes": ("application/x-www-form-urlencoded", b"%zz=%&%=%ff&token=%00"),
    "nothing": ("application/x-www-form-urlencoded", b""),
}


@pytest.mark.parametrize("name", MALFORMED)
async def test_a_form_that_is_malformed_is_refused_in_words(place, guest, name):
    kind, content = MALFORMED[name]
    for path in ("/portal/enter", "/portal/preferences", LIGHT):
        answer = await guest.send("POST", path, content=content, headers={**OWN, "content-type": kind})
        assert answer.status_code in (400, 403, 413), path
        assert "Traceback" not in answer.text
        assert 'id="problem"' in answer.text
    assert place.deeds.done == []


@pytest.mark.parametrize("length", ["", "-1", "+5", "1e3", "9" * 5_000, "\u00b2", "262145", "5, 5"])
async def test_a_form_says_how_long_it_is_and_is_not_too_long(place, guest, length):
    sent = {**OWN, "content-type": "application/x-www-form-urlencoded", "content-length": length.encode("latin-1")}
    content = b"token=x"
    if not length:
        del sent["content-length"]
        content = pieces()  # sent in chunks
    answer = await guest.send("POST", LIGHT, content=content, headers=sent)
    assert answer.status_code == 413


async def pieces():
    yield b"token=x"


async def test_what_fails_tells_strangers_nothing(place, guest):
    answer = await guest.get("/portal/deeds/broken")
    assert answer.status_code == 500
    for told in ("hunter2", "Traceback", "RuntimeError", "File &#34;", ".py"):
        assert told not in answer.text
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    "path",
    [
        "/portal/sign-in",
        "/portal/enter?link=x",
        "/portal/deeds",
        "/portal/deeds/broken",
        "/portal/nowhere",
        "/portal/static/nothing.js",
        "/portal/preferences",
        "/portal/events/runs/1",
    ],
)
async def test_nothing_is_framed_sniffed_or_kept(place, guest, path):
    for who in (guest, place.guest()):
        answer = await who.get(path)
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["referrer-policy"] == "same-origin"


@pytest.mark.parametrize(
    "name",
    [
        "../shell.py",
        "..%2fshell.py",
        "%2e%2e/%2e%2e/app.py",
        "/etc/passwd",
        "%2fetc%2fpasswd",
        "vendor",
        "",
        "x%00.css",
    ],
)
async def test_only_what_is_on_the_shelf_is_handed_out(place, name):
    answer = await place.guest().get(f"/portal/static/{name}")
    assert answer.status_code == 404
    assert "import" not in answer.text


async def test_what_is_kept_by_browsers_is_only_what_has_no_secret(place, guest):
    page = (await guest.get("/portal/deeds")).text
    named = page.split('rel="stylesheet" href="')[1].partition('"')[0]
    assert "immutable" in (await guest.get(named)).headers["cache-control"]
    for other in ("/portal/static/portal.css", "/portal/static/portal.css?v=000000000000"):
        assert (await guest.get(other)).headers["cache-control"] == "no-cache"


async def test_a_host_that_is_made_up_is_in_no_answer(place, guest):
    for host in ("evil.example", "evil.example/portal/x#", "[", "a b", "evil.example:99999"):
        for path in ("/portal/deeds", "/portal/nowhere", "/portal/sign-in?next=/portal/deeds"):
            answer = await Guest(place.app, {SESSION: guest.session}).get(path, headers={"host": host})
            assert answer.status_code in (200, 404), (host, path)
            assert "evil.example" not in answer.text + str(answer.headers)

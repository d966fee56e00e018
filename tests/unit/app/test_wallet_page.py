"""The wallet's page: small, in both languages, of this origin alone, and nothing is parsed as HTML."""

import re
import shutil
import subprocess
import sys

import pytest

from medspace.app.features.wallets.page import HERE, WalletPage
from medspace.app.node.wallets import WalletSettings, flaw

SCRIPTS = sorted(HERE.glob("*.js"))
LARGEST = 150 * 1024


def names(language):
    text = (HERE / "words.js").read_text(encoding="utf-8")
    start = text.index(f"\n  {language}: {{")
    part = text[start : text.index("\n  },", start)]
    return re.findall(r"^    (\w+):", part, re.MULTILINE)


def test_every_sentence_is_there_in_both_languages_and_used():
    assert names("en") == names("zh")
    page = (HERE / "page.js").read_text(encoding="utf-8")
    unused = [name for name in names("en") if not re.search(rf"\b{name}\b", page)]
    assert unused == []


def test_the_page_is_small():
    assert WalletPage("https://wallet.example").size <= LARGEST


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_no_script_parses_html_or_keeps_a_secret_where_scripts_read(script):
    text = script.read_text(encoding="utf-8")
    for word in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "sessionStorage",
        "http://",
    ):
        assert word not in text or (word == "http://" and "terminology.hl7.org" in text), word
    assert set(re.findall(r'localStorage\.setItem\("(\w+)"', text)) <= {"language", "theme"}
    assert "import(" not in text
    assert all(one.startswith("./") for one in re.findall(r'from "([^"]+)"', text))


def test_the_page_calls_other_hospitals_by_https_only():
    policy = WalletPage("https://wallet.example")._headers["Content-Security-Policy"]
    assert "connect-src 'self' https:;" in policy
    assert "unsafe" not in policy


@pytest.mark.parametrize(
    ("url", "good"),
    [
        ("", True),
        ("https://wallet.hospital.example", True),
        ("https://wallet.hospital.example:8443/", True),
        ("http://localhost:8100", True),
        ("http://wallet.hospital.example", False),
        ("https://wallet.hospital.example/path", False),
        ("https://wallet.hospital.example?x", False),
        ("https://user@wallet.hospital.example", False),
        ("https://hospital.example", False),
        ("https://portal.hospital.example", False),
        ("https://[", False),
        ("wallet", False),
    ],
)
def test_the_address_of_wallets_is_an_origin_of_its_own(url, good):
    found = flaw(WalletSettings(url=url), "https://hospital.example", "https://portal.hospital.example")
    assert (found is None) is good


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no node")
def test_the_script_writes_the_same_code_and_canonical_json_as_python():
    program = (
        f"import {{ printed, seedOf, kept, keyFor }} from '{HERE}/recovery.js';"
        f"import {{ canonical, hmac, hex }} from '{HERE}/jose.js';"
        "const seed = Uint8Array.from(Array(16).keys());"
        "const code = await printed(seed);"
        "const { jwk } = await keyFor(await kept(await seedOf(code)), 'https://wallet.example');"
        "const said = { b: 'é\\u0001\\n\"', a: [1, null, true], '\\u{1F600}': {} };"
        "console.log(JSON.stringify([code, jwk.x, jwk.y, canonical(said), await hmac(seed, canonical(said))]));"
    )
    done = subprocess.run(
        ["node", "--input-type=module", "-e", program], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    from medspace.core.canonical import canonical  # noqa: PLC0415 - only here
    from medspace.core.hashing import commitment  # noqa: PLC0415
    from medspace.services.wallets.holder import printed, recovery_key  # noqa: PLC0415

    seed = bytes(range(16))
    key = recovery_key(seed, "https://wallet.example").public
    said = canonical({"b": 'é\x01\n"', "a": [1, None, True], "\U0001f600": {}})
    import json  # noqa: PLC0415

    assert json.loads(done.stdout) == [printed(seed), key.x, key.y, said.decode(), commitment(seed, said)]


def test_a_plain_connector_loads_nothing_of_wallets():
    program = (
        "import sys, medspace.app.compose.features;"
        "heavy = ('medspace.services.wallets', 'medspace.trust.sdjwt', 'joserfc');"
        "print(*[name for name in sys.modules if name.startswith(heavy)])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""

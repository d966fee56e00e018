"""What a configuration must not ask for, each said in a sentence."""

import pytest

from medspace.adapters.http.proxy import Proxy
from medspace.adapters.keys import SecretExposedError
from medspace.app.node.config import LARGEST_FILE, ConfigError, read_config
from medspace.app.node.networks import is_loopback
from medspace.app.node.offering.wishes import WishError, region_of
from medspace.app.node.outgoing import ProxyPasswordError, proxy_of

GOOD = """
[participant]
name = "X"
[public]
port = 8200
{public}
[private]
port = 8201
{private}
[space]
authority = "did:web:a.example"
{space}
{more}
"""
OIDC = '[portal.oidc]\nclient_id = "me"\nroles = { staff = ["user"] }\n'
ASSET = '[[assets]]\nid = "a"\ntitle = "A"\nsource = "a.csv"\ndictionary = "a.toml"\nlabel = {}\noffers = []\n'


def read(folder, *, public="", private="", space='authority_key = "k"', more=""):
    file = folder / "medspace.toml"
    file.write_text(GOOD.format(public=public, private=private, space=space, more=more))
    return read_config(file)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"private": 'host = "0.0.0.0"'}, "private.host must be a loopback address"),
        ({"private": 'host = "hospital.example"'}, "private.host must be a loopback address"),
        ({"space": ""}, "space.authority_key is missing"),
        ({"more": ASSET + ASSET}, "two assets have the same id"),
        ({"more": '[network]\nallow = ["10.1.0.0/99"]'}, "10.1.0.0/99 is not a network"),
        ({"more": '[network]\nproxy = "proxy.example:3128"'}, "proxy.example:3128 is not an address such as"),
        (
            {"more": '[network]\nproxy = "http://me:word@proxy.example:3128"'},
            ": proxy.example:3128 is not an address",
        ),
        ({"more": '[network]\nproxy = "http://p.example:1"\nproxy_user = "me"'}, "belong together"),
        ({"more": '[network]\nproxy_user = "me"\nproxy_password = "keys/proxy"'}, "belong together"),
        (
            {"more": '[network]\nproxy = "http://p.example:1"\nproxy_user = "a:b"\nproxy_password = "p"'},
            "network.proxy_user holds a colon",
        ),
        (
            {"public": 'behind_proxy = true\nproxies = ["10.1.0.0/99"]'},
            "public.proxies: 10.1.0.0/99 is not a network",
        ),
        ({"more": "[quotas]\nnegotiations = 0"}, "each number under [quotas] is at least 1"),
        ({"more": "[quotas]\nidle_days = -1"}, "each number under [quotas] is at least 1"),
        ({"more": "[checkpoints]\nminutes = 0"}, "checkpoints.minutes is a number from 1 to 10080"),
        ({"more": "[checkpoints]\nminutes = 10081"}, "checkpoints.minutes is a number from 1 to 10080"),
        ({"more": '[portal]\nurl = "http://portal.example"'}, "portal.url must begin with https"),
        ({"more": '[portal]\nurl = "https://10.1.2.3"'}, "portal.url is not an address such as"),
        ({"more": OIDC + 'issuer = "http://login.example"'}, "portal.oidc.issuer is not an https address"),
        ({"more": OIDC + 'issuer = "https://[::1"'}, "portal.oidc.issuer is not an https address"),
        ({"more": OIDC + 'issuer = "https://login.example/?x"'}, "portal.oidc.issuer is not an https address"),
        ({"more": OIDC + 'issuer = "https://l.example"\nscopes = ["profile"]'}, "openid is one of them"),
        ({"more": OIDC + 'issuer = "https://l.example"\nscopes = ["openid", "a b"]'}, "openid is one of them"),
        ({"more": OIDC.replace('"me"', '""') + 'issuer = "https://l.example"'}, "portal.oidc.client_id is what"),
        ({"more": OIDC.replace('["user"]', "[]") + 'issuer = "https://l.example"'}, "gives nobody a role"),
        (
            {"more": OIDC.replace('"user"', '"owner"') + 'issuer = "https://l.example"'},
            "must be one of these: auditor",
        ),
        ({"more": "[nothing]"}, "nothing is not a known setting"),
        ({"more": "[quota]\nidle_days = 1"}, "quota is not a known setting (did you mean quotas?)"),
        ({"public": "hots = 1"}, "line 6: public.hots is not a known setting (did you mean host?)"),
        ({"public": "host = 1"}, "line 6: public.host must be text in quotation marks; this is a whole number"),
        (
            {"more": '[log]\nlevel = "eror"'},
            "log.level must be one of these: debug, error, info, warning (did you mean error?)",
        ),
        ({"more": '[network]\ncertificates = "a\\u0000b"'}, "network.certificates holds a character"),
        ({"more": "[quotas]\ntransfers = 1.5"}, "quotas.transfers must be a whole number, without a point"),
        ({"public": 'url = "http://[::1"'}, "public.url"),
        ({"public": 'certificate_key = "x.pem"'}, "go together"),
        ({"public": 'host = "hospital.example"'}, "there is no TLS"),
    ],
)
def test_what_is_refused_is_named(tmp_path, wrong, said):
    with pytest.raises(ConfigError) as refused:
        read(tmp_path, **wrong)
    assert said in str(refused.value)


def test_the_two_listeners_differ(tmp_path):
    file = tmp_path / "medspace.toml"
    good = GOOD.format(public="", private="", space='authority_key = "k"', more="")
    file.write_text(good.replace("8201", "8200"))
    with pytest.raises(ConfigError, match="must differ"):
        read_config(file)


def test_a_file_that_is_missing_too_large_or_no_text_is_named(tmp_path):
    with pytest.raises(ConfigError, match="no such file"):
        read_config(tmp_path / "none.toml")
    (tmp_path / "large.toml").write_bytes(b"#" * (LARGEST_FILE + 1))
    with pytest.raises(ConfigError, match="larger than 1 MiB"):
        read_config(tmp_path / "large.toml")
    (tmp_path / "odd.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="line 1: this is not UTF-8 text"):
        read_config(tmp_path / "odd.toml")


def test_what_follows_from_the_file(tmp_path):
    config = read(tmp_path, more='[database]\nurl = "postgresql://x/y"')
    assert config.database_url == "postgresql://x/y"
    assert config.base_url == "http://127.0.0.1:8200"
    assert not config.is_authority
    assert read(tmp_path).database_url == f"sqlite:///{tmp_path.resolve()}/connector.db"
    assert [is_loopback(host) for host in ("localhost", "::1", "10.0.0.1", "a.example")] == [True, True, False, False]


def test_the_password_for_the_proxy_is_read_from_its_own_file(tmp_path):
    more = '[network]\nproxy = "https://proxy.example:3129"\nproxy_user = "me"\nproxy_password = "proxy.secret"'
    config = read(tmp_path, more=more)
    secret = tmp_path / "proxy.secret"
    secret.write_text("word\n")
    secret.chmod(0o600)
    assert proxy_of(config) == Proxy.of("https://proxy.example:3129", "me", "word")
    secret.write_text("two\nlines")
    with pytest.raises(ProxyPasswordError) as refused:
        proxy_of(config)
    assert "lines" not in str(refused.value.text)
    secret.chmod(0o644)
    with pytest.raises(SecretExposedError):
        proxy_of(config)


@pytest.mark.parametrize(
    ("region", "said"),
    [
        ("Germany", "write it as a code: DE"),
        ("de", "write it as a code: DE"),
        ("中国", "write it as a code: CN"),
        ("Atlantis", "no code of a country"),
        ("World", "no code of a country"),
    ],
)
def test_a_region_that_no_terms_can_name_is_refused_in_the_words_of_init(tmp_path, region, said):
    file = tmp_path / "medspace.toml"
    good = GOOD.format(public="", private="", space='authority_key = "k"', more="")
    file.write_text(good.replace('name = "X"', f'name = "X"\nregion = "{region}"'), encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        read_config(file)
    assert f"participant.region {region}: " in str(refused.value)
    assert said in str(refused.value)
    if region != "de":  # of what somebody types the case does not matter
        with pytest.raises(WishError) as wished:
            region_of(region)
        assert said in str(wished.value)
    file.write_text(good.replace('name = "X"', 'name = "X"\nregion = "EEA"'))
    assert read_config(file).participant.region == "EEA" == region_of("eea")

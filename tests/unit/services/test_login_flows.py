"""The flow of a login as a browser keeps it: what is written is read again, and each change has another state."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medspace.services.accounts import flows, rules
from medspace.services.accounts.errors import AccountWishError
from medspace.services.accounts.flows import FLOW_LIFE, LONGEST_BACK, LoginFlow, begun, read_flow
from medspace.services.accounts.logins import LoginAnswer, Logins, person_id
from medspace.services.accounts.model import AccountRole
from medspace.services.accounts.ports import LoginClaims
from tests.portals import Clinic

NOW = datetime(2026, 11, 29, 21, tzinfo=UTC)
KEY = b"1" * 32
SECRETS = st.text("0123456789abcdef", min_size=64, max_size=64)
PAGES = st.text(st.characters(exclude_categories=["Cs"]), max_size=400)
FLOWS = st.builds(LoginFlow, SECRETS, st.integers(0, 99_999_999_999), PAGES, st.just("") | SECRETS)


@given(FLOWS)
def test_what_is_written_is_read_again(flow):
    kept = flow.kept(KEY)
    assert read_flow(kept, KEY) == flow
    assert read_flow(kept, b"2" * 32) is None
    assert len(kept) < 4096, "a cookie has 4096 bytes (RFC 6265bis 5.6)"
    assert kept.isascii()
    assert not set(kept) & set('" ,;\\'), "a cookie holds it as it is"


@given(st.text(max_size=300) | st.from_regex(flows._WRITTEN, fullmatch=True))
def test_what_a_browser_says_it_kept_is_nothing_unless_it_was_written_here(text):
    assert read_flow(text, KEY) is None


@given(st.from_regex(flows._WRITTEN, fullmatch=True))
def test_what_was_written_here_is_a_flow_or_nothing(text):
    said = text.rpartition(".")[0]
    found = read_flow(f"{said}.{flows._code(KEY, said)}", KEY)
    assert found is None or read_flow(found.kept(KEY), KEY) == found


@given(FLOWS, st.integers(0), st.sampled_from("0123456789abcdef._-"))
def test_a_flow_that_was_changed_anywhere_is_nothing(flow, at, character):
    kept = flow.kept(KEY)
    at %= len(kept)
    changed = kept[:at] + character + kept[at + 1 :]
    assert read_flow(changed, KEY) == (flow if changed == kept else None)


@given(FLOWS, FLOWS)
def test_two_flows_have_nothing_in_common(one, other):
    if one != other:
        assert {one.state, one.nonce, one.verifier}.isdisjoint({other.state, other.nonce, other.verifier})
    assert len({one.state, one.nonce, one.verifier}) == 3
    assert one.secret not in (one.state, one.nonce, one.verifier)


@pytest.mark.parametrize("change", [{"begun": 1}, {"session": "1" * 64}, {"back": "/portal/b"}, {"secret": "1" * 64}])
def test_each_part_of_a_flow_has_a_say_in_its_state(change):
    flow = begun("0" * 64, NOW, "/portal/a")
    assert replace(flow, **change).state != flow.state


def test_a_flow_counts_for_its_time_only():
    flow = begun("0" * 64, NOW, "")
    assert [flow.counts(NOW + by) for by in (timedelta(0), FLOW_LIFE - timedelta(seconds=1))] == [True, True]
    assert not any(flow.counts(NOW + by) for by in (FLOW_LIFE, -timedelta(seconds=1), timedelta(days=1)))


@pytest.mark.parametrize(
    ("back", "kept"), [("/portal/" + "x" * LONGEST_BACK, ""), ("/portal/é", "/portal/é"), ("\ud800", "")]
)
def test_a_page_that_is_too_long_or_no_text_is_left_out(back, kept):
    assert begun("0" * 64, NOW, back).back == kept


def test_a_person_is_of_one_login():
    assert person_id("https://a", "b") != person_id("https://a", "c")
    assert person_id('https://a","b', "") != person_id("https://a", 'b","')


class Known:
    """A login that knows one person, whatever they bring."""

    issuer = "https://login.example"

    async def redeem(self, code, **asked):
        return LoginClaims("1", ("A\n B",), ("staff",))


async def test_there_are_no_more_accounts_than_there_may_be(monkeypatch):
    clinic = Clinic()
    logins = Logins(clinic.accounts, Known(), "groups", {"staff": (AccountRole.USER,)}, "login")
    monkeypatch.setattr(rules, "MOST_ACCOUNTS", 0)
    flow = begun(clinic.accounts.secret(), clinic.clock.now(), "")
    answer = LoginAnswer(flow.state, "code")
    with pytest.raises(AccountWishError):
        await logins.finish(flow, answer)
    monkeypatch.undo()
    opened = (await logins.finish(flow, answer)).opened  # nothing was used up by the refusal
    assert (await clinic.accounts.look(opened.secret)).name == "A B @ login"

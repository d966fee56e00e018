"""Codes in the words of who reads them."""

import pytest

from medspace.app.doors.cli.naming import TYPES
from medspace.app.doors.cli.screen import Screen
from medspace.app.node.assets import AssetPhase
from medspace.connector.model import NegotiationState, Role, TransferState
from medspace.connector.states import ProcessOwner
from medspace.core.dictionary import ColumnType
from medspace.policy import actions
from medspace.policy.purposes import VOCABULARY
from medspace.runs.model import RunState

CHINESE, ENGLISH = (Screen(as_json=False, language=language) for language in ("zh_Hans", "en"))
STATES = [*NegotiationState, *TransferState, *RunState, *AssetPhase, *Role, ProcessOwner.EITHER]
CODES = [*STATES, *ColumnType, *actions.COMPUTED, *(one.name for one in VOCABULARY), "World", "EU", "EEA"]


@pytest.mark.parametrize("code", [*sorted(map(str, CODES)), "authority", "holder", "user", "HttpData-PULL"])
def test_every_code_has_chinese_words_and_english_keeps_it(code):
    assert not CHINESE.named(code).isascii()
    assert ENGLISH.named(code) == ENGLISH.typed(code) == code


def test_what_is_typed_again_keeps_its_code_and_what_is_unknown_stays():
    assert CHINESE.named("World", "CN") == "全球, CN"
    assert CHINESE.typed("ehds:HealthcareScientificResearch") == "健康研究（ehds:HealthcareScientificResearch）"
    assert CHINESE.typed("medspace:train", "x:y") == "训练模型（medspace:train）, x:y"
    assert CHINESE.typed("integer") == "整数（integer）"


def test_every_type_of_a_column_has_words():
    assert set(TYPES) == set(ColumnType)

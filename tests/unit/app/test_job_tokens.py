"""Where the tokens of started uses come from: a file of their own, whatever the key does."""

import stat
from hashlib import sha256
from types import SimpleNamespace

import pytest

from medspace.adapters.keys import SecretFileError
from medspace.adapters.memory import MemoryDatabase
from medspace.app.compose.base import job_tokens
from medspace.app.node.config import Jobs
from medspace.connector.usage.model import JOBS, Job
from medspace.connector.usage.tokens import JobTokens, secret_of_key
from medspace.core.signing import Ed25519Signer

KEY = Ed25519Signer.from_seed(bytes(32))
OLD_TOKENS = JobTokens(sha256(KEY.sign(b"medspace job tokens, version 1")).digest())  # as the first version made them
USE = Job("urn:job:1", "urn:agreement:1", "did:web:u", "hearts", "medspace:train", generation=1, open=True)


class Restless:
    """A key in hardware that signs the same text differently each time."""

    def __init__(self):
        self.asked = 0

    def sign(self, message):
        self.asked += 1
        return KEY.sign(message + bytes([self.asked]))


def started(tmp_path, database, signer):
    """A connector's parts at its start."""
    config = SimpleNamespace(jobs=Jobs(), path=lambda name: tmp_path / name)
    return SimpleNamespace(config=config, database=database, signer=signer)


async def test_a_key_that_signs_differently_each_time_voids_no_token(tmp_path):
    base = started(tmp_path, MemoryDatabase(), Restless())
    tokens = [(await job_tokens(base)).token("urn:job:1", 1) for _ in range(3)]
    assert len(set(tokens)) == 1
    assert base.signer.asked == 0
    assert secret_of_key(base.signer) != secret_of_key(base.signer)  # the control: what made the tokens before


async def test_the_secret_is_a_file_that_only_its_owner_reads(tmp_path):
    await job_tokens(started(tmp_path, MemoryDatabase(), KEY))
    file = tmp_path / "keys" / "jobs.secret"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(bytes.fromhex(file.read_text())) == 32


async def test_the_tokens_of_a_connector_without_uses_are_not_those_of_its_key(tmp_path):
    tokens = await job_tokens(started(tmp_path, MemoryDatabase(), KEY))
    assert tokens.token("urn:job:1", 1) != OLD_TOKENS.token("urn:job:1", 1)


async def test_uses_that_an_older_connector_started_keep_their_tokens_for_good(tmp_path):
    database = MemoryDatabase()
    await database.write(lambda tx: tx.insert(JOBS, USE))
    for signer in (KEY, Restless()):  # the key is asked at the first start only
        tokens = await job_tokens(started(tmp_path, database, signer))
        assert tokens.token("urn:job:1", 1) == OLD_TOKENS.token("urn:job:1", 1)


@pytest.mark.parametrize("content", ["", "not hexadecimal", "ab" * 31])
async def test_a_broken_file_is_not_replaced(tmp_path, content):
    file = tmp_path / "keys" / "jobs.secret"
    file.parent.mkdir(mode=0o700)
    file.write_text(content)
    file.chmod(0o600)
    with pytest.raises(SecretFileError):
        await job_tokens(started(tmp_path, MemoryDatabase(), KEY))
    assert file.read_text() == content

"""Two runs of tests at once never claim one port."""

import subprocess
import sys
from pathlib import Path

from tests import ports

ROOT = Path(__file__).parents[3]
CLAIMS = """
import sys
from tests import ports
print(*ports.claim(20), flush=True)
sys.stdin.read()
"""


def claiming():
    command = [sys.executable, "-c", CLAIMS]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_what_one_process_claimed_no_other_gets_until_it_ends(monkeypatch):
    mine = ports.claim(2)
    assert len(set(mine)) == 2
    with claiming() as other:
        theirs = [int(port) for port in other.stdout.readline().split()]
        assert len(theirs) == 20
        assert [port for port in theirs if ports._take(port)] == []  # nobody listens there, and yet
        other.stdin.close()
        other.wait()
    assert [port for port in theirs if ports._take(port)] == theirs
    assert not ports._take(theirs[0])  # nor does the same process get one twice

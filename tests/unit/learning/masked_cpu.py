"""What one site does with the totals of a run, on the processor that the environment pretends; run as a module.

Reads {task, sites, totals, proposals, others} from the file that is named: `proposals` has one per total, `others`
lists of the same length. Prints the digests of all that it followed, what it would propose, and the digest of what
numpy finds there where the order of additions and the instructions are not fixed.
"""

import json
import sys
from hashlib import sha256
from pathlib import Path

import numpy as np

from medspace.core.hashing import digest
from medspace.learning.glm.masked import MaskedGlms


def main(file):
    given = json.loads(Path(file).read_text())
    summed = MaskedGlms().summed(given["task"])
    followed, own = [], []
    state = summed.first()
    for total, proposal in zip(given["totals"], given["proposals"], strict=True):
        numbers = [int(value) for value in total]
        summed.check(state, numbers, given["sites"])
        own.append(summed.propose(state, numbers))
        followed += [digest(summed.follow(state, numbers, other[len(own) - 1])) for other in given["others"]]
        state = summed.follow(state, numbers, proposal)
        followed.append(digest(state))
    source = np.random.default_rng(1)
    square = source.normal(size=(40, 30))
    free = np.linalg.solve(square.T @ square, np.ones(30)).tobytes() + np.exp(source.normal(size=9999)).tobytes()
    found = {
        "states": followed,
        "outcome": digest(summed.outcome(state)),
        "proposals": own,
        "free": sha256(free).hexdigest(),
    }
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1])

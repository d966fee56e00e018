"""What fits through a job endpoint. All limits of questions and answers are here, since they depend on each other.

What the gate lets through, the door can send and the client takes: a release whose values have at most `RELEASE`
bytes fits, with all that accompanies them (`ENVELOPE`, `MAIL`), into an answer of `ANSWER` bytes. Larger things
are parts.
Sizes are in bytes; values count as compact JSON.
"""

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30

ANSWER = 10 * MIB  # the body of an answer to a step, as the client takes it
ENVELOPE = 64 * KIB  # identities, digests and the list of parts in it
MAIL = 2 * MIB  # the sealed messages of the peers beside one question or answer: of 100 seats, 12 KiB for each
RELEASE = ANSWER - ENVELOPE - MAIL  # the values of one release
LEAVES = 1_000_000  # numbers, words, truth values in them
DEEPEST = 8  # lists and objects within each other
SMALL = 4 * KIB  # JSON that is looked through on the spot; what is larger, beside the event loop
FEW = 256  # leaves that are
STEP = MAIL + 256 * KIB  # the body of a question: its task, what it asks, the mail of its peers, the list of parts

RECORD = 4 * MIB  # what a holder keeps of one answer for an auditor

SEATS = 256  # of one run
ROUNDS = 1000  # of one run, as they are read at once
MANIFEST = 192 * KIB  # characters, as it is signed
SEAT_KEY = 16 * KIB  # characters of a seat's key of a run, as it is signed
SEAT_KEYS = SEATS * SEAT_KEY + ENVELOPE  # the body with the keys of all seats
PLACE = 4 * KIB  # of each seat in what a run is handed over with: its address, its token, its agreement
MANDATE = SEATS * PLACE + STEP  # what a run is handed over with: its places, its task
HANDOVER = 2 * MANDATE  # the body that brings it, sealed (base64url) and signed

LINE = 8 * MIB  # what the process of a step asks its connector at once, or is told: a sealed message of 4 MiB

PARTS = 64  # of one question or answer
PART = 4 * GIB  # of each of them
KEPT_PARTS = 4096  # of one member at once, however small
MEDIA_TYPE = 100  # characters
LISTED_PART = 256  # of one part in a list: digest, size, media type, names, signs

assert PARTS * LISTED_PART <= ENVELOPE // 2  # noqa: S101 - the other half is for identities and digests

"""What masking should give, written down a second time in plain Python: HKDF, AES-256, counter mode."""

import hmac
from hashlib import sha256
from itertools import count


def framed(*fields):
    raw = [
        field.to_bytes(8, "big") if isinstance(field, int) else field.encode() if isinstance(field, str) else field
        for field in fields
    ]
    return b"".join(len(field).to_bytes(8, "big") + field for field in raw)


def hkdf(secret, info):
    """RFC 5869 with SHA-256 and no salt, 32 bytes: one block."""
    key = hmac.digest(bytes(32), secret, sha256)
    return hmac.digest(key, info + b"\x01", sha256)


def seed(kind, secret, *fields):
    return hkdf(secret, framed(f"medspace masking, version 1, seed: {kind}", *fields))


def commitment(kind, value, *fields):
    return "sha256:" + sha256(framed(f"medspace masking, version 1, commitment: {kind}", value, *fields)).hexdigest()


def doubled(byte):
    return (byte << 1) ^ (0x11B if byte & 0x80 else 0)


def product(left, right):
    found = 0
    while right:
        found ^= left if right & 1 else 0
        left, right = doubled(left), right >> 1
    return found


def substitution():
    """FIPS 197 5.1.1: the inverse in the field, then five rotations."""
    box = []
    for byte in range(256):
        inverse = next((other for other in range(256) if product(byte, other) == 1), 0)
        rotated = [(inverse << shift | inverse >> (8 - shift)) & 0xFF for shift in range(5)]
        box.append(0x63 ^ rotated[0] ^ rotated[1] ^ rotated[2] ^ rotated[3] ^ rotated[4])
    return box


BOX = substitution()
ROUNDS = 14


def expanded(key):
    """FIPS 197 5.2: the key of 32 bytes as fifteen of 16."""
    words, constant = [key[at : at + 4] for at in range(0, 32, 4)], 1
    for number in range(8, 4 * (ROUNDS + 1)):
        word = words[-1]
        if number % 8 == 0:
            word = bytes(BOX[byte] for byte in word[1:] + word[:1])
            word = bytes([word[0] ^ constant]) + word[1:]
            constant = doubled(constant)
        elif number % 8 == 4:
            word = bytes(BOX[byte] for byte in word)
        words.append(bytes(a ^ b for a, b in zip(word, words[-8], strict=True)))
    return [b"".join(words[at : at + 4]) for at in range(0, len(words), 4)]


def mixed(column):
    return [
        product(column[row], 2) ^ product(column[(row + 1) % 4], 3) ^ column[(row + 2) % 4] ^ column[(row + 3) % 4]
        for row in range(4)
    ]


def aes(keys, block):
    state = [a ^ b for a, b in zip(block, keys[0], strict=True)]
    for number in range(1, ROUNDS + 1):
        state = [BOX[state[(at + 4 * (at % 4)) % 16]] for at in range(16)]  # bytes, then rows
        if number < ROUNDS:
            state = [byte for at in range(0, 16, 4) for byte in mixed(state[at : at + 4])]
        state = [a ^ b for a, b in zip(state, keys[number], strict=True)]
    return bytes(state)


def stream(key, bits, amount):
    """The first so many unsigned numbers of a stream."""
    size, raw, keys = bits // 8, b"", expanded(key)
    for number in count():
        if len(raw) >= size * amount:
            break
        raw += aes(keys, number.to_bytes(16, "big"))
    return [int.from_bytes(raw[at * size : (at + 1) * size], "little") for at in range(amount)]


def masked(numbers, bits, me, pair_seeds, self_seed):
    """The unsigned numbers that a site sends."""
    found = [number + mask for number, mask in zip(numbers, stream(self_seed, bits, len(numbers)), strict=True)]
    for peer, key in pair_seeds.items():
        sign = 1 if me < peer else -1
        found = [number + sign * mask for number, mask in zip(found, stream(key, bits, len(numbers)), strict=True)]
    return [number % (1 << bits) for number in found]

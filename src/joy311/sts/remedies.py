"""What would make a token with a wrong checksum pass: made in another way, or typed in another way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise

from joy311.sts import sta_sample
from joy311.sts.attributes import EncryptionAlgorithm
from joy311.sts.carrier import DIGITS, LARGEST_TOKEN, Token20, extract_class
from joy311.sts.crc import block_crc
from joy311.sts.keys import DecoderKey
from joy311.sts.layouts import CRC_MASK, SUBCLASS_SHIFT
from joy311.sts.result import Undecodable
from joy311.sts.token_codec import CURRENCY_SUBCLASSES, decode_block, is_in_range

SLIPS_TRIED = DIGITS * 9 + DIGITS - 1
"""How many neighbours of a failing token are tried: every digit as every other, and each two exchanged."""


class RemedyKind(Enum):
    """What would have to be otherwise for a failing token to pass."""

    DIGIT = "one digit"
    EXCHANGE = "two digits exchanged"
    OTHER_CHECKSUM = "other checksum"
    CHECKSUM_BYTES = "checksum bytes exchanged"
    NOT_ENCRYPTED = "not encrypted"
    ENCRYPTED = "encrypted"
    KEY_BYTES = "key bytes reversed"
    SAMPLE_TABLES = "sample tables"


@dataclass(frozen=True, slots=True)
class Remedy:
    """One thing that would make a failing token pass.

    Parameters
    ----------
    kind : RemedyKind
        Which.
    text : str
        One sentence for people.
    token : Token20 or None
        The token that passes, where it has other digits.
    """

    kind: RemedyKind
    text: str
    token: Token20 | None = None


def remedies(token: Token20, key: DecoderKey | None) -> Iterator[Remedy]:
    """Yield what would make a token with a wrong checksum pass: first how it was made, then how typed.

    Parameters
    ----------
    token : Token20
        A token that fails.
    key : DecoderKey or None
        The meter's key; None only where the token is of class 1 or 3.
    """
    token_class, block = extract_class(token)
    plain = key.decrypt(block) if token_class in (0, 2) and key is not None else block
    found = plain & CRC_MASK
    currency = token_class == 0 and plain >> SUBCLASS_SHIFT in CURRENCY_SUBCLASSES
    if token_class == 0 and found == block_crc(0, plain, currency=not currency):
        yield Remedy(
            RemedyKind.OTHER_CHECKSUM,
            "it passes with the plain CRC, but a currency token carries CRC_C: its maker used the wrong one"
            if currency
            else "it passes with CRC_C, the checksum of a currency token: its maker used the wrong one",
        )
    expected = block_crc(token_class, plain, currency=currency)
    if found == (expected & 0xFF) << 8 | expected >> 8:
        yield Remedy(
            RemedyKind.CHECKSUM_BYTES,
            "it passes with the two bytes of the checksum exchanged: the low byte stands first",
        )
    if key is not None:
        yield from _other_ways_to_open(token_class, block, key)
    yield from slips(token.digits, key)


def _other_ways_to_open(token_class: int, block: int, key: DecoderKey) -> Iterator[Remedy]:
    key_bits = key.encryption_algorithm.key_bytes * 8
    if token_class not in (0, 2):
        if _passes(token_class, key.decrypt(block), key_bits):
            yield Remedy(
                RemedyKind.ENCRYPTED,
                f"it passes when decrypted, but a token of class {token_class} is not encrypted",
            )
        return
    if _passes(token_class, block, key_bits):
        yield Remedy(RemedyKind.NOT_ENCRYPTED, "it passes as it stands: its maker did not encrypt it")
    raw = key.to_bytes()
    backwards = DecoderKey.from_bytes(raw[::-1], key.encryption_algorithm)
    if _passes(token_class, backwards.decrypt(block), key_bits):
        yield Remedy(
            RemedyKind.KEY_BYTES,
            "it passes under this key with its bytes in reverse order: the key was written down backwards",
        )
    if key.encryption_algorithm is EncryptionAlgorithm.STA and _passes(
        token_class, sta_sample.decrypt(int.from_bytes(raw, "big"), block), key_bits
    ):
        yield Remedy(
            RemedyKind.SAMPLE_TABLES,
            "it passes with the sample tables that the standard prints, which no real meter uses",
        )


def _passes(token_class: int, block: int, key_bits: int) -> bool:
    said = decode_block(token_class, block, key_bits)
    return not isinstance(said, Undecodable) and is_in_range(said)


def slips(digits: str, key: DecoderKey | None) -> Iterator[Remedy]:
    """Yield the tokens that pass and differ from `digits` in one, or by two neighbours exchanged.

    At most `SLIPS_TRIED` are tried. Of a token for another key, about one in 400 has a neighbour that passes
    by chance.

    Parameters
    ----------
    digits : str
        Twenty decimal digits; their number may be too large for a token.
    key : DecoderKey or None
        The meter's key; without one only tokens of class 1 can be found.
    """
    key_bits = 64 if key is None else key.encryption_algorithm.key_bytes * 8
    for kind, text, changed in _neighbours(digits):
        value = int(changed)
        if value > LARGEST_TOKEN:
            continue
        token_class, block = extract_class(Token20(value))
        if token_class in (0, 2):
            if key is None:
                continue
            block = key.decrypt(block)
        if _passes(token_class, block, key_bits):
            yield Remedy(kind, text, Token20(value))


def _neighbours(digits: str) -> Iterator[tuple[RemedyKind, str, str]]:
    for place, digit in enumerate(digits):
        for other in "0123456789":
            if other != digit:
                text = f"it passes with digit {place + 1} as {other} instead of {digit}"
                yield RemedyKind.DIGIT, text, digits[:place] + other + digits[place + 1 :]
    for place, (left, right) in enumerate(pairwise(digits)):
        if left != right:
            text = f"it passes with digits {place + 1} and {place + 2} exchanged, {right}{left}"
            yield RemedyKind.EXCHANGE, text, digits[:place] + right + left + digits[place + 2 :]

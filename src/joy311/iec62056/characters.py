"""Characters of seven bits: the control characters, the block check, and parity carried in the eighth bit."""

from __future__ import annotations

SOH, STX, ETX, EOT, ACK, NAK = 0x01, 0x02, 0x03, 0x04, 0x06, 0x15
SEVEN_BITS = 0x7F

_STRIPPED = bytes(byte & SEVEN_BITS for byte in range(256))
_EVEN = bytes((byte & SEVEN_BITS) | 0x80 * ((byte & SEVEN_BITS).bit_count() & 1) for byte in range(256))


def block_check(characters: bytes) -> int:
    """Return the exclusive or of all `characters`, which is the BCC of a block.

    They begin behind the first SOH or STX and end with ETX or EOT, both included.
    """
    size = len(characters)
    folded = int.from_bytes(characters)
    # Halving a long block as one number costs two passes, not one step a character.
    while size > 1:
        size = (size + 1) // 2
        folded = (folded >> 8 * size) ^ (folded & ((1 << 8 * size) - 1))
    return folded & SEVEN_BITS


def without_parity(received: bytes) -> bytes:
    """Return `received` with the eighth bit of every character cleared, whatever it carried."""
    return received.translate(_STRIPPED)


def with_even_parity(characters: bytes) -> bytes:
    """Return `characters` with even parity in the eighth bit, for lines that pass eight bits through."""
    return characters.translate(_EVEN)

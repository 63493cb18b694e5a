"""The container in which frames cross the power line: found by its sync word, held together by a code.

On the line it is: preamble, sync word, then one Reed-Solomon codeword whose bits are interleaved. The sync
word also says how long the codeword is, so nothing about it stands outside the code: length, network and
checksum are inside. Every 24th bit of the line lands in the same few bytes of the codeword. At 2400 bits a
second that is a half period of 50 Hz, so noise that comes back at one phase of the mains spoils few of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from reedsolo import ReedSolomonError, RSCodec, gf_mul, rs_generator_poly

from joy311.errors import InvalidInput
from joy311.link.checksum import crc_x25

PREAMBLE = bytes([0xAA, 0xAA])
"""What lets the receiver settle."""

SYNC_BITS = 32
SYNC_TOLERANCE = 4
"""Bits of a sync word that may be wrong; any two words differ in sixteen or more."""

STRIDE = 24
"""Distance on the line between two bits that are neighbours in the codeword."""

_SYNC = 0x1ACFFC1D
_SYNC_MASK = (1 << SYNC_BITS) - 1
_EVEN_BITS = 0x55555555
_HEADER = 5
_CHECKSUM = 2


@dataclass(frozen=True, slots=True)
class Size:
    """One of the few lengths that a container may have.

    Parameters
    ----------
    sync : int
        The sync word that announces it.
    data : int
        Bytes of header, payload and checksum.
    parity : int
        Bytes of Reed-Solomon parity; half as many may be wrong.
    """

    sync: int
    data: int
    parity: int

    @property
    def total(self) -> int:
        """Bytes of the codeword."""
        return self.data + self.parity

    @property
    def payload(self) -> int:
        """Bytes of payload that fit."""
        return self.data - _HEADER - _CHECKSUM

    @property
    def on_line(self) -> int:
        """Bytes from the preamble to the end."""
        return len(PREAMBLE) + SYNC_BITS // 8 + self.total


SIZES = (
    Size(_SYNC, 33, 21),
    Size(_SYNC ^ _SYNC_MASK, 48, 27),
    Size(_SYNC ^ _EVEN_BITS, 57, 30),
    Size(_SYNC ^ _EVEN_BITS ^ _SYNC_MASK, 81, 36),
)
"""All containers, the smallest first. The parity is what a bit error rate of 1 in 100 needs."""

MOST_PAYLOAD = SIZES[-1].payload
"""Bytes of the longest payload."""

_BITS = tuple(bytes(byte >> (7 - place) & 1 for place in range(8)) for byte in range(256))
_BYTES = {bits: byte for byte, bits in enumerate(_BITS)}


def size_for(payload: int) -> Size:
    """Return the smallest container for so many bytes of payload.

    Raises
    ------
    InvalidInput
        If none is large enough.
    """
    for size in SIZES:
        if payload <= size.payload:
            return size
    raise InvalidInput(f"{payload} bytes of payload, and a container holds {MOST_PAYLOAD}", field="payload")


def pack(payload: bytes, network: int) -> bytes:
    """Return the container of `payload` for `network`, as it goes onto the line.

    Parameters
    ----------
    payload : bytes
        At most `MOST_PAYLOAD` bytes.
    network : int
        The 32-bit number that a meter and its CIU share.

    Raises
    ------
    InvalidInput
        If the payload is too long or the network is not a number of 32 bits.
    """
    if not 0 <= network < 1 << 32:
        raise InvalidInput(f"the network {network} is not a number of 32 bits", field="network")
    size = size_for(len(payload))
    content = bytes([len(payload)]) + network.to_bytes(4, "big") + payload
    content += crc_x25(content).to_bytes(_CHECKSUM, "little")
    # What the checksum does not cover is zero, so the receiver can hold it against that.
    content = content.ljust(size.data, b"\0")
    word = content + _remainder(content, size.parity)
    return PREAMBLE + size.sync.to_bytes(SYNC_BITS // 8, "big") + _interleave(word)


@dataclass(frozen=True, slots=True)
class Unpacked:
    """A payload that arrived whole, and the network for which it is meant."""

    payload: bytes
    network: int

    def __repr__(self) -> str:
        """Show the length of the payload only: it may hold an unused token."""
        return f"Unpacked(<{len(self.payload)} bytes>, 0x{self.network:08X})"


class ContainerReader:
    """Hunts for sync words bit by bit and unpacks what follows them.

    Bytes are taken as eight bits, most significant first; a container may begin at any bit.
    """

    __slots__ = ("_bits", "_size", "corrected", "given_up")

    def __init__(self) -> None:
        self._bits = bytearray()
        self._size: Size | None = None
        self.corrected = 0
        """Bytes that the code has put right."""
        self.given_up = 0
        """Codewords with too many errors, and sync words that were none."""

    @property
    def waiting(self) -> bool:
        """Whether the beginning of what may be a container is kept."""
        return bool(self._bits)

    def receive(self, data: bytes) -> list[Unpacked]:
        """Take `data` and return what is complete."""
        for byte in data:
            self._bits += _BITS[byte]
        return self._unpack(ended=False)

    def flush(self) -> list[Unpacked]:
        """Return what is complete, as nothing more will come, and forget the rest."""
        return self._unpack(ended=True)

    def _unpack(self, *, ended: bool) -> list[Unpacked]:
        found: list[Unpacked] = []
        bits = self._bits
        while True:
            if self._size is None:
                at = _hunt(bits)
                if at is None:
                    # The last bits may be the first of a sync word.
                    del bits[: max(0, len(bits) - SYNC_BITS + 1)]
                    break
                offset, self._size = at
                del bits[:offset]
            wanted = SYNC_BITS + 8 * self._size.total
            if len(bits) < wanted and not ended:
                break
            unpacked = None
            if len(bits) >= wanted:
                unpacked = self._decode(_deinterleave(bytes(bits[SYNC_BITS:wanted])), self._size)
            if unpacked is None:
                # The sync word may have been noise; the true one may stand one bit further on.
                self.given_up += 1
                del bits[:1]
            else:
                found.append(unpacked)
                del bits[:wanted]
            self._size = None
        if ended:
            bits.clear()
        return found

    def _decode(self, word: bytes, size: Size) -> Unpacked | None:
        content = word[: size.data]
        if _remainder(content, size.parity) != word[size.data :]:
            try:
                decoded, _, places = _codec(size.parity).decode(word)
            except ReedSolomonError:
                return None
            content = bytes(decoded)
            self.corrected += len(places)
        length = content[0]
        if length > size.payload:
            return None
        end = _HEADER + length
        if crc_x25(content[:end]) != int.from_bytes(content[end : end + _CHECKSUM], "little"):
            return None
        if any(content[end + _CHECKSUM :]):
            return None
        return Unpacked(content[_HEADER:end], int.from_bytes(content[1:_HEADER], "big"))


def _hunt(bits: bytearray) -> tuple[int, Size] | None:
    """Return where the first sync word begins and the size that it announces."""
    window = 0
    for place, bit in enumerate(bits):
        window = (window << 1 | bit) & _SYNC_MASK
        if place < SYNC_BITS - 1:
            continue
        wrong = (window ^ _SYNC).bit_count()
        # A word and its complement are told apart by one count.
        if wrong <= SYNC_TOLERANCE:
            return place - SYNC_BITS + 1, SIZES[0]
        if wrong >= SYNC_BITS - SYNC_TOLERANCE:
            return place - SYNC_BITS + 1, SIZES[1]
        wrong = (window ^ _SYNC ^ _EVEN_BITS).bit_count()
        if wrong <= SYNC_TOLERANCE:
            return place - SYNC_BITS + 1, SIZES[2]
        if wrong >= SYNC_BITS - SYNC_TOLERANCE:
            return place - SYNC_BITS + 1, SIZES[3]
    return None


def _interleave(word: bytes) -> bytes:
    bits = b"".join(_BITS[byte] for byte in word)
    run = len(bits) // STRIDE
    line = bytearray(len(bits))
    for column in range(STRIDE):
        line[column::STRIDE] = bits[column * run : (column + 1) * run]
    return _packed(bytes(line))


def _deinterleave(line: bytes) -> bytes:
    return _packed(b"".join(line[column::STRIDE] for column in range(STRIDE)))


def _packed(bits: bytes) -> bytes:
    return bytes(_BYTES[bits[at : at + 8]] for at in range(0, len(bits), 8))


@cache
def _codec(parity: int) -> RSCodec:
    return RSCodec(parity)


@cache
def _feedback(parity: int) -> tuple[int, ...]:
    """Return what each byte that leaves the division register adds to it."""
    _codec(parity)  # Fills the field's tables, which the generator polynomial needs.
    generator = rs_generator_poly(parity)[1:]
    return tuple(
        int.from_bytes(bytes(gf_mul(coefficient, byte) for coefficient in generator), "big")
        for byte in range(256)
    )


def _remainder(content: bytes, parity: int) -> bytes:
    """Return the parity of `content`: the same that the codec finds, in a hundredth of the time."""
    feedback, top = _feedback(parity), 8 * (parity - 1)
    mask = (1 << 8 * parity) - 1
    register = 0
    for byte in content:
        register = (register << 8 & mask) ^ feedback[register >> top ^ byte]
    return register.to_bytes(parity, "big")

"""Frames of DL/T 645-2007: twelve digits of address, a control byte, data, an eight-bit sum.

The reader takes bytes as they come, in any pieces and among any rubbish, and gives whole frames.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from joy311.errors import InvalidInput

START, END, WAKE = 0x68, 0x16, 0xFE
"""First byte of a frame and of its control part; last byte; byte that may wake a receiver before a frame."""

DATA_OFFSET = 0x33
"""What is added to every byte of data on the line."""

MOST_DATA = 200
"""Largest length of data that the reader takes [bytes]."""

OVERHEAD = 12
"""Bytes of a frame beside its data."""

ADDRESS_DIGITS = 12
ANY_ADDRESS = "A" * ADDRESS_DIGITS
"""The address to which the only meter on a line answers with its own."""

REPLY, ERROR, MORE = 0x80, 0x40, 0x20
"""Bits of the control byte: sent by a meter; the request failed; more follows."""

_FUNCTION_MASK = 0x1F
_HEADER = 10
_SHIFTED = bytes((byte + DATA_OFFSET) & 0xFF for byte in range(256))
_PLAIN = bytes((byte - DATA_OFFSET) & 0xFF for byte in range(256))


class Function(IntEnum):
    """What a request asks for: the low five bits of the control byte."""

    BROADCAST_TIME = 0x08
    READ = 0x11
    READ_MORE = 0x12
    READ_ADDRESS = 0x13
    WRITE = 0x14
    WRITE_ADDRESS = 0x15


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame, its data as they are without the offset of the line.

    Parameters
    ----------
    address : str
        Twelve digits, most significant first; `ANY_ADDRESS` for the only meter on a line.
    control : int
        The control byte.
    data : bytes
        At most `MOST_DATA` bytes, least significant first where they are numbers.

    Raises
    ------
    InvalidInput
        If the address is not twelve digits, or control or data are too long for their places.
    """

    address: str
    control: int
    data: bytes = b""

    def __post_init__(self) -> None:
        """Refuse what no frame can carry."""
        if len(self.address) != ADDRESS_DIGITS or not set(self.address) <= set("0123456789A"):
            raise InvalidInput(
                f"the address {self.address!r} is not {ADDRESS_DIGITS} digits", field="address"
            )
        if not 0 <= self.control <= 0xFF:
            raise InvalidInput(f"the control byte {self.control} is not within 0 to 255", field="control")
        if len(self.data) > MOST_DATA:
            raise InvalidInput(f"{len(self.data)} bytes of data, and a frame holds {MOST_DATA}", field="data")

    def __repr__(self) -> str:
        """Show the length of the data only: they may hold an unused token."""
        return f"Frame({self.address!r}, 0x{self.control:02X}, <{len(self.data)} bytes>)"

    @property
    def function(self) -> int:
        """What is asked for or answered."""
        return self.control & _FUNCTION_MASK

    @property
    def is_reply(self) -> bool:
        """Whether a meter sent it."""
        return bool(self.control & REPLY)

    @property
    def is_error(self) -> bool:
        """Whether it says that the request failed."""
        return bool(self.control & ERROR)

    def to_bytes(self, wake: int = 0) -> bytes:
        """Return the bytes of the frame behind `wake` bytes that wake the receiver."""
        address = bytes.fromhex(self.address)[::-1]
        body = bytes([START, *address, START, self.control, len(self.data)]) + self.data.translate(_SHIFTED)
        return bytes([WAKE]) * wake + body + bytes([sum(body) & 0xFF, END])


class FrameReader:
    """Finds frames among bytes; what is not one is passed over byte by byte, so none hides behind rubbish."""

    __slots__ = ("_buffer", "passed_over")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.passed_over = 0
        """Bytes that belonged to no frame, wake bytes among them."""

    @property
    def waiting(self) -> bool:
        """Whether the beginning of what may be a frame is kept."""
        return bool(self._buffer)

    def receive(self, data: bytes) -> list[Frame]:
        """Take `data` and return the frames that are complete."""
        self._buffer += data
        return self._frames(ended=False)

    def flush(self) -> list[Frame]:
        """Return the frames among what is kept, as nothing more will come, and forget the rest."""
        return self._frames(ended=True)

    def _frames(self, *, ended: bool) -> list[Frame]:
        frames: list[Frame] = []
        buffer = self._buffer
        while buffer:
            begin = buffer.find(START)
            if begin:
                self._pass_over(len(buffer) if begin < 0 else begin)
                continue
            length = _length_of(buffer)
            if length is None or (length > len(buffer) and ended):
                self._pass_over(1)
            elif length > len(buffer):
                break
            else:
                frame = _parse(bytes(buffer[:length]))
                if frame is None:
                    self._pass_over(1)
                else:
                    frames.append(frame)
                    del buffer[:length]
        return frames

    def _pass_over(self, count: int) -> None:
        self.passed_over += count
        del self._buffer[:count]


def _length_of(buffer: bytearray) -> int | None:
    """Return how long the frame at the start of `buffer` is or must at least be, None if it is none."""
    if len(buffer) > 7 and buffer[7] != START:
        return None
    if len(buffer) < _HEADER:
        return _HEADER
    return OVERHEAD + buffer[9] if buffer[9] <= MOST_DATA else None


def _parse(whole: bytes) -> Frame | None:
    if whole[-1] != END or sum(whole[:-2]) & 0xFF != whole[-2]:
        return None
    address = whole[6:0:-1].hex().upper()
    if not set(address) <= set("0123456789A"):
        return None
    return Frame(address, whole[8], whole[_HEADER:-2].translate(_PLAIN))


def address_of(drn: str) -> str:
    """Return the line address of a meter: the last twelve digits of its number, zeros before a short one.

    Parameters
    ----------
    drn : str
        Decoder reference number of eleven or thirteen digits.

    Raises
    ------
    InvalidInput
        If it is not eleven or thirteen digits.
    """
    if len(drn) not in {11, 13} or not (drn.isascii() and drn.isdigit()):
        raise InvalidInput(f"the meter number {drn!r} is not 11 or 13 digits", field="drn")
    return drn[-ADDRESS_DIGITS:].zfill(ADDRESS_DIGITS)

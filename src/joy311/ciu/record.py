"""All that a CIU keeps through a power cut, as bytes of one length."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from joy311.errors import StorageError

VERSION = 1
"""Version of the record's layout."""

DEFAULT_LOW_CREDIT_WH = (20_000, 10_000)
"""The two levels at which a CIU warns by itself unless told otherwise [Wh]."""

_LAYOUT = struct.Struct(
    "<HI"  # version, number of the CIU
    "13s"  # number of the meter
    "qq"  # low credit levels
    "IH20s"  # sequence and digits of a token that waits for its result
)

SIZE = _LAYOUT.size
"""Length of a record [bytes]."""


@dataclass(frozen=True, slots=True)
class PendingToken:
    """A token that was handed to the link and whose result is not known yet."""

    session: int
    counter: int
    digits: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class CiuRecord:
    """What outlives a power cut.

    Parameters
    ----------
    ciu : int
        The CIU's own number, 32 bits, not 0.
    drn : str
        Number of the meter with which it is paired, empty for none.
    low_credit_wh : tuple of int
        First and second level of its own warning [Wh].
    pending : PendingToken or None
        The token that waits for its result.
    """

    ciu: int
    drn: str = ""
    low_credit_wh: tuple[int, int] = DEFAULT_LOW_CREDIT_WH
    pending: PendingToken | None = None

    def to_bytes(self) -> bytes:
        """Return the record as `SIZE` bytes."""
        pending = self.pending or PendingToken(0, 0, "")
        return _LAYOUT.pack(
            VERSION,
            self.ciu,
            self.drn.encode("ascii"),
            *self.low_credit_wh,
            pending.session,
            pending.counter,
            pending.digits.encode("ascii"),
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> CiuRecord:
        """Return the record that `data` holds.

        Raises
        ------
        StorageError
            If the length, the version or a value is not that of a record.
        """
        if len(data) != SIZE:
            raise StorageError(f"a CIU's record of {len(data)} bytes, and it must have {SIZE}")
        version, ciu, drn, first, second, session, counter, digits = _LAYOUT.unpack(data)
        if version != VERSION:
            raise StorageError(f"a CIU's record of version {version}, and this is version {VERSION}")
        number, token = _digits(drn, (0, 11, 13)), _digits(digits, (0, 20))
        if number is None or token is None or not 0 <= second < first or not ciu:
            # The values are not repeated here: one of them may be an unused token.
            raise StorageError("a CIU's record holds a value that no CIU can have written")
        pending = PendingToken(session, counter, token) if token else None
        return cls(ciu, number, (first, second), pending)


def _digits(padded: bytes, lengths: tuple[int, ...]) -> str | None:
    text = padded.rstrip(b"\0")
    if len(text) not in lengths or (text and not text.isdigit()):
        return None
    return text.decode("ascii")

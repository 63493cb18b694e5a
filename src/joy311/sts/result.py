"""What a meter answers to a token: the standard's result values, and the verdict where none decodes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class TokenResult(IntEnum):
    """The result values that a meter shows and a point of sale reads.

    The numbers are those of the standard; 15 and 16 are used by companion specifications.
    """

    ACCEPT = 1
    FIRST_KCT = 2
    SECOND_KCT = 3
    OVERFLOW_ERROR = 4
    KEY_TYPE_ERROR = 5
    FORMAT_ERROR = 6
    RANGE_ERROR = 7
    FUNCTION_ERROR = 8
    OLD_ERROR = 9
    USED_ERROR = 10
    KEY_EXPIRED_ERROR = 11
    DDTK_ERROR = 12
    CRC_ERROR = 13
    MFR_CODE_ERROR = 14
    LOCKOUT = 15
    NOT_READY = 16

    @property
    def standard_name(self) -> str:
        """The name as the standard writes it, such as ``CRCError``."""
        return _STANDARD_NAMES[self]


_STANDARD_NAMES = {
    TokenResult.ACCEPT: "Accept",
    TokenResult.FIRST_KCT: "1stKCT",
    TokenResult.SECOND_KCT: "2ndKCT",
    TokenResult.OVERFLOW_ERROR: "OverflowError",
    TokenResult.KEY_TYPE_ERROR: "KeyTypeError",
    TokenResult.FORMAT_ERROR: "FormatError",
    TokenResult.RANGE_ERROR: "RangeError",
    TokenResult.FUNCTION_ERROR: "FunctionError",
    TokenResult.OLD_ERROR: "OldError",
    TokenResult.USED_ERROR: "UsedError",
    TokenResult.KEY_EXPIRED_ERROR: "KeyExpiredError",
    TokenResult.DDTK_ERROR: "DDTKError",
    TokenResult.CRC_ERROR: "CRCError",
    TokenResult.MFR_CODE_ERROR: "MfrCodeError",
    TokenResult.LOCKOUT: "Lockout",
    TokenResult.NOT_READY: "NotReady",
}


@dataclass(frozen=True, slots=True)
class Undecodable:
    """The verdict on twenty good digits that are no token for this key, or on bad key change sections.

    Parameters
    ----------
    result : TokenResult
        ``CRC_ERROR``, ``FUNCTION_ERROR`` or ``MFR_CODE_ERROR``; for sections ``RANGE_ERROR``.
    """

    result: TokenResult

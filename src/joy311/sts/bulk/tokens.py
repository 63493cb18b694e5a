"""Many tokens: as numbers of 66 bits and as rows of twenty digits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from joy311.errors import InvalidInput
from joy311.sts.bulk import token_kernels
from joy311.sts.bulk.columns import plain, slices
from joy311.sts.carrier import DIGITS, Token20

_WORDS = DIGITS // 4


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Tokens:
    """The numbers of many tokens; `repr` shows how many, so that none gets into a log.

    Parameters
    ----------
    high : ndarray of uint8, shape (n,) or (n, sections)
        Bits 65 and 64; more than 3 for what is no token.
    low : ndarray of uint64, the same shape
        Bits 63 to 0.
    """

    high: NDArray[np.uint8]
    low: NDArray[np.uint64]

    def __post_init__(self) -> None:
        """Refuse columns that do not belong together."""
        if self.high.shape != self.low.shape or self.high.dtype != np.uint8 or self.low.dtype != np.uint64:
            raise InvalidInput(
                f"the numbers of tokens are uint8 and uint64 of one shape, not {self.high.dtype} of"
                f" {self.high.shape} and {self.low.dtype} of {self.low.shape}",
                field="tokens",
            )

    @classmethod
    def from_digits(cls, digits: NDArray[np.uint8]) -> Tokens:
        """Return the tokens whose characters stand in `digits`; nothing that stands there is an error.

        Parameters
        ----------
        digits : ndarray of uint8, shape (..., 20)
            ASCII. A row with another character than 0 to 9, or with a number of 2**66 and above, becomes
            what is no token, and will be judged as a format error.

        Raises
        ------
        InvalidInput
            If the rows are not of twenty bytes.
        """
        if digits.dtype != np.uint8 or digits.shape[-1:] != (DIGITS,):
            raise InvalidInput(
                f"digits are uint8 of shape (..., {DIGITS}), not {digits.dtype} of {digits.shape}",
                field="digits",
            )
        shape = digits.shape[:-1]
        rows = digits.reshape(-1, DIGITS)
        high = np.empty(len(rows), np.uint8)
        low = np.empty(len(rows), np.uint64)
        for part in slices(len(rows)):
            token_kernels.read_digits(_words(plain(rows[part])), high[part], low[part])
        return cls(high.reshape(shape), low.reshape(shape))

    def digits(self) -> NDArray[np.uint8]:
        """Return the twenty characters of each token: uint8, ASCII, shape (..., 20).

        What is no token gets characters that mean nothing.
        """
        high, low = self.high.reshape(-1), self.low.reshape(-1)
        rows = np.empty((len(high), DIGITS), np.uint8)
        for part in slices(len(high)):
            token_kernels.write_digits(plain(high[part]), plain(low[part]), _words(rows[part]))
        return rows.reshape(*self.high.shape, DIGITS)

    def token(self, *place: int) -> Token20:
        """Return the one token at a row, or at a row and a section.

        Raises
        ------
        TokenFormatError
            If there is none.
        """
        return Token20(int(self.high[place]) << 64 | int(self.low[place]))

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.high)

    def __getitem__(self, rows: Any) -> Tokens:
        """Return some rows, as NumPy chooses them."""
        return Tokens(self.high[rows], self.low[rows])

    def __repr__(self) -> str:
        """Return the shape."""
        return f"Tokens({' x '.join(map(str, self.high.shape))})"


def _words(digits: NDArray[np.uint8]) -> NDArray[np.uint32]:
    return digits.view(np.uint32).reshape(-1, _WORDS)

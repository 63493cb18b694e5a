"""Bytes that nobody sees by accident."""

from __future__ import annotations

from hmac import compare_digest
from typing import Never


class Secret:
    """Key bytes that do not show in `repr`, `str`, formats, pickles or errors, and compare in constant time.

    Parameters
    ----------
    data : bytes
        The key; `reveal` is the only way to get it back.
    """

    __slots__ = ("_data",)
    _data: bytes

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, data: bytes) -> None:
        _set_data(self, bytes(data))

    def reveal(self) -> bytes:
        """Return the bytes; whoever calls this answers for them."""
        return self._data

    def __len__(self) -> int:
        """Return the number of bytes."""
        return len(self._data)

    def __eq__(self, other: object) -> bool:
        """Compare in constant time with another secret; nothing else is ever equal."""
        return isinstance(other, Secret) and compare_digest(self._data, other._data)

    def __repr__(self) -> str:
        """Return how many bytes there are, and no more."""
        return f"Secret({len(self._data)} bytes)"

    def __setattr__(self, name: str, value: object) -> Never:
        """Refuse: a secret does not change."""
        raise AttributeError("a secret does not change")

    def __delattr__(self, name: str) -> Never:
        """Refuse: a secret does not change."""
        raise AttributeError("a secret does not change")

    def __reduce_ex__(self, protocol: object) -> Never:
        """Refuse to be pickled."""
        raise TypeError("a secret is not pickled: store the bytes that reveal() returns, on purpose")

    def __copy__(self) -> Secret:
        """Return itself, as it cannot change."""
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        """Return itself, as it cannot change."""
        return self


# The way around `Secret.__setattr__` that is quicker than the one through `object`.
_set_data = Secret.__dict__["_data"].__set__

"""Many decoder keys in one object that does not show them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Never

import numpy as np
from numpy.typing import NDArray

from joy311.errors import InvalidInput
from joy311.sts.attributes import EncryptionAlgorithm, require_supported_algorithm
from joy311.sts.keys import DecoderKey

_WORD_BYTES = 8


class DecoderKeys:
    """The decoder keys of many meters, all for one cipher.

    Make them by `from_buffer` or `derive_decoder_keys`. They show nothing of themselves in `repr`, `str` and
    errors, refuse to be pickled, and cannot be changed. A slice of them is a view.

    Parameters
    ----------
    words : ndarray of uint64, shape (n,) for STA, (n, 2) for MISTY1
        The keys; the more significant half first.
    encryption_algorithm : EncryptionAlgorithm
        STA or MISTY1.

    Raises
    ------
    InvalidInput
        If the shape or the kind of number is another, or the algorithm is the deprecated DEA.
    """

    __slots__ = ("_words", "encryption_algorithm")
    _words: NDArray[np.uint64]
    encryption_algorithm: EncryptionAlgorithm

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, words: NDArray[np.uint64], encryption_algorithm: EncryptionAlgorithm) -> None:
        require_supported_algorithm(encryption_algorithm)
        tail = () if encryption_algorithm.key_bytes == _WORD_BYTES else (2,)
        if words.dtype != np.uint64 or words.ndim == 0 or words.shape[1:] != tail:
            raise InvalidInput(
                f"keys for {encryption_algorithm.name} are uint64 of shape (n{', 2' if tail else ','}), not"
                f" {words.dtype} of shape {words.shape}",
                field="decoder_keys",
            )
        view = words.view()
        view.flags.writeable = False
        object.__setattr__(self, "_words", view)
        object.__setattr__(self, "encryption_algorithm", encryption_algorithm)

    @classmethod
    def from_buffer(
        cls,
        keys: bytes | bytearray | memoryview | NDArray[np.uint8],
        encryption_algorithm: EncryptionAlgorithm,
    ) -> DecoderKeys:
        """Return the keys that stand one behind the other, big endian, 8 or 16 bytes each.

        Raises
        ------
        InvalidInput
            If the length is no multiple of a key's, or the algorithm is the deprecated DEA.
        """
        require_supported_algorithm(encryption_algorithm)
        data = (
            np.frombuffer(np.ascontiguousarray(keys), np.uint8)
            if isinstance(keys, np.ndarray)
            else (np.frombuffer(keys, np.uint8))
        )
        if len(data) % encryption_algorithm.key_bytes:
            raise InvalidInput(
                f"{len(data)} bytes are no whole number of keys for {encryption_algorithm.name}, which have"
                f" {encryption_algorithm.key_bytes}",
                field="decoder_keys",
            )
        words = data.view(">u8").astype(np.uint64)
        return cls(
            words if encryption_algorithm.key_bytes == _WORD_BYTES else words.reshape(-1, 2),
            encryption_algorithm,
        )

    def to_bytes(self) -> NDArray[np.uint8]:
        """Return the keys themselves, big endian, shape (n, 8) or (n, 16): the one explicit way out."""
        return self._words.astype(">u8").view(np.uint8).reshape(len(self), -1)

    def words(self) -> NDArray[np.uint64]:
        """Return the keys themselves as numbers, read-only, shape (n,) or (n, 2)."""
        return self._words

    @property
    def key_bits(self) -> int:
        """The length of a key: 64 or 128."""
        return self.encryption_algorithm.key_bytes * 8

    def key(self, row: int) -> DecoderKey:
        """Return the key of one row, counted from 0."""
        key = self._words[[row]].astype(">u8").tobytes()
        return DecoderKey.from_bytes(key, self.encryption_algorithm)

    def __len__(self) -> int:
        """Return the number of keys."""
        return len(self._words)

    def __getitem__(self, rows: slice | NDArray[np.intp] | NDArray[np.bool_]) -> DecoderKeys:
        """Return the keys of some rows."""
        if isinstance(rows, int | np.integer):
            raise TypeError("a single key is `key(row)`")
        return DecoderKeys(self._words[rows], self.encryption_algorithm)

    def __iter__(self) -> Iterator[DecoderKey]:
        """Yield the keys one by one."""
        return map(self.key, range(len(self)))

    def __repr__(self) -> str:
        """Return how many keys there are and what for, and no more."""
        return f"DecoderKeys({len(self)} for {self.encryption_algorithm.name})"

    def __setattr__(self, name: str, value: object) -> Never:
        """Refuse: keys do not change."""
        raise AttributeError("keys do not change")

    def __reduce_ex__(self, protocol: object) -> Never:
        """Refuse to be pickled."""
        raise TypeError("keys are not pickled: store the bytes that to_bytes() returns, on purpose")

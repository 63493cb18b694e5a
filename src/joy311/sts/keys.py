"""Vending keys and decoder keys: opaque, redacted, compared in constant time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from joy311.errors import InvalidInput
from joy311.sts import des, misty1, sta
from joy311.sts.attributes import EncryptionAlgorithm, KeyDerivation, require_supported_algorithm
from joy311.sts.secret import Secret

if TYPE_CHECKING:
    from hashlib import _Hash

_DERIVATION_BY_LENGTH = {8: KeyDerivation.DKGA02, 20: KeyDerivation.DKGA04}
_STA = EncryptionAlgorithm.STA
_ZERO_BLOCK = bytes(8)
_HMAC_BLOCK = 64
_INNER_PAD = bytes(value ^ 0x36 for value in range(256))
_OUTER_PAD = bytes(value ^ 0x5C for value in range(256))


@dataclass(frozen=True, slots=True)
class VendingKey:
    """The key of a supply group, from which the keys of its meters are derived.

    Make one by `from_bytes`. It shows nothing of itself in `repr`, `str`, formats and errors, refuses to be
    pickled, is not hashable, and compares in constant time.
    """

    _secret: Secret
    key_derivation: KeyDerivation
    """The derivation that a key of this length is for."""
    _des: list[Callable[[bytes], bytes]] = field(default_factory=list, repr=False, compare=False)
    _hmac: list[_Hash] = field(default_factory=list, repr=False, compare=False)

    @classmethod
    def from_bytes(cls, key: bytes) -> VendingKey:
        """Return the vending key in `key`: 8 bytes for DKGA02, 20 bytes for DKGA04.

        Raises
        ------
        InvalidInput
            If it has another length.
        """
        if len(key) not in _DERIVATION_BY_LENGTH:
            raise InvalidInput(
                f"a vending key has 8 bytes (DKGA02) or 20 bytes (DKGA04), not {len(key)}",
                field="vending_key",
            )
        return cls(Secret(key), _DERIVATION_BY_LENGTH[len(key)])

    def to_bytes(self) -> bytes:
        """Return the key itself: the one explicit way out, for a security module's own storage."""
        return self._secret.reveal()

    def key_check_value(self) -> str:
        """Return six hexadecimal digits by which two people can tell that they hold the same key.

        For DKGA02 they are the first three bytes of the zero block under DES; for DKGA04 those of the zero
        block's HMAC-SHA-256.
        """
        if self.key_derivation is KeyDerivation.DKGA02:
            return self.encrypt_des(_ZERO_BLOCK)[:3].hex().upper()
        return self.hmac_sha256(_ZERO_BLOCK)[:3].hex().upper()

    def encrypt_des(self, block: bytes) -> bytes:
        """Return one 8-byte block under single DES; the key schedule is kept for the next."""
        if not self._des:
            self._des.append(des.block_encryptor(self._secret.reveal()))
        return self._des[0](block)

    def hmac_sha256(self, message: bytes) -> bytes:
        """Return the 32-byte HMAC-SHA-256 of `message`; the states after both pads are kept for the next."""
        states = self._hmac
        if not states:
            padded = self._secret.reveal().ljust(_HMAC_BLOCK, b"\0")
            # One assignment, so that a second thread sees both states or none.
            states[:] = [
                hashlib.sha256(padded.translate(_INNER_PAD)),
                hashlib.sha256(padded.translate(_OUTER_PAD)),
            ]
        padded_inner, padded_outer = states
        inner, outer = padded_inner.copy(), padded_outer.copy()
        inner.update(message)
        outer.update(inner.digest())
        return outer.digest()


@dataclass(frozen=True, slots=True, init=False)
class DecoderKey:
    """The key that one meter shares with its vendor, bound to the cipher that it is for.

    Make one by `from_bytes` or `derive_decoder_key`. It shows nothing of itself in `repr`, `str`, formats and
    errors, refuses to be pickled, is not hashable, and compares in constant time.
    """

    _secret: Secret
    encryption_algorithm: EncryptionAlgorithm

    def __init__(self, secret: Secret, encryption_algorithm: EncryptionAlgorithm) -> None:
        _set_secret(self, secret)
        _set_algorithm(self, encryption_algorithm)

    @classmethod
    def from_bytes(cls, key: bytes, encryption_algorithm: EncryptionAlgorithm) -> DecoderKey:
        """Return the decoder key in `key`: 8 bytes for STA, 16 bytes for MISTY1, big endian.

        Raises
        ------
        InvalidInput
            If it has another length, or the algorithm is the deprecated DEA.
        """
        require_supported_algorithm(encryption_algorithm)
        if len(key) != encryption_algorithm.key_bytes:
            raise InvalidInput(
                f"a decoder key for {encryption_algorithm.name} has {encryption_algorithm.key_bytes} bytes,"
                f" not {len(key)}",
                field="decoder_key",
            )
        return cls(Secret(key), encryption_algorithm)

    def to_bytes(self) -> bytes:
        """Return the key itself: the one explicit way out, for a meter's own record."""
        return self._secret.reveal()

    def key_check_value(self) -> str:
        """Return six hexadecimal digits: the first three bytes of the zero block under this key."""
        return f"{self.encrypt(0) >> 40:06X}"

    def encrypt(self, block: int) -> int:
        """Return the 64-bit `block` encrypted."""
        key = self._secret.reveal()
        if self.encryption_algorithm is _STA:
            return sta.encrypt(int.from_bytes(key, "big"), block)
        return misty1.encrypt(key, block)

    def decrypt(self, block: int) -> int:
        """Return the 64-bit `block` decrypted."""
        key = self._secret.reveal()
        if self.encryption_algorithm is _STA:
            return sta.decrypt(int.from_bytes(key, "big"), block)
        return misty1.decrypt(key, block)


# A key is made for every token: these take half the time of the way that a frozen dataclass goes.
_set_secret = DecoderKey.__dict__["_secret"].__set__
_set_algorithm = DecoderKey.__dict__["encryption_algorithm"].__set__

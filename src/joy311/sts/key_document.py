"""The text in which a person hands over a key: its digits alone, or one JSON object with its attributes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TypeVar

from joy311.errors import InvalidInput
from joy311.sts.attributes import (
    NEVER_EXPIRES,
    BaseDate,
    EncryptionAlgorithm,
    KeyAttributes,
    KeyDerivation,
    KeyType,
)
from joy311.sts.check_digit import is_decimal
from joy311.sts.key_derivation import derive_decoder_key
from joy311.sts.keys import DecoderKey, VendingKey
from joy311.sts.meter_pan import PAN_DIGITS, MeterPAN

ATTRIBUTE_NAMES = (
    "meter_pan",
    "key_type",
    "supply_group_code",
    "tariff_index",
    "key_revision",
    "base_date",
    "ea",
    "dkga",
    "key_expiry",
)
"""The attributes that a document may hold, under the names of the known answers."""

LONGEST_DOCUMENT = 100_000
"""Most characters that are read; a key with all its attributes has a few hundred."""

_NEEDED = tuple(name for name in ATTRIBUTE_NAMES if name != "key_expiry")
_ALGORITHM_BY_LENGTH = {8: EncryptionAlgorithm.STA, 16: EncryptionAlgorithm.MISTY1}
_Named = TypeVar("_Named", bound=IntEnum)


@dataclass(frozen=True, slots=True)
class KeyDocument:
    """A meter's key with what is known about it.

    Parameters
    ----------
    decoder_key : DecoderKey
        Given, or derived from a vending key.
    attributes : KeyAttributes or None
        None where some are not known, which a decoder key does not need.
    base_date : BaseDate or None
        The base date, which may be known alone.
    missing : tuple of str
        The attributes that are not known.
    """

    decoder_key: DecoderKey
    attributes: KeyAttributes | None
    base_date: BaseDate | None
    missing: tuple[str, ...]
    vending_key: VendingKey | None = field(default=None, repr=False)

    def require_attributes(self) -> KeyAttributes:
        """Return the attributes.

        Raises
        ------
        InvalidInput
            If some are missing.
        """
        if self.attributes is None:
            raise InvalidInput(
                f"the key lacks {', '.join(map(_spoken, self.missing))}", field=self.missing[0]
            )
        return self.attributes


def parse_key_document(
    text: str,
    given: Mapping[str, str] | None = None,
    *,
    otherwise: Mapping[str, str] | None = None,
    digits_are: str | None = None,
) -> KeyDocument:
    """Return the key in `text`, with attributes from there and from `given`.

    The text is either hexadecimal digits alone, or a JSON object with ``decoder_key`` or ``vending_key`` and
    any of `ATTRIBUTE_NAMES`; other names are passed over, so that a line of known answers will do. Digits
    alone are a vending key where the meter is given, as then there is something to derive; otherwise they are
    the decoder key itself, for STA or MISTY1 by their number.

    Parameters
    ----------
    text : str
        The document.
    given : mapping of str to str, optional
        Attributes by their names in `ATTRIBUTE_NAMES`, which take the place of the document's own.
    otherwise : mapping of str to str, optional
        Attributes that hold where neither says anything else.
    digits_are : str, optional
        ``decoder_key`` or ``vending_key``, where that is known of digits alone.

    Raises
    ------
    InvalidInput
        If no key can be made of it; no message repeats any of the text.
    """
    if len(text) > LONGEST_DOCUMENT:
        raise InvalidInput(
            f"a key document has at most {LONGEST_DOCUMENT} characters, not {len(text)}", field="key"
        )
    known = dict(otherwise or {})
    keys: dict[str, bytes] = {}
    if text.lstrip().startswith("{"):
        document = _json_object(text)
        own = {name: _text(name, document[name]) for name in ATTRIBUTE_NAMES if name in document}
        keys = {
            name: _key_bytes(name, document[name])
            for name in ("decoder_key", "vending_key")
            if name in document
        }
        known |= own
    known |= given or {}
    if not text.lstrip().startswith("{"):
        digits_are = digits_are or ("vending_key" if "meter_pan" in known else "decoder_key")
        keys[digits_are] = _key_bytes("key", text)
    if not keys:
        raise InvalidInput("the key document holds neither decoder_key nor vending_key", field="key")
    return _document(keys, known)


def _document(keys: dict[str, bytes], known: dict[str, str]) -> KeyDocument:
    missing = tuple(name for name in _NEEDED if name not in known)
    attributes = None if missing else parse_attributes(known)
    base_date = _member(BaseDate, known["base_date"]) if "base_date" in known else None
    vending_key = VendingKey.from_bytes(keys["vending_key"]) if "vending_key" in keys else None
    decoder_key = None
    if vending_key is not None:
        if attributes is None:
            raise InvalidInput(
                f"a vending key needs {', '.join(map(_spoken, missing))} as well", field=missing[0]
            )
        decoder_key = derive_decoder_key(vending_key, attributes)
    if "decoder_key" in keys:
        said = _decoder_key(keys["decoder_key"], known)
        if decoder_key is not None and decoder_key != said:
            raise InvalidInput(
                "the decoder key is not the one that the vending key and the attributes give",
                field="decoder_key",
            )
        decoder_key = said
    assert decoder_key is not None
    return KeyDocument(decoder_key, attributes, base_date, missing, vending_key)


def _decoder_key(raw: bytes, known: dict[str, str]) -> DecoderKey:
    if len(raw) not in _ALGORITHM_BY_LENGTH:
        raise InvalidInput(
            f"a decoder key has 16 hexadecimal digits (STA) or 32 (MISTY1), not {2 * len(raw)}; a vending key"
            " needs its meter named",
            field="decoder_key",
        )
    algorithm = _ALGORITHM_BY_LENGTH[len(raw)]
    if "ea" in known:
        algorithm = _member(EncryptionAlgorithm, known["ea"])
    return DecoderKey.from_bytes(raw, algorithm)


def attribute_texts(attributes: KeyAttributes) -> dict[str, str]:
    """Return attributes by their names in `ATTRIBUTE_NAMES`, as `parse_attributes` reads them."""
    return {
        "meter_pan": attributes.meter_pan.digits,
        "key_type": str(int(attributes.key_type)),
        "supply_group_code": attributes.supply_group_code,
        "tariff_index": attributes.tariff_index,
        "key_revision": str(attributes.key_revision),
        "base_date": str(int(attributes.base_date)),
        "ea": str(int(attributes.encryption_algorithm)),
        "dkga": str(int(attributes.key_derivation)),
        "key_expiry": str(attributes.key_expiry),
    }


def parse_attributes(known: Mapping[str, str]) -> KeyAttributes:
    """Return the attributes in `known`, which has all of `ATTRIBUTE_NAMES` but perhaps ``key_expiry``.

    Raises
    ------
    InvalidInput
        If a value cannot be.
    """
    return KeyAttributes(
        meter_pan=parse_meter(known["meter_pan"]),
        key_type=_member(KeyType, known["key_type"]),
        supply_group_code=known["supply_group_code"],
        tariff_index=known["tariff_index"],
        key_revision=_number("key_revision", known["key_revision"]),
        base_date=_member(BaseDate, known["base_date"]),
        encryption_algorithm=_member(EncryptionAlgorithm, known["ea"]),
        key_derivation=_member(KeyDerivation, known["dkga"]),
        key_expiry=_number("key_expiry", known.get("key_expiry", str(NEVER_EXPIRES))),
    )


def parse_meter(text: str) -> MeterPAN:
    """Return the meter that `text` names, by DRN or MeterPAN.

    Of a whole MeterPAN only the last check digit must be right: keys belong to meters as they were made, and
    compliance tests name some whose DRN ends in a wrong digit.

    Raises
    ------
    InvalidInput
        If it names none.
    """
    digits = text.strip()
    return MeterPAN(digits) if len(digits) == PAN_DIGITS and is_decimal(digits) else MeterPAN.parse(text)


def _json_object(text: str) -> dict[str, object]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        # The cause would quote the key.
        raise InvalidInput("the key document is not valid JSON", field="key") from None
    if not isinstance(document, dict):
        raise InvalidInput("the key document is not a JSON object", field="key")
    return document


def _key_bytes(name: str, value: object) -> bytes:
    try:
        if not isinstance(value, str):
            raise ValueError
        return bytes.fromhex(value)
    except ValueError:
        raise InvalidInput(
            f"the {_spoken(name)} is not an even number of hexadecimal digits", field=name
        ) from None


def _text(name: str, value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise InvalidInput(f"the {_spoken(name)} is neither a text nor an integer", field=name)
    return str(value)


def _number(name: str, text: str) -> int:
    if not is_decimal(text) or len(text) > 9:
        raise InvalidInput(f"the {_spoken(name)} {text[:32]!r} is not a number", field=name)
    return int(text)


def _member(kind: type[_Named], text: str) -> _Named:
    """Return the member that `text` names, by its number or by its name."""
    by_name = {member.name: member for member in kind}
    if text.upper() in by_name:
        return by_name[text.upper()]
    return kind(int(text) if is_decimal(text) and len(text) < 10 else text)  # type: ignore[arg-type]


def _spoken(name: str) -> str:
    return {"ea": "encryption algorithm (ea)", "dkga": "key derivation (dkga)", "meter_pan": "meter"}.get(
        name, name.replace("_", " ")
    )

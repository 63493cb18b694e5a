"""A change of key as two, three or four tokens, and the tokens as a change of key again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from joy311.errors import InvalidInput
from joy311.sts.attributes import EncryptionAlgorithm, KeyAttributes, KeyType, key_change_permitted
from joy311.sts.carrier import Token20
from joy311.sts.keys import DecoderKey
from joy311.sts.result import TokenResult, Undecodable
from joy311.sts.token_codec import encode, is_in_range
from joy311.sts.tokens import (
    KeyChangeSection,
    Set1stSectionDecoderKey,
    Set2ndSectionDecoderKey,
    Set3rdSectionDecoderKey,
    Set3rdSectionSupplyGroup,
    Set4thSectionDecoderKey,
)

_Section = TypeVar("_Section")

LARGEST_SUPPLY_GROUP_CODE = 999_999
_WORD_BITS = 32
_WORD_MASK = (1 << _WORD_BITS) - 1
_HALF_GROUP_BITS = 12


@dataclass(frozen=True, slots=True)
class KeyChange:
    """All that a set of key change tokens tells a meter.

    Parameters
    ----------
    new_key : DecoderKey
        The key to use from now on; redacted in `repr`.
    key_type : KeyType
        Its KT.
    key_revision : int
        Its KRN, 1 to 9.
    tariff_index : str
        Its TI, two digits.
    key_expiry : int
        Its KEN, 0 to 255.
    roll_over : bool
        Whether its base date is another one, so that the meter forgets the spent token identifiers.
    supply_group_code : str or None
        Its SGC, six digits; None in a set of two tokens, which does not say it.

    Source: IEC 62055-41:2018, 6.2.7
    """

    new_key: DecoderKey
    key_type: KeyType
    key_revision: int
    tariff_index: str
    key_expiry: int
    roll_over: bool
    supply_group_code: str | None


def plan_key_change(
    old: KeyAttributes, new: KeyAttributes, new_key: DecoderKey, *, tell_supply_group: bool
) -> KeyChange:
    """Return the change from the key with attributes `old` to `new_key` with attributes `new`.

    Parameters
    ----------
    old, new : KeyAttributes
        Of the same meter.
    new_key : DecoderKey
        The key that `new` describes.
    tell_supply_group : bool
        Whether a set for STA takes a third token for the supply group code; a set for MISTY1 always says it.

    Raises
    ------
    InvalidInput
        If the attributes are of two meters or ciphers, or the key types may not follow each other.

    Source: IEC 62055-41:2018, 6.5.2
    """
    if old.meter_pan != new.meter_pan:
        raise InvalidInput(
            f"a key change is for one meter, not for {old.meter_pan} and {new.meter_pan}", field="meter_pan"
        )
    algorithms = {old.encryption_algorithm, new.encryption_algorithm, new_key.encryption_algorithm}
    if len(algorithms) > 1:
        raise InvalidInput(
            "a key change keeps the encryption algorithm; this one is between"
            f" {' and '.join(sorted(algorithm.name for algorithm in algorithms))}",
            field="encryption_algorithm",
        )
    if not key_change_permitted(old.key_type, new.key_type):
        raise InvalidInput(
            f"a {old.key_type.name} may not be changed to a {new.key_type.name}", field="key_type"
        )
    tell_supply_group |= new.encryption_algorithm is EncryptionAlgorithm.MISTY1
    return KeyChange(
        new_key=new_key,
        key_type=new.key_type,
        key_revision=new.key_revision,
        tariff_index=new.tariff_index,
        key_expiry=new.key_expiry,
        roll_over=old.base_date is not new.base_date,
        supply_group_code=new.supply_group_code if tell_supply_group else None,
    )


def key_change_tokens(change: KeyChange, old_key: DecoderKey) -> tuple[Token20, ...]:
    """Return the tokens that tell `change` to the meter that still holds `old_key`, in order.

    Raises
    ------
    InvalidInput
        If the two keys are for different ciphers, or the new one is the old one although the base date
        changes, which would make spent tokens good again.
    """
    if old_key.encryption_algorithm is not change.new_key.encryption_algorithm:
        raise InvalidInput(
            f"a key change keeps the encryption algorithm; this one is from"
            f" {old_key.encryption_algorithm.name} to {change.new_key.encryption_algorithm.name}",
            field="encryption_algorithm",
        )
    if change.roll_over and old_key == change.new_key:
        raise InvalidInput("the key must change when its base date does", field="new_key")
    return tuple(encode(section, old_key) for section in key_change_sections(change))


def key_change_sections(change: KeyChange) -> tuple[KeyChangeSection, ...]:
    """Return the two, three or four sections that say `change`.

    Raises
    ------
    InvalidInput
        If a change to a 128-bit key does not name its supply group.
    """
    algorithm = change.new_key.encryption_algorithm
    key = int.from_bytes(change.new_key.to_bytes(), "big")
    group = None if change.supply_group_code is None else int(change.supply_group_code)
    short = algorithm.key_bytes * 8 == 2 * _WORD_BITS
    first = Set1stSectionDecoderKey(
        key_expiry_high=change.key_expiry >> 4,
        key_revision=change.key_revision,
        roll_over=change.roll_over,
        three_tokens=short and group is not None,
        key_type=int(change.key_type),
        key_word=key >> algorithm.key_bytes * 8 - _WORD_BITS,
    )
    second = Set2ndSectionDecoderKey(
        key_expiry_low=change.key_expiry & 0xF,
        tariff_index=int(change.tariff_index),
        key_word=key & _WORD_MASK,
    )
    if group is None:
        if not short:
            raise InvalidInput(
                "a change to a 128-bit key names its supply group code", field="supply_group_code"
            )
        return first, second
    if short:
        return first, second, Set3rdSectionSupplyGroup(group)
    return (
        first,
        second,
        Set3rdSectionDecoderKey(group & (1 << _HALF_GROUP_BITS) - 1, key >> 2 * _WORD_BITS & _WORD_MASK),
        Set4thSectionDecoderKey(group >> _HALF_GROUP_BITS, key >> _WORD_BITS & _WORD_MASK),
    )


def section_number(section: KeyChangeSection) -> int:
    """Return which section of its set `section` is, 1 to 4."""
    match section:
        case Set1stSectionDecoderKey():
            return 1
        case Set2ndSectionDecoderKey():
            return 2
        case Set3rdSectionSupplyGroup() | Set3rdSectionDecoderKey():
            return 3
        case Set4thSectionDecoderKey():
            return 4


def missing_sections(
    sections: Sequence[KeyChangeSection], encryption_algorithm: EncryptionAlgorithm
) -> frozenset[int]:
    """Return the numbers of the sections that are still needed before `assemble_key_change` can work.

    Under STA the first section says whether there is a third; while it is missing, 1 is among the numbers.
    """
    needed: dict[int, type] = {1: Set1stSectionDecoderKey, 2: Set2ndSectionDecoderKey}
    first = _last(sections, Set1stSectionDecoderKey)
    if encryption_algorithm is EncryptionAlgorithm.MISTY1:
        needed |= {3: Set3rdSectionDecoderKey, 4: Set4thSectionDecoderKey}
    elif first is not None and first.three_tokens:
        needed |= {3: Set3rdSectionSupplyGroup}
    return frozenset(number for number, kind in needed.items() if _last(sections, kind) is None)


def assemble_key_change(
    sections: Sequence[KeyChangeSection], encryption_algorithm: EncryptionAlgorithm
) -> KeyChange | Undecodable:
    """Return what a complete set of sections, in any order, says.

    Nothing in the sections ties them to each other: whoever collects them must forget old ones in time.

    Parameters
    ----------
    sections : sequence of KeyChangeSection
        At least those that are needed, in the order of entry; of two of a kind the later counts, and a third
        one that the first does not announce is ignored.
    encryption_algorithm : EncryptionAlgorithm
        The meter's.

    Returns
    -------
    KeyChange or Undecodable
        ``RANGE_ERROR`` if a value is not one that the standard defines.

    Raises
    ------
    InvalidInput
        If a section is missing.

    Source: IEC 62055-41:2018, 6.2.7
    """
    if missing := missing_sections(sections, encryption_algorithm):
        raise InvalidInput(f"sections {sorted(missing)} of the key change are missing", field="sections")
    first = _present(_last(sections, Set1stSectionDecoderKey))
    second = _present(_last(sections, Set2ndSectionDecoderKey))
    words = [first.key_word, second.key_word]
    group = None
    if encryption_algorithm is EncryptionAlgorithm.MISTY1:
        third = _present(_last(sections, Set3rdSectionDecoderKey))
        fourth = _present(_last(sections, Set4thSectionDecoderKey))
        words[1:1] = [third.key_word, fourth.key_word]
        group = fourth.supply_group_high << _HALF_GROUP_BITS | third.supply_group_low
    elif first.three_tokens:
        group = _present(_last(sections, Set3rdSectionSupplyGroup)).supply_group_code
    in_range = all(map(is_in_range, sections)) and (group is None or group <= LARGEST_SUPPLY_GROUP_CODE)
    if not in_range:
        return Undecodable(TokenResult.RANGE_ERROR)
    return KeyChange(
        new_key=DecoderKey.from_bytes(
            b"".join(word.to_bytes(_WORD_BITS // 8, "big") for word in words), encryption_algorithm
        ),
        key_type=KeyType(first.key_type),
        key_revision=first.key_revision,
        tariff_index=f"{second.tariff_index:02d}",
        key_expiry=first.key_expiry_high << 4 | second.key_expiry_low,
        roll_over=first.roll_over,
        supply_group_code=None if group is None else f"{group:06d}",
    )


def _last(sections: Sequence[KeyChangeSection], kind: type[_Section]) -> _Section | None:
    return next((section for section in reversed(sections) if isinstance(section, kind)), None)


def _present(section: _Section | None) -> _Section:
    if section is None:
        raise AssertionError("no section is missing here")
    return section

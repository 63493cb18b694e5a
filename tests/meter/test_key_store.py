from __future__ import annotations

from itertools import permutations

import pytest

from joy311.instant import SECOND_NS
from joy311.meter.key_store import STAGING_NS, UNKNOWN_SUPPLY_GROUP, KeyStore
from joy311.sts import (
    BaseDate,
    DecoderKey,
    EncryptionAlgorithm,
    KeyAttributes,
    KeyChange,
    KeyChangeSection,
    KeyDerivation,
    KeyType,
    MeterPAN,
    Set1stSectionDecoderKey,
    Set2ndSectionDecoderKey,
    Set3rdSectionDecoderKey,
    Set4thSectionDecoderKey,
    TokenResult,
    key_change_sections,
)
from joy311.sts.attributes import KEY_CHANGES_PERMITTED

STA, MISTY1 = EncryptionAlgorithm.STA, EncryptionAlgorithm.MISTY1


def key(first: int, algorithm: EncryptionAlgorithm) -> DecoderKey:
    return DecoderKey.from_bytes(bytes(range(first, first + algorithm.key_bytes)), algorithm)


def store(algorithm: EncryptionAlgorithm = MISTY1, key_type: KeyType = KeyType.DUTK) -> KeyStore:
    attributes = KeyAttributes(
        meter_pan=MeterPAN.parse("12345678903"),
        key_type=key_type,
        supply_group_code="123456",
        tariff_index="01",
        key_revision=1,
        base_date=BaseDate.BDT_2014,
        encryption_algorithm=algorithm,
        key_derivation=KeyDerivation.DKGA04,
    )
    return KeyStore(attributes, key(0, algorithm))


def change(
    algorithm: EncryptionAlgorithm = MISTY1,
    key_type: KeyType = KeyType.DUTK,
    *,
    roll_over: bool = False,
    group: str | None = "654321",
    first: int = 64,
) -> KeyChange:
    return KeyChange(key(first, algorithm), key_type, 3, "42", 200, roll_over, group)


def enter(keys: KeyStore, sections: tuple[KeyChangeSection, ...], now: int = 0) -> TokenResult | KeyChange:
    for section in sections:
        outcome = keys.stage(section, now)
    return outcome


@pytest.mark.parametrize(
    ("algorithm", "group"), [(MISTY1, "654321"), (STA, "654321"), (STA, None)], ids=["four", "three", "two"]
)
def test_the_sections_of_a_set_may_come_in_any_order(
    algorithm: EncryptionAlgorithm, group: str | None
) -> None:
    wanted = change(algorithm, group=group)
    for order in permutations(key_change_sections(wanted)):
        keys = store(algorithm)
        results = []
        for section in order[:-1]:
            results.append(keys.stage(section, 0))
            if not keys.missing:
                pytest.fail("a set was complete before its last section")
        assert set(results) <= {TokenResult.FIRST_KCT, TokenResult.SECOND_KCT}
        outcome = keys.stage(order[-1], 0)
        assert outcome == wanted
        keys.change(wanted)
        assert keys.key == wanted.new_key
        assert keys.attributes.supply_group_code == (group or UNKNOWN_SUPPLY_GROUP)
        assert (keys.attributes.key_revision, keys.attributes.tariff_index) == (3, "42")
        assert keys.attributes.key_expiry == 200
        assert keys.staged == ()


def test_each_section_has_the_result_of_its_place() -> None:
    keys = store()
    first, second, third, fourth = key_change_sections(change())
    assert keys.stage(fourth, 0) is TokenResult.SECOND_KCT
    assert keys.stage(second, 0) is TokenResult.SECOND_KCT
    assert keys.stage(first, 0) is TokenResult.FIRST_KCT
    assert (keys.staged, keys.missing) == ((1, 2, 4), (3,))
    assert isinstance(keys.stage(third, 0), KeyChange)


def test_sections_are_forgotten_ten_minutes_after_the_first_of_them() -> None:
    assert STAGING_NS == 600 * SECOND_NS
    sections = key_change_sections(change())
    keys = store()
    enter(keys, sections[:3])
    # A later section buys the others no time.
    assert keys.stage(sections[1], STAGING_NS - 1) is TokenResult.SECOND_KCT
    assert isinstance(keys.stage(sections[3], STAGING_NS - 1), KeyChange)
    keys = store()
    enter(keys, sections[:3])
    assert keys.deadline_ns == STAGING_NS
    assert keys.stage(sections[3], STAGING_NS) is TokenResult.SECOND_KCT
    assert keys.staged == (4,)
    assert keys.expire(2 * STAGING_NS)
    assert not keys.expire(2 * STAGING_NS)
    assert keys.staged == ()  # type: ignore[comparison-overlap]


def test_a_section_entered_again_replaces_its_copy() -> None:
    old, new = key_change_sections(change(first=32)), key_change_sections(change(first=64))
    keys = store()
    enter(keys, (old[0], old[1], old[2]))
    assert enter(keys, (new[0], new[1], new[2])) is TokenResult.SECOND_KCT
    outcome = keys.stage(new[3], 0)
    assert isinstance(outcome, KeyChange)
    assert outcome.new_key == key(64, MISTY1)


@pytest.mark.parametrize("old", [KeyType.DITK, KeyType.DDTK, KeyType.DUTK])
@pytest.mark.parametrize("new", list(KeyType))
def test_the_matrix_decides_which_type_may_follow_and_no_keypad_meter_takes_a_common_key(
    old: KeyType, new: KeyType
) -> None:
    keys = store(key_type=old)
    outcome = enter(keys, key_change_sections(change(key_type=new)))
    if new in KEY_CHANGES_PERMITTED[old] and new is not KeyType.DCTK:
        assert isinstance(outcome, KeyChange)
    else:
        assert outcome is TokenResult.KEY_TYPE_ERROR
        assert keys.key == key(0, MISTY1)
    assert keys.staged == ()


def test_a_roll_over_changes_the_base_date_and_not_without_another_key() -> None:
    keys = store()
    wanted = change(roll_over=True)
    assert enter(keys, key_change_sections(wanted)) == wanted
    keys.change(wanted)
    assert keys.attributes.base_date is BaseDate.BDT_2035
    same = key_change_sections(change(roll_over=True))
    assert enter(keys, same) is TokenResult.KEY_TYPE_ERROR


@pytest.mark.parametrize(
    "section",
    [
        Set1stSectionDecoderKey(0, 0, False, False, 2, 7),
        Set2ndSectionDecoderKey(0, 100, 7),
    ],
)
def test_a_value_that_the_standard_does_not_define_is_not_staged(section: KeyChangeSection) -> None:
    keys = store()
    assert keys.stage(section, 0) is TokenResult.RANGE_ERROR
    assert keys.staged == ()


def test_a_supply_group_beyond_six_digits_is_a_range_error_and_the_set_is_forgotten() -> None:
    first, second, _, _ = key_change_sections(change())
    keys = store()
    outcome = enter(
        keys, (first, second, Set3rdSectionDecoderKey(0xFFF, 1), Set4thSectionDecoderKey(0xFFF, 2))
    )
    assert outcome is TokenResult.RANGE_ERROR
    assert keys.staged == ()
    assert keys.key == key(0, MISTY1)


def test_no_key_shows_where_sections_wait() -> None:
    keys = store()
    enter(keys, key_change_sections(change())[:3])
    assert "0x" not in repr(keys.staging)
    assert str(int.from_bytes(key(64, MISTY1).to_bytes()[:4], "big")) not in repr(keys.staging)

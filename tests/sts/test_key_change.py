from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joy311.errors import InvalidInput
from joy311.sts import (
    BaseDate,
    DecoderKey,
    EncryptionAlgorithm,
    KeyChange,
    KeyChangeSection,
    KeyDerivation,
    KeyType,
    MeterPAN,
    Set1stSectionDecoderKey,
    Set2ndSectionDecoderKey,
    Set3rdSectionDecoderKey,
    Set3rdSectionSupplyGroup,
    Set4thSectionDecoderKey,
    TokenResult,
    Undecodable,
    assemble_key_change,
    decode,
    key_change_sections,
    key_change_tokens,
    missing_sections,
    plan_key_change,
    section_number,
)
from tests.sts.test_attributes import ATTRIBUTES

STA, MISTY1 = EncryptionAlgorithm.STA, EncryptionAlgorithm.MISTY1
RANGE_ERROR = Undecodable(TokenResult.RANGE_ERROR)


def changes(algorithm: EncryptionAlgorithm) -> st.SearchStrategy[KeyChange]:
    length = algorithm.key_bytes
    group = st.integers(0, 999_999).map("{:06d}".format)
    return st.builds(
        KeyChange,
        new_key=st.binary(min_size=length, max_size=length).map(
            lambda key: DecoderKey.from_bytes(key, algorithm)
        ),
        key_type=st.sampled_from(KeyType),
        key_revision=st.integers(1, 9),
        tariff_index=st.integers(0, 99).map("{:02d}".format),
        key_expiry=st.integers(0, 255),
        roll_over=st.booleans(),
        supply_group_code=group if algorithm is MISTY1 else st.none() | group,
    )


def key_of(*words: int) -> DecoderKey:
    algorithm = STA if len(words) == 2 else MISTY1
    return DecoderKey.from_bytes(b"".join(word.to_bytes(4, "big") for word in words), algorithm)


def decoded(change: KeyChange, old_key: DecoderKey) -> list[KeyChangeSection]:
    sections = [decode(token, old_key) for token in key_change_tokens(change, old_key)]
    return [section for section in sections if isinstance(section, KeyChangeSection)]


@given(st.sampled_from([STA, MISTY1]).flatmap(changes))
def test_a_change_comes_back_from_its_tokens_in_any_order(change: KeyChange) -> None:
    algorithm = change.new_key.encryption_algorithm
    old_key = DecoderKey.from_bytes(b"an old key is it"[: algorithm.key_bytes], algorithm)
    sections = decoded(change, old_key)
    expected = 4 if algorithm is MISTY1 else 3 if change.supply_group_code else 2
    assert [section_number(section) for section in sections] == list(range(1, expected + 1))
    for order in itertools.permutations(sections):
        assert missing_sections(order, algorithm) == frozenset()
        assert assemble_key_change(order, algorithm) == change


def test_the_key_is_cut_most_significant_word_first() -> None:
    change = KeyChange(key_of(1, 2, 3, 4), KeyType.DUTK, 1, "99", 0xA5, False, "123456")
    assert key_change_sections(change) == (
        Set1stSectionDecoderKey(0xA, 1, False, False, 2, 1),
        Set2ndSectionDecoderKey(0x5, 99, 4),
        Set3rdSectionDecoderKey(123456 & 0xFFF, 2),
        Set4thSectionDecoderKey(123456 >> 12, 3),
    )


def test_only_a_set_of_three_says_that_it_has_three() -> None:
    two = KeyChange(key_of(1, 2), KeyType.DUTK, 1, "99", 255, False, None)
    three = replace(two, supply_group_code="000001")
    assert key_change_sections(two) == (
        Set1stSectionDecoderKey(15, 1, False, False, 2, 1),
        Set2ndSectionDecoderKey(15, 99, 2),
    )
    assert key_change_sections(three) == (
        Set1stSectionDecoderKey(15, 1, False, True, 2, 1),
        Set2ndSectionDecoderKey(15, 99, 2),
        Set3rdSectionSupplyGroup(1),
    )


def test_what_is_missing_is_known_as_far_as_it_can_be() -> None:
    first, second, third = key_change_sections(
        KeyChange(key_of(1, 2), KeyType.DUTK, 1, "99", 255, False, "123456")
    )
    assert missing_sections([], STA) == {1, 2}
    assert missing_sections([second], STA) == {1}
    assert missing_sections([third], STA) == {1, 2}
    assert missing_sections([first], STA) == {2, 3}
    assert missing_sections([first, second], STA) == {3}
    assert missing_sections([], MISTY1) == {1, 2, 3, 4}
    assert missing_sections([first, second, third], MISTY1) == {3, 4}
    with pytest.raises(InvalidInput, match=r"\[3\]"):
        assemble_key_change([first, second], STA)


def test_a_section_typed_again_replaces_the_first() -> None:
    first, second = key_change_sections(KeyChange(key_of(1, 2), KeyType.DUTK, 1, "99", 255, False, None))
    assert isinstance(second, Set2ndSectionDecoderKey)
    again = replace(second, key_word=7)
    change = assemble_key_change([second, first, again], STA)
    assert isinstance(change, KeyChange)
    assert change.new_key == key_of(1, 7)


def test_a_third_section_that_the_first_does_not_announce_is_ignored() -> None:
    change = KeyChange(key_of(1, 2), KeyType.DUTK, 1, "99", 255, False, None)
    assert assemble_key_change([*key_change_sections(change), Set3rdSectionSupplyGroup(5)], STA) == change


@pytest.mark.parametrize(
    "sections",
    [
        (Set1stSectionDecoderKey(15, 0, False, False, 2, 1), Set2ndSectionDecoderKey(15, 1, 2)),
        (Set1stSectionDecoderKey(15, 10, False, False, 2, 1), Set2ndSectionDecoderKey(15, 1, 2)),
        (Set1stSectionDecoderKey(15, 1, False, False, 2, 1), Set2ndSectionDecoderKey(15, 100, 2)),
        (
            Set1stSectionDecoderKey(15, 1, False, True, 2, 1),
            Set2ndSectionDecoderKey(15, 1, 2),
            Set3rdSectionSupplyGroup(1_000_000),
        ),
    ],
    ids=["no revision", "revision 10", "tariff index 100", "supply group of seven digits"],
)
def test_values_that_the_standard_does_not_define_are_a_range_error(
    sections: tuple[KeyChangeSection, ...],
) -> None:
    assert assemble_key_change(sections, STA) == RANGE_ERROR


def test_a_supply_group_in_two_halves_may_be_out_of_range_too() -> None:
    sections = (
        Set1stSectionDecoderKey(15, 1, False, False, 2, 1),
        Set2ndSectionDecoderKey(15, 1, 2),
        Set3rdSectionDecoderKey(1_000_000 & 0xFFF, 3),
        Set4thSectionDecoderKey(1_000_000 >> 12, 4),
    )
    assert assemble_key_change(sections, MISTY1) == RANGE_ERROR
    good = (*sections[:2], replace(sections[2], supply_group_low=999_999 & 0xFFF), sections[3])
    change = assemble_key_change(good, MISTY1)
    assert isinstance(change, KeyChange)
    assert change.supply_group_code == "999999"


def test_a_new_base_date_rolls_over_and_needs_a_new_key() -> None:
    old = replace(ATTRIBUTES, base_date=BaseDate.BDT_1993)
    change = plan_key_change(old, ATTRIBUTES, key_of(1, 2), tell_supply_group=False)
    assert change.roll_over
    assert not plan_key_change(ATTRIBUTES, ATTRIBUTES, key_of(1, 2), tell_supply_group=True).roll_over
    with pytest.raises(InvalidInput, match="key must change"):
        key_change_tokens(change, key_of(1, 2))
    assert len(key_change_tokens(change, key_of(1, 3))) == 2


def test_a_set_for_misty1_always_tells_the_supply_group() -> None:
    attributes = replace(ATTRIBUTES, encryption_algorithm=MISTY1, key_derivation=KeyDerivation.DKGA04)
    change = plan_key_change(attributes, attributes, key_of(1, 2, 3, 4), tell_supply_group=False)
    assert change.supply_group_code == "123456"
    with pytest.raises(InvalidInput, match="supply group"):
        key_change_sections(replace(change, supply_group_code=None))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (KeyType.DDTK, KeyType.DITK),
        (KeyType.DUTK, KeyType.DITK),
        (KeyType.DUTK, KeyType.DCTK),
        (KeyType.DCTK, KeyType.DITK),
        (KeyType.DCTK, KeyType.DUTK),
    ],
)
def test_a_forbidden_change_of_key_type_is_refused(old: KeyType, new: KeyType) -> None:
    with pytest.raises(InvalidInput, match=f"{old.name} may not be changed to a {new.name}"):
        plan_key_change(
            replace(ATTRIBUTES, key_type=old),
            replace(ATTRIBUTES, key_type=new),
            key_of(1, 2),
            tell_supply_group=False,
        )


def test_a_change_is_for_one_meter_and_one_cipher() -> None:
    other = replace(ATTRIBUTES, meter_pan=MeterPAN.parse("98113915403"))
    with pytest.raises(InvalidInput, match="one meter"):
        plan_key_change(ATTRIBUTES, other, key_of(1, 2), tell_supply_group=False)
    with pytest.raises(InvalidInput, match="encryption algorithm"):
        plan_key_change(ATTRIBUTES, ATTRIBUTES, key_of(1, 2, 3, 4), tell_supply_group=False)
    change = plan_key_change(ATTRIBUTES, ATTRIBUTES, key_of(1, 2), tell_supply_group=False)
    with pytest.raises(InvalidInput, match="encryption algorithm"):
        key_change_tokens(change, key_of(1, 2, 3, 4))

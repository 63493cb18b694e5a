from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joy311.energy import QUANTA_PER_WH, EnergyRegister
from joy311.errors import InvalidInput, StorageError
from joy311.meter import Commit, FactoryData, Meter, MeterRecord
from joy311.meter.record import PAST_MONTHS
from joy311.meter.token_identifiers import SLOTS, Freshness, TokenIdentifierStore
from joy311.sts import DecoderKey, EncryptionAlgorithm, KeyType, TokenResult
from tests.meters import KEY, START, attributes, factory

registers = st.builds(EnergyRegister, st.integers(0, 2**40), st.integers(0, QUANTA_PER_WH - 1))
records = st.builds(
    MeterRecord,
    factory=st.just(factory()),
    credit_wh=st.integers(-(2**40), 2**40),
    drawn_wh=st.integers(0, 2**40),
    accepted_wh=st.integers(0, 2**40),
    total=registers,
    imported=st.tuples(registers, registers, registers),
    exported=st.tuples(registers, registers, registers),
    token_ids=st.lists(st.integers(0, 2**24 - 1), min_size=SLOTS, max_size=SLOTS).map(
        lambda ids: tuple(sorted(ids))
    ),
    open_reasons=st.integers(0, 1),
    generation=st.integers(0, 2**40),
    cleared_wh=st.integers(-(2**40), 2**40),
    emergency_drawn=st.booleans(),
    entry_failures=st.integers(0, 2**32 - 1),
    entry_locked=st.booleans(),
    access_failures=st.integers(0, 2**32 - 1),
    access_locked=st.booleans(),
    link_session=st.integers(0, 2**32 - 1),
    link_counter=st.integers(0, 2**16 - 1),
    link_result=st.sampled_from([None, *TokenResult]),
    link_units=st.integers(0, 18_201_624),
    paired_ciu=st.integers(0, 2**32 - 1),
    clock_offset_ns=st.integers(-(2**60), 2**60),
    month=st.integers(0, 2_000),
    month_start_wh=st.integers(0, 2**40),
    past_month_wh=st.tuples(*[st.integers(0, 2**40)] * PAST_MONTHS),
    last_token_id=st.integers(0, 2**24 - 1),
    switch_operations=st.integers(0, 2**32 - 1),
    last_result=st.sampled_from([None, *TokenResult]),
    tokens_accepted=st.integers(0, 2**32 - 1),
    tokens_refused=st.integers(0, 2**32 - 1),
    last_units=st.integers(0, 18_201_624),
    power_failures=st.integers(0, 2**32 - 1),
    committed_at_ns=st.integers(0, 2**60),
    watchers=st.just(Meter(MeterRecord(factory())).record(0).watchers),
)
SIZE = len(MeterRecord(factory()).to_bytes())


@given(records)
def test_a_record_comes_back_as_it_went(record: MeterRecord) -> None:
    assert MeterRecord.from_bytes(record.to_bytes()) == record


@given(records)
def test_a_meter_restored_from_a_record_has_that_record(record: MeterRecord) -> None:
    assert Meter.restore(record.to_bytes()).record(record.committed_at_ns) == record


@given(st.binary(min_size=SIZE, max_size=SIZE))
def test_random_bytes_are_refused_or_read_but_never_crash(data: bytes) -> None:
    with pytest.raises(StorageError):
        MeterRecord.from_bytes(data)


@given(st.integers(0, SIZE - 1), st.integers(1, 255))
def test_a_damaged_record_is_refused_or_still_a_record(place: int, flip: int) -> None:
    data = bytearray(MeterRecord(factory()).to_bytes())
    data[place] ^= flip
    said = ""
    try:
        MeterRecord.from_bytes(bytes(data)).to_bytes()
    except StorageError as error:
        said = str(error)
    assert KEY.to_bytes().hex() not in said


@pytest.mark.parametrize("change", [-SIZE, -1, 1])
def test_a_record_of_another_length_is_refused(change: int) -> None:
    data = MeterRecord(factory()).to_bytes()
    with pytest.raises(StorageError, match="record"):
        MeterRecord.from_bytes(data + b"x" if change > 0 else data[:change])


def test_a_key_shows_neither_in_the_record_nor_in_the_action_that_carries_it() -> None:
    record = MeterRecord(factory())
    shown = repr(record) + repr(Commit(record.to_bytes())) + str(record)
    assert KEY.to_bytes().hex() not in shown
    assert repr(KEY.to_bytes()) not in shown


def test_a_keypad_meter_refuses_a_common_key() -> None:
    with pytest.raises(InvalidInput, match="DCTK"):
        FactoryData(attributes(KeyType.DCTK), KEY)


def test_a_key_for_another_algorithm_is_refused() -> None:
    with pytest.raises(InvalidInput, match="algorithm"):
        FactoryData(attributes(), DecoderKey.from_bytes(bytes(range(8)), EncryptionAlgorithm.STA))


@given(st.lists(st.integers(1, 400), max_size=200))
def test_the_store_agrees_with_a_set_of_which_the_fifty_largest_count(identifiers: list[int]) -> None:
    store, spent = TokenIdentifierStore(), set[int]()
    for identifier in identifiers:
        kept = sorted(spent)[-SLOTS:]
        if identifier in kept:
            expected = Freshness.USED
        elif len(kept) == SLOTS and identifier < kept[0]:
            expected = Freshness.OLD
        else:
            expected = Freshness.NEW
        assert store.freshness(identifier) is expected
        if expected is Freshness.NEW:
            store.spend(identifier)
            spent.add(identifier)
        assert len(store.slots) == SLOTS


def test_only_a_new_identifier_can_be_spent() -> None:
    store = TokenIdentifierStore()
    store.spend(7)
    with pytest.raises(ValueError, match="not new"):
        store.spend(7)
    with pytest.raises(ValueError, match="49 slots"):
        TokenIdentifierStore((0,) * 49)


def test_the_instant_is_the_only_part_of_the_record_that_time_changes() -> None:
    meter = Meter(MeterRecord(factory()))
    assert replace(meter.record(START), committed_at_ns=0) == replace(
        meter.record(START + 5), committed_at_ns=0
    )

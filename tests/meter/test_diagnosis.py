"""Diagnosis: every fault planted and found, each with its code, bit, entry and safe behaviour."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joy311.errors import StorageError
from joy311.instant import SECOND_NS
from joy311.meter.diagnosis import FAULTS, Diagnosis, Fault
from joy311.meter.event_log import Finding
from joy311.meter.load_switch import OpenReason
from joy311.panel import fits

HOUR_NS = 3600 * SECOND_NS


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_planted_fault_has_its_code_bit_entry_and_behaviour_until_it_is_mended(fault: Fault) -> None:
    diagnosis = Diagnosis()
    assert diagnosis.report(fault, True, 0) == (Finding(fault.begin, value=fault.value),)
    assert diagnosis.fault_codes == (fault.value,)
    assert diagnosis.error_register() == 1 << (fault.value - 1)
    assert (diagnosis.reasons is OpenReason.FAULT) == fault.opens
    assert diagnosis.refuses_tokens == fault.refuses_tokens
    assert Diagnosis(diagnosis.state()).present == (fault,)
    assert diagnosis.report(fault, False, 1) == (Finding(fault.end, value=fault.value),)
    assert diagnosis.error_register() == 0
    assert not diagnosis.reasons
    assert diagnosis.deadline_ns is None


def test_codes_fit_the_display_and_bits_the_register() -> None:
    assert all(fits(fault.text) and 1 <= fault <= 32 for fault in FAULTS)
    assert Fault(7).text == "Err 07"
    assert sum(fault.bit for fault in FAULTS) < 1 << 32
    assert all(fault.end.ends == fault.begin for fault in FAULTS)
    assert len({fault.begin for fault in FAULTS}) == len(FAULTS)


def test_only_what_would_give_energy_away_opens_and_only_a_lost_memory_refuses() -> None:
    assert {fault for fault in FAULTS if fault.opens} == {Fault.RECORD_LOST, Fault.FRONT_END_DEAD}
    assert {fault for fault in FAULTS if fault.refuses_tokens} == {
        Fault.RECORD_LOST,
        Fault.MEMORY_WRITE_FAILED,
    }


def test_a_fault_that_lasts_is_told_once() -> None:
    diagnosis = Diagnosis()
    assert diagnosis.report(Fault.CLOCK_LOST, True, 0)
    assert diagnosis.report(Fault.CLOCK_LOST, True, 1) == ()
    assert diagnosis.report(Fault.COIL_OPEN, False, 2) == ()


def test_what_was_mended_at_once_is_shown_for_a_while_and_a_repetition_prolongs_that() -> None:
    diagnosis = Diagnosis()
    diagnosis.report(Fault.UPSET, True, 0)
    assert len(diagnosis.report(Fault.UPSET, True, HOUR_NS // 2)) == 1
    assert diagnosis.deadline_ns == HOUR_NS * 3 // 2
    assert diagnosis.expire(HOUR_NS) == ()
    assert diagnosis.expire(HOUR_NS * 3 // 2) == (Finding(Fault.UPSET.end, value=Fault.UPSET.value),)
    assert diagnosis.present == ()


def test_its_time_begins_again_after_a_power_cut() -> None:
    diagnosis = Diagnosis()
    diagnosis.report(Fault.MEMORY_ROT, True, 0)
    again = Diagnosis(diagnosis.state())
    again.power_up(100)
    assert again.deadline_ns == 100 + Fault.MEMORY_ROT.hold_s * SECOND_NS
    assert again.expire(again.deadline_ns)[0].event is Fault.MEMORY_ROT.end


@pytest.mark.parametrize("state", [(1, 2), (-1,), (1 << 20,), (1 << 40,)])
def test_a_state_of_unknown_faults_is_refused(state: tuple[int, ...]) -> None:
    with pytest.raises(StorageError):
        Diagnosis(state)


@given(st.lists(st.tuples(st.sampled_from(FAULTS), st.booleans()), max_size=60))
def test_the_register_is_the_set_of_what_was_reported(steps: list[tuple[Fault, bool]]) -> None:
    diagnosis = Diagnosis()
    ideal: set[Fault] = set()
    for fault, present in steps:
        diagnosis.report(fault, present, 0)
        (ideal.add if present else ideal.discard)(fault)
        assert set(diagnosis.present) == ideal
        assert diagnosis.error_register() == sum(fault.bit for fault in ideal)
        assert bool(diagnosis.reasons) == any(fault.opens for fault in ideal)
        assert diagnosis.refuses_tokens == any(fault.refuses_tokens for fault in ideal)
        diagnosis = Diagnosis(diagnosis.state())

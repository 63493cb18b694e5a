from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from joy311.errors import StorageError
from joy311.instant import MILLISECOND_NS, SECOND_NS, from_iso
from joy311.meter import Fault
from joy311.panel import Key
from joy311.sts import TokenResult
from joy311.workbench.bench import Bench
from joy311.workbench.testbed import state
from joy311.workbench.workshop import repairs_itself

NOW = from_iso("2026-11-22T08:00:00Z")
TICK_NS = 40 * MILLISECOND_NS

NEEDS_THE_SWITCH = {Fault.RELAY_WELDED, Fault.RELAY_WILL_NOT_CLOSE, Fault.RELAY_WILL_NOT_OPEN}
"""Faults that show only when the switch moves."""

NEEDS_A_COMMIT = {Fault.MEMORY_WRITE_FAILED, Fault.MEMORY_WORN}
"""Faults that show only when something is written."""


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A bench whose supply is on, and whose meter has saved its energy once."""
    bench = Bench.open(tmp_path, now_ns=NOW)
    give_credit(bench)
    for mains in (False, True):
        bench.rig.rewire(mains=mains)
        let_pass(bench, 6 * SECOND_NS)
    let_pass(bench, 11 * SECOND_NS)
    yield bench
    bench.close()


def give_credit(bench: Bench) -> TokenResult:
    return bench.rig.enter_token(bench.counter.sell("500", bench.rig.now_ns).token.digits)[0]


def let_pass(bench: Bench, real_ns: int) -> None:
    for _ in range(real_ns // TICK_NS):
        bench.rig.advance(TICK_NS)


def found(bench: Bench) -> set[Fault]:
    readout = bench.rig.readout()
    return {Fault.RECORD_LOST} if readout is None else {Fault(code) for code in readout.fault_codes}


def send(bench: Bench, name: str) -> TokenResult:
    readout = bench.rig.readout()
    assert readout is not None
    token = bench.desk.make(name, 0, readout.attributes, readout.token_ids, bench.rig.now_ns)
    return bench.rig.enter_token(token.digits)[0]


def provoke(bench: Bench, fault: Fault) -> None:
    """Use the part that is broken."""
    if fault in NEEDS_THE_SWITCH:
        send(bench, "bar-supply")
        let_pass(bench, 12 * SECOND_NS)
    if fault is Fault.RELAY_WILL_NOT_CLOSE:
        send(bench, "free-supply")
        # It tries a few times, each after the contact interval, before it calls the relay faulty.
        let_pass(bench, 30 * SECOND_NS)
    if fault in NEEDS_A_COMMIT:
        send(bench, "loud")
    let_pass(bench, 12 * SECOND_NS)


def move_the_switch(bench: Bench) -> None:
    """Give the relay new orders, so that the meter need not wait an hour for its next attempt."""
    for name in ("bar-supply", "free-supply"):
        send(bench, name)
        let_pass(bench, 12 * SECOND_NS)


@pytest.mark.parametrize("fault", list(Fault))
def test_every_fault_is_found_and_is_over_once_it_is_mended(bench: Bench, fault: Fault) -> None:
    bench.workshop.plant(fault)
    assert (fault in bench.workshop.planted) is not repairs_itself(fault)
    provoke(bench, fault)
    assert fault in found(bench)
    if repairs_itself(fault):
        return
    bench.workshop.mend(fault)
    if fault in NEEDS_THE_SWITCH:
        move_the_switch(bench)
    assert fault not in found(bench)
    assert bench.workshop.planted == frozenset()
    assert give_credit(bench) is TokenResult.ACCEPT
    let_pass(bench, 12 * SECOND_NS)
    assert bench.rig.meter.supply_on


@pytest.mark.parametrize(
    "fault",
    [
        Fault.COIL_OPEN,
        Fault.MEMORY_WRITE_FAILED,
        Fault.MEMORY_WORN,
        Fault.RECORD_LOST,
        Fault.CONFIGURATION_LOST,
        Fault.KEYPAD_STUCK,
    ],
)
def test_a_bench_that_starts_again_has_whole_parts(tmp_path: Path, fault: Fault) -> None:
    bench = Bench.open(tmp_path, now_ns=NOW)
    give_credit(bench)
    let_pass(bench, 11 * SECOND_NS)
    credit_wh = bench.rig.credit_wh
    bench.workshop.plant(fault)
    let_pass(bench, SECOND_NS)
    bench.close()
    again = Bench.open(tmp_path, now_ns=NOW)
    let_pass(again, SECOND_NS)
    assert all(repairs_itself(each) for each in found(again))
    assert again.rig.credit_wh == credit_wh
    again.close()


def test_tokens_that_were_spent_stay_spent_when_the_factory_brings_the_record_back(bench: Bench) -> None:
    token = bench.counter.token()
    bench.workshop.plant(Fault.RECORD_LOST)
    assert bench.rig.readout() is None
    assert bench.rig.enter_token(token)[0] is TokenResult.NOT_READY
    assert not bench.rig.meter.supply_on
    bench.workshop.mend(Fault.RECORD_LOST)
    assert bench.rig.enter_token(token)[0] is TokenResult.USED_ERROR


def test_a_record_that_cannot_be_kept_is_not_destroyed(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "workbench" / "record.copy").mkdir()
    with pytest.raises(StorageError, match=r"record\.copy cannot be written"):
        bench.workshop.plant(Fault.RECORD_LOST)
    assert bench.rig.readout() is not None
    (tmp_path / "workbench" / "record.copy").rmdir()


def test_the_meter_survives_that_its_supply_fails_while_its_memory_refuses(bench: Bench) -> None:
    bench.workshop.plant(Fault.MEMORY_WRITE_FAILED)
    bench.rig.rewire(mains=False)
    let_pass(bench, 5 * SECOND_NS)
    assert not bench.rig.running
    bench.rig.rewire(mains=True)
    let_pass(bench, 5 * SECOND_NS)
    assert bench.rig.running


def test_a_lost_record_leaves_a_bench_that_still_answers(bench: Bench) -> None:
    bench.rig.switch("heater", True)
    bench.workshop.plant(Fault.RECORD_LOST)
    let_pass(bench, 2 * SECOND_NS)
    told = state(bench.rig)
    assert (told["faults"], told["credit_wh"], told["supply_on"]) == (["Err 09"], None, False)
    bench.rig.press(Key("5"))
    bench.rig.set_speed(3600)
    let_pass(bench, 25 * SECOND_NS)
    bench.rig.set_speed(1)
    bench.workshop.mend(Fault.RECORD_LOST)
    let_pass(bench, SECOND_NS)
    assert state(bench.rig)["credit_wh"] == 17_200

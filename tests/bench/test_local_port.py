"""IEC 62056-21 on a local port: ours passes, each fault fails its clause, and so it is on a real line."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
from typer.testing import CliRunner

from joy311.bench.devices.port_device import SimulatedPort, port_at
from joy311.bench.examinations.local_port import LOCAL_PORT, clauses_for
from joy311.bench.findings import findings
from joy311.bench.limits import PORT_EDITIONS, load_limits
from joy311.bench.port_faults import PORT_FAULTS, plant_port_fault
from joy311.bench.port_test import PORT_STANDARD, run_port_test
from joy311.bench.ratings import Ratings
from joy311.bench.whole_meter import WholeMeter
from joy311.cli import app
from joy311.device.optical_application import AccessSecrets, MeterApplication
from joy311.device.optical_port import serve, steady_clock
from joy311.errors import InvalidInput, Refused, StorageError
from joy311.iec62056 import Effect, Mode, PortSettings, Server, Speed
from joy311.iec62056.messages import OptionSelect
from joy311.instant import MILLISECOND_NS
from tests.iec62056.meter_in_memory import MeterInMemory
from tests.meters import new_meter

OURS = SimulatedPort(WholeMeter.of_variant(Ratings(), 1))
QUICK = PortSettings(reaction_ns=20 * MILLISECOND_NS)
SWIFT_CLAUSES = (
    "port-identification",
    "port-read",
    "port-refusals",
    "port-damaged",
    "port-repeat",
    "port-reaction",
)
"""Clauses that wait for no silence."""


def test_every_clause_has_its_limits_and_a_fault() -> None:
    assert tuple(load_limits(PORT_EDITIONS[PORT_STANDARD])) == tuple(LOCAL_PORT)
    assert {fault.fails for fault in PORT_FAULTS.values()} == set(LOCAL_PORT)


def test_our_own_port_passes_every_clause() -> None:
    subject = OURS.under_test()
    assert clauses_for(subject) == tuple(LOCAL_PORT)
    done = run_port_test(subject, 1)
    failed = [point.point.label for clause in done.clauses for point in clause.points if not point.passed]
    assert failed == []
    assert tuple(clause.key for clause in done.clauses) == tuple(LOCAL_PORT)
    assert findings(run_port_test(OURS.under_test(), 1)) == findings(done)


@pytest.mark.parametrize(
    "settings",
    [
        PortSettings(speed=Speed.BD_300),
        PortSettings(speed=Speed.BD_19200, reaction_ns=200 * MILLISECOND_NS),
        PortSettings(reaction_ns=1500 * MILLISECOND_NS, challenges=False),
        PortSettings(accepts_lower_speed=True),
    ],
    ids=["300 Bd", "19200 Bd", "slow", "lower speed"],
)
def test_it_passes_however_it_is_set_up(settings: PortSettings) -> None:
    done = run_port_test(SimulatedPort(OURS.subject, settings).under_test(), 1)
    assert done.failed_keys == frozenset()


@pytest.mark.parametrize("key", PORT_FAULTS)
def test_a_fault_of_the_port_fails_its_clause_and_no_other(key: str) -> None:
    done = run_port_test(plant_port_fault(key, OURS).under_test(), 1)
    assert done.failed_keys == {PORT_FAULTS[key].fails}


def test_a_port_of_another_mode_fails_and_is_not_waited_for_for_ever() -> None:
    with pytest.raises(Refused, match="speed of mode C"):
        run_port_test(SimulatedPort(OURS.subject, PortSettings(Mode.A)).under_test(), 1)


class _Shy(Server):
    """Identifies itself and leaves."""

    __slots__ = ()

    def _select(self, option: OptionSelect, now: int) -> list[Effect]:
        return self._close(now)


def test_a_meter_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(Refused, match="read-out"):
        run_port_test(SimulatedPort(OURS.subject, server=_Shy).under_test(), 1)


def test_a_clause_that_is_not_allowed_is_not_examined() -> None:
    subject = port_at("tcp://127.0.0.1:1")
    left_out = {"port-write", "port-inactivity", "port-speed", "port-lock-out"}
    assert set(LOCAL_PORT) - set(clauses_for(subject)) == left_out
    with pytest.raises(InvalidInput):
        run_port_test(subject, 1, keys=["port-write"])
    with pytest.raises(InvalidInput):
        run_port_test(subject, 1, keys=["port-nonsense"])
    with pytest.raises(InvalidInput):
        plant_port_fault("nonsense", OURS)


def test_nobody_at_the_url_is_told_as_that() -> None:
    with pytest.raises(StorageError, match="nobody answers"):
        run_port_test(port_at("tcp://127.0.0.1:1"), 1)


def test_the_real_meter_passes_on_a_real_line() -> None:
    meter = new_meter()
    application = MeterApplication(meter, AccessSecrets(), steady_clock(), lambda: None, manufacturer="JOy")
    with serve([application], "tcp://127.0.0.1:0", QUICK, lock=threading.RLock()) as port:
        done = run_port_test(port_at(port.where), 1, keys=SWIFT_CLAUSES)
    assert done.failed_keys == frozenset()
    (reaction,) = [clause for clause in done.clauses if clause.key == "port-reaction"]
    times_ms = [point.value for point in reaction.points[:-1]]
    assert all(20.0 <= time_ms <= 1500.0 for time_ms in times_ms)


def test_somebody_elses_meter_passes_on_a_pseudo_terminal(tmp_path: Path) -> None:
    url = f"pty://{tmp_path / 'head'}"
    with serve([MeterInMemory(manufacturer="JOy")], url, QUICK, strict_baud=True):
        done = run_port_test(port_at(url, address="0123456789"), 1, keys=("port-read", "port-identification"))
    assert done.failed_keys == frozenset()


def test_the_command_writes_the_report_and_says_the_verdict(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    arguments = ["bench", "run", "--standard", PORT_STANDARD, "--fault", "mute", "--out", str(tmp_path)]
    outcome = CliRunner().invoke(app, arguments)
    assert outcome.exit_code == 1, outcome.output
    assert "verdict: fail" in outcome.output
    found = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert (found["standard"], found["verdict"]) == (PORT_STANDARD, "fail")
    assert [each["key"] for each in found["clauses"]] == list(LOCAL_PORT)
    assert [each["key"] for each in found["clauses"] if each["verdict"] == "fail"] == ["port-refusals"]
    assert "an unknown command gets an error" in (tmp_path / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "arguments",
    [
        ["tcp://127.0.0.1:1"],
        ["--standard", PORT_STANDARD, "--patient"],
        ["--standard", PORT_STANDARD, "tcp://127.0.0.1:1", "--fault", "mute"],
        ["--standard", PORT_STANDARD, "--device", "http://127.0.0.1:1"],
        ["--standard", PORT_STANDARD, "nowhere://x"],
        ["--standard", "62055-31", "--lock-out"],
    ],
)
def test_arguments_that_do_not_fit_are_refused(arguments: list[str], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    outcome = CliRunner().invoke(app, ["bench", "run", "--out", str(tmp_path), *arguments])
    assert isinstance(outcome.exception, InvalidInput) or outcome.exit_code == 2
    assert not list(tmp_path.iterdir())


def test_the_faults_of_the_port_are_listed() -> None:
    listed = CliRunner().invoke(app, ["bench", "faults"]).output
    for fault in PORT_FAULTS.values():
        assert f"{PORT_STANDARD}  {fault.key} " in listed

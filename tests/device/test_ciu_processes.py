"""``joy311 meter run --ciu`` and ``joy311 ciu run``: two processes that find each other, and are killed."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import pytest

from joy311.device.link_campaign import MasterStation
from joy311.device.link_port import live, open_link
from joy311.device.meter_process import snapshot
from joy311.link import MEDIA, Answered, MediumName, Message, Request
from joy311.meter import MeterRecord
from joy311.sts import TokenResult
from tests.device.test_link_port import PATIENCE_S, Terminal
from tests.meters import KEY, attributes, credit_token

ADDRESS = "012345678903"
DRN = "12345678903"
KILL_SHARE = 0.03
"""Share of tokens in whose exchange the meter's process is killed, if the exchange has not ended before."""


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        return int(server.getsockname()[1])


def key_document(path: Path) -> Path:
    known = attributes()
    document = {
        "decoder_key": KEY.to_bytes().hex(),
        "meter_pan": known.meter_pan.digits,
        "key_type": int(known.key_type),
        "supply_group_code": known.supply_group_code,
        "tariff_index": known.tariff_index,
        "key_revision": known.key_revision,
        "base_date": 2014,
        "ea": int(known.encryption_algorithm),
        "dkga": int(known.key_derivation),
        "key_expiry": known.key_expiry,
    }
    path.write_text(json.dumps(document))
    return path


class Meter:
    """``joy311 meter run --ciu`` in a process of its own; a split meter whose messages pass quickly."""

    def __init__(self, directory: Path, url: str) -> None:
        configuration = directory / "configuration.json"
        configuration.write_text(
            json.dumps({"integrated_keypad": False, "tokens": {"judging_ms": 0}}), encoding="ascii"
        )
        self.state = directory / "meter"
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "joy311", "meter", "run", "--json", "--quiet"),
                *("--state", str(self.state), "--factory", str(key_document(directory / "key.json"))),
                *("--config", str(configuration), "--ciu", url, "--speed", "20"),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.said: list[dict[str, Any]] = []
        self._more = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()
        self.where = str(self.wait_for("ciu"))

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            with self._more:
                self.said.append(json.loads(line))
                self._more.notify()

    def wait_for(self, name: str) -> object:
        with self._more:
            assert self._more.wait_for(lambda: any(name in said for said in self.said), PATIENCE_S), self.said
        return next(said[name] for said in self.said if name in said)

    def type(self, line: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> MeterRecord:
        """Stop it cleanly and return what its memory holds."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(PATIENCE_S) == 0
        content = snapshot(self.state).read()
        assert content
        return MeterRecord.from_bytes(content)


def open_end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()


def test_a_token_between_two_processes_has_one_result_whichever_is_killed(tmp_path: Path) -> None:
    port = free_port()
    url = f"listen://127.0.0.1:{port}"
    meter = Meter(tmp_path, url)
    memory = tmp_path / "ciu.memory"
    ciu = Terminal(port, memory)
    try:
        assert meter.where == f"socket://127.0.0.1:{port}"
        ciu.wait_for(text="0.00", paired=True)
        ciu.type(credit_token(100))
        ciu.wait_for(text="AccEPt", token_pending=False)
        ciu.wait_for(text="10.00")
        ciu.forget()
        ciu.type(credit_token(200, minute=1))
        ciu.wait_for(token_pending=True)
        meter.kill()
        open_end(ciu.process)
        meter = Meter(tmp_path, url)
        ciu = Terminal(port, memory)
        ciu.wait_for(text="30.00", token_pending=False)
        record = meter.stop()
    finally:
        open_end(ciu.process)
        open_end(meter.process)
    assert (record.tokens_accepted, record.tokens_refused) == (2, 0)
    assert record.accepted_wh == 30_000


def test_a_ciu_of_the_power_line_pairs_with_a_meter_in_another_process(tmp_path: Path) -> None:
    meter = Meter(tmp_path, "plc://127.0.0.1:0?distance_m=100&bit_error_rate=0.003&seed=5")
    ciu = Terminal(meter.where, tmp_path / "ciu.memory")
    try:
        meter.type("pairing")
        assert meter.wait_for("said") == "open for pairing"
        ciu.wait_for(text="no PAIr")
        ciu.type(f"1593570{DRN}=")
        ciu.wait_for(text="PAIrEd", paired=True)
        ciu.type(credit_token(100))
        ciu.wait_for(text="AccEPt", token_pending=False)
        record = meter.stop()
    finally:
        open_end(ciu.process)
        open_end(meter.process)
    assert record.paired_ciu == 5
    assert record.accepted_wh == 10_000


def bring(directory: Path, url: str, tokens: int, seed: str) -> None:
    """Bring tokens from this process to a meter in another, which is killed now and then."""
    chance = Random(seed)
    meter = Meter(directory, url)
    where = url.partition("?")[0]
    name = MediumName.TWO_WIRE
    _, port = open_link(where, at_meter=False)
    station = MasterStation(MEDIA[name], chance, ADDRESS)
    kills = 0
    try:
        with closing(port):
            for counter in range(1, tokens + 1):
                values: dict[str, int | str] = {
                    "session": 1,
                    "counter": counter,
                    "digits": credit_token(1, minute=counter),
                }
                answer = None
                kill_at_s = time.monotonic() + chance.random() / 20 if chance.random() < KILL_SHARE else None
                while not isinstance(answer, Answered):
                    station.outcomes.clear()
                    port.write(station.start(Request(Message.TOKEN, values), time.time_ns()))

                    def done(at_s: float | None = kill_at_s) -> bool:
                        return bool(station.outcomes) or (at_s is not None and time.monotonic() >= at_s)

                    live(station, port, until=done)
                    if not station.outcomes:
                        kill_at_s = None
                        kills += 1
                        meter.kill()
                        station.restart()
                        meter = Meter(directory, url)
                        continue
                    answer = station.outcomes[0][1]
                assert answer.values["result"] == TokenResult.ACCEPT
        record = meter.stop()
    finally:
        open_end(meter.process)
    print(f"{tokens} tokens, meter killed {kills} times")
    assert (record.tokens_accepted, record.tokens_refused) == (tokens, 0)
    assert record.accepted_wh == 100 * tokens


def test_a_noisy_cable_between_two_processes_loses_and_doubles_nothing(tmp_path: Path) -> None:
    bring(tmp_path, f"two-wire://127.0.0.1:{free_port()}?length_m=500&bit_error_rate=3e-4&seed=1", 10, "few")


@pytest.mark.long
def test_a_thousand_tokens_between_two_processes_one_of_them_killed(tmp_path: Path) -> None:
    print("seed: many")
    url = f"two-wire://127.0.0.1:{free_port()}?length_m=500&bit_error_rate=1e-4&seed=1"
    bring(tmp_path, url, 1_000, "many")

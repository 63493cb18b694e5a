"""Real ports: two processes over TCP, a pseudo-terminal, RFC 2217, and ports that break."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest
from typer.testing import CliRunner

from joy311.cli import app
from joy311.device.link_campaign import MasterStation
from joy311.device.link_port import ListeningPort, NoisyPort, PortError, live, open_port
from joy311.errors import InvalidInput
from joy311.instant import SECOND_NS
from joy311.link import MEDIA, Answered, MediumName, Message, Request

WIRE, PLC = MediumName.TWO_WIRE, MediumName.PLC
ADDRESS = "012345678903"
TOKEN = "12345678901234567890"
PATIENCE_S = 30.0


@contextmanager
def meter_process(medium: MediumName, bit_error_rate: float = 0.0) -> Iterator[tuple[int, Any]]:
    """Yield the TCP port of a meter in another process, and a function that ends it and reads its ledger."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.device.link_meter_process", medium, str(bit_error_rate)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdin
    assert process.stdout
    try:
        port = int(process.stdout.readline())

        def ledger() -> Any:
            output, _ = process.communicate(timeout=PATIENCE_S)
            return json.loads(output)

        yield port, ledger
    finally:
        process.kill()
        process.wait()


def bring(medium: MediumName, tokens: int, bit_error_rate: float) -> None:
    """Bring tokens from this process to another and compare both books."""
    with meter_process(medium, bit_error_rate) as (number, ledger):
        port = NoisyPort(open_port(f"socket://127.0.0.1:{number}", MEDIA[medium]), bit_error_rate, "ciu")
        station = MasterStation(MEDIA[medium], Random("two processes"), ADDRESS)
        with closing(port):
            for counter in range(1, tokens + 1):
                values: dict[str, int | str] = {"session": 1, "counter": counter, "digits": f"{counter:020d}"}
                answer = None
                while not isinstance(answer, Answered):
                    station.outcomes.clear()
                    port.write(station.start(Request(Message.TOKEN, values), time.time_ns()))
                    live(station, port, until=lambda: bool(station.outcomes))
                    answer = station.outcomes[0][1]
                assert answer.values["result"] == 1
        assert ledger() == {
            "judged": tokens,
            "most": 1,
            "spent": [f"{each:020d}" for each in range(1, tokens + 1)],
        }


@pytest.mark.parametrize(("medium", "rate"), [(WIRE, 0.0), (WIRE, 3e-4), (PLC, 5e-3)])
def test_two_processes_keep_the_same_books(medium: MediumName, rate: float) -> None:
    bring(medium, 8, rate)


@pytest.mark.long
@pytest.mark.parametrize(("medium", "rate"), [(WIRE, 1e-4), (PLC, 1e-2)])
def test_a_thousand_tokens_between_two_processes(medium: MediumName, rate: float) -> None:
    print("seed: two processes")
    bring(medium, 1_000, rate)


class Terminal:
    """``joy311 ciu run`` in a process of its own."""

    def __init__(self, way: int | str, memory: Path) -> None:
        url = f"socket://127.0.0.1:{way}" if isinstance(way, int) else way
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "joy311", "ciu", "run", url, "--json"),
                *("--memory", str(memory), "--number", "5", "--seed", "1"),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.shown: list[dict[str, Any]] = []
        self._more = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            with self._more:
                self.shown.append(json.loads(line))
                self._more.notify()

    def type(self, line: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def forget(self) -> None:
        with self._more:
            self.shown.clear()

    def wait_for(self, **wanted: object) -> None:
        def seen() -> bool:
            return any(all(shown[name] == value for name, value in wanted.items()) for shown in self.shown)

        with self._more:
            assert self._more.wait_for(seen, PATIENCE_S), self.shown[-3:]


def test_a_ciu_in_a_terminal_survives_being_killed_in_the_middle_of_a_token(tmp_path: Path) -> None:
    memory = tmp_path / "ciu.memory"
    with meter_process(WIRE) as (port, ledger):
        first = Terminal(port, memory)
        first.wait_for(text="0.00", paired=True)
        first.type(TOKEN)
        first.wait_for(token_pending=True)
        first.process.send_signal(signal.SIGKILL)
        first.process.wait()
        second = Terminal(port, memory)
        second.wait_for(text="0.10", token_pending=False)
        second.type("quit")
        assert second.process.wait(PATIENCE_S) == 0
        assert ledger() == {"judged": 1, "most": 1, "spent": [TOKEN]}


def test_a_serial_device_carries_bytes_both_ways() -> None:
    near, far = os.openpty()
    try:
        with closing(open_port(os.ttyname(far), MEDIA[WIRE])) as port:
            port.write(b"\x68there")
            assert os.read(near, 100) == b"\x68there"
            os.write(near, b"\x68back")
            assert port.read(5.0) == b"\x68back"
            assert port.read(0.0) == b""
    finally:
        os.close(near)
        os.close(far)


def test_rfc_2217_carries_bytes_both_ways() -> None:
    import serial
    from serial.rfc2217 import PortManager

    server = socket.create_server(("127.0.0.1", 0))

    class Connection:
        """What the server of pyserial writes its answers to."""

        def __init__(self, peer: socket.socket) -> None:
            self.peer = peer

        def write(self, data: bytes) -> None:
            self.peer.sendall(data)

    def serve() -> None:
        peer, _ = server.accept()
        echo = serial.serial_for_url("loop://", timeout=0)
        manager = PortManager(echo, Connection(peer))
        with suppress(OSError), peer:
            while data := peer.recv(100):
                echo.write(b"".join(manager.filter(data)))
                back = echo.read(100)
                if back:
                    peer.sendall(b"".join(manager.escape(back)))

    threading.Thread(target=serve, daemon=True).start()
    with (
        closing(server),
        closing(open_port(f"rfc2217://127.0.0.1:{server.getsockname()[1]}", MEDIA[WIRE])) as port,
    ):
        port.write(b"\x68\xff\x16")
        heard = b""
        give_up = time.monotonic() + PATIENCE_S
        while len(heard) < 3 and time.monotonic() < give_up:
            heard += port.read(0.5)
        assert heard == b"\x68\xff\x16"


def test_a_listening_port_takes_the_next_peer_when_one_has_gone() -> None:
    with closing(ListeningPort("127.0.0.1", 0)) as port:
        port.write(b"nobody hears this")
        assert port.read(0.0) == b""
        for word in (b"one", b"two"):
            with socket.create_connection(port.address) as peer:
                peer.sendall(word)
                assert port.read(5.0) == word
                port.write(word[::-1])
                assert peer.recv(10) == word[::-1]
        assert port.read(1.0) == b""


def test_a_peer_that_comes_back_is_found_again() -> None:
    listening = ListeningPort("127.0.0.1", 0)
    host, number = listening.address
    with closing(open_port(f"socket://{host}:{number}", MEDIA[WIRE])) as port:
        listening.read(0.0)
        listening.close()
        give_up = time.monotonic() + PATIENCE_S
        assert port.read(0.1) == b""
        with closing(ListeningPort(host, number)) as again:
            heard = b""
            while not heard and time.monotonic() < give_up:
                port.write(b"x")
                port.read(0.05)
                heard = again.read(0.05)
            assert heard.startswith(b"x")


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("nowhere://x", InvalidInput),
        ("listen://", InvalidInput),
        ("listen://127.0.0.1:x", InvalidInput),
        ("socket://127.0.0.1:1", PortError),
        ("/dev/no-such-port", PortError),
    ],
)
def test_a_port_that_cannot_be_opened_is_named(url: str, error: type[Exception]) -> None:
    with pytest.raises(error, match=re.escape(url)):
        open_port(url, MEDIA[WIRE])


def test_the_command_names_what_is_wrong() -> None:
    for arguments, code, words in (
        (["socket://127.0.0.1:1", "--model", "JOYU9"], 2, "JOYU9"),
        (["nowhere://x"], 2, "nowhere"),
        (["socket://127.0.0.1:1"], 1, "127.0.0.1"),
    ):
        result = CliRunner().invoke(app, ["ciu", "run", *arguments])
        assert result.exit_code == code
        assert words in result.output


def test_live_ends_when_it_is_told_to() -> None:
    station = MasterStation(MEDIA[WIRE], Random(1), ADDRESS)
    with closing(ListeningPort("127.0.0.1", 0)) as port:
        give_up = time.time_ns() + SECOND_NS // 10
        live(station, port, until=lambda: time.time_ns() > give_up)

"""The port on real lines: somebody else's client, our own reader, buses, and readers that misbehave."""

from __future__ import annotations

import os
import socket
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from iec62056_21.client import Iec6205621Client
from iec62056_21.messages import CommandMessage, DataSet

from joy311.device.optical_line import PseudoTerminal, TcpLine
from joy311.device.optical_port import OpticalPort, garbled, open_line, serve
from joy311.device.optical_reader import OpticalReader
from joy311.errors import InvalidInput, Refused, StorageError
from joy311.iec62056 import (
    Command,
    Level,
    Mode,
    PortSettings,
    Request,
    Speed,
    TableRequest,
    read_log,
    read_profile,
)
from joy311.iec62056.characters import with_even_parity
from joy311.instant import MILLISECOND_NS, SECOND_NS
from tests.iec62056.meter_in_memory import MeterInMemory

QUICK = PortSettings(reaction_ns=20 * MILLISECOND_NS)
IDENTIFICATION = b"/JOy5JOY311-3P\r\n"


def quick_meter(address: str = "0123456789", intervals: int = 8) -> MeterInMemory:
    return MeterInMemory(address, manufacturer="JOy", intervals=intervals)


@contextmanager
def tcp_port(*meters: MeterInMemory, several: bool = False) -> Iterator[OpticalPort]:
    with serve(meters or [quick_meter()], "tcp://127.0.0.1:0", QUICK, several=several) as port:
        yield port


def connected(port: OpticalPort) -> socket.socket:
    host, _, number = port.where.removeprefix("tcp://").rpartition(":")
    connection = socket.create_connection((host, int(number)), timeout=5)
    connection.settimeout(5)
    return connection


def received(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = connection.recv(size - len(data))
        if not piece:
            break
        data += piece
    return data


def foreign_session(client: Iec6205621Client, meter: MeterInMemory) -> None:
    """Read everything, program and sign off with a client that other people wrote."""
    client.connect()
    challenge = client.access_programming_mode()
    assert (challenge.command, challenge.command_type) == ("P", 0)
    assert len(challenge.data_set.value) == 8
    # Its own way to send a password is broken, so the message is made by hand.
    client.transport.send(CommandMessage("P", 1, DataSet(value="73915246", address="")).to_bytes())
    assert client._recv_ack() == "\x06"
    assert client.read_single_value("1.8.0").value == "000123.456"
    assert client.read_single_value("1-0:32.7.0*255", "").value == "230.1"
    client.write_single_value("0.0.1", "ACME 7")
    assert client.read_single_value("0.0.1").value == "ACME 7"
    client.write_single_value("19.40.0", "12345678901234567890")
    assert client.read_single_value("19.40.0").value == "01"
    assert client.read_single_value("1.2.3.4").value == "ER03"
    client.transport.send(CommandMessage("R", 6, DataSet(value=";;3", address="P.01")).to_bytes())
    rows = client.read_response().data
    assert [data.value for data in rows if not data.address][-1] == "000.016"
    client.send_break()
    # The client stays at the speed of a session until it opens its port anew.
    client.disconnect()
    client.connect()
    shown = client.standard_readout().data
    by_code = {data.address: (data.value, data.unit) for data in shown if data.address}
    assert by_code["1.8.0"] == ("000123.456", "kWh")
    assert by_code["19.0.0"] == ("-000001.500", "kWh")
    assert len(by_code) > 80
    client.disconnect()
    assert meter.tokens == ["12345678901234567890"]


def test_a_foreign_client_reads_programs_and_signs_off_over_tcp() -> None:
    meter = quick_meter()
    with tcp_port(meter) as port:
        host, _, number = port.where.removeprefix("tcp://").rpartition(":")
        foreign_session(Iec6205621Client.with_tcp_transport((host, int(number)), "0123456789"), meter)


@pytest.mark.parametrize("strict", [False, True], ids=["lenient", "strict"])
def test_a_foreign_client_does_so_over_a_pseudo_terminal_and_changes_its_speed(
    strict: bool, tmp_path: Path
) -> None:
    meter = quick_meter()
    path = tmp_path / "head"
    with serve([meter], f"pty://{path}", QUICK, strict_baud=strict):
        foreign_session(Iec6205621Client.with_serial_transport(str(path)), meter)


def test_our_reader_reads_a_whole_meter_at_the_usual_pace() -> None:
    meter = MeterInMemory()
    with serve([meter], "tcp://127.0.0.1:0") as port, OpticalReader(port.where) as reader:
        identification, sets = reader.read_out()
        assert identification.text == "JOY311-3P"
        assert {"1.8.0", "19.0.0", "F.F"} <= {data_set.code for data_set in sets}


@pytest.mark.parametrize("kind", ["tcp", "pty"])
def test_our_reader_programs_reads_tables_and_signs_off(kind: str, tmp_path: Path) -> None:
    meter = quick_meter(intervals=50)
    url = "tcp://127.0.0.1:0" if kind == "tcp" else f"pty://{tmp_path / 'head'}"
    with serve([meter], url, QUICK) as port:
        with OpticalReader(port.where, "123456789") as reader:
            reader.program(Level.UTILITY, "73915246")
            assert str(reader.read("1.8.0")) == "1.8.0(000123.456*kWh)"
            reader.write("0.0.1", "ACME")
            with pytest.raises(Refused, match="ER06") as refusal:
                reader.write("1.8.0", "0")
            assert refusal.value.code == "READ_ONLY"
            rows = list(read_profile(reader.table("P.01", TableRequest(rows_in_block=30))))
            assert len(rows) == 50
            entries = list(read_log(reader.table("P.98", TableRequest(from_ns=meter.entries[3].at_ns))))
            assert entries == meter.entries[3:]
        with OpticalReader(port.where) as reader:
            reader.program(Level.FACTORY, bytes(range(16)).hex())
            reader.write("C.1.0", "20260001")
    assert meter.texts["C.1.0"] == "20260001"
    assert not (tmp_path / "head").is_symlink()


def test_a_year_of_profile_comes_over_tcp() -> None:
    meter = quick_meter(intervals=35_040)
    with tcp_port(meter) as port, OpticalReader(port.where) as reader:
        reader.program(Level.READER, "00000000")
        rows = list(read_profile(reader.table("P.01", TableRequest(rows_in_block=999))))
        assert len(rows) == 35_040


def test_a_wrong_password_is_refused_and_locked_for_every_connection() -> None:
    meter = quick_meter()
    with tcp_port(meter) as port:
        for code in ("WRONG_PASSWORD", "WRONG_PASSWORD", "WRONG_PASSWORD", "LOCKED"):
            with OpticalReader(port.where) as reader, pytest.raises(Refused) as refusal:
                reader.program(Level.READER, "guess")
            assert refusal.value.code == code
    with tcp_port(meter) as port, OpticalReader(port.where) as reader, pytest.raises(Refused, match="ER08"):
        reader.program(Level.READER, "00000000")


def test_meters_that_do_not_negotiate_are_read_by_our_reader() -> None:
    for mode in (Mode.A, Mode.B):
        settings = PortSettings(mode=mode, reaction_ns=20 * MILLISECOND_NS)
        with (
            serve([quick_meter()], "tcp://127.0.0.1:0", settings) as port,
            OpticalReader(port.where) as reader,
        ):
            _, sets = reader.read_out()
            assert len(sets) > 80


def test_one_reader_at_a_time_and_the_next_one_when_it_has_left() -> None:
    with tcp_port() as port:
        with connected(port) as first:
            first.sendall(Request().to_bytes())
            assert received(first, len(IDENTIFICATION)) == IDENTIFICATION
            with connected(port) as second:
                assert second.recv(1) == b""
            with pytest.raises((StorageError, Refused)), OpticalReader(port.where) as reader:
                reader.read_out()
        with OpticalReader(port.where) as reader:
            assert reader.read_out()[0].manufacturer == "JOy"


def test_a_reader_that_hangs_up_leaves_no_authority_behind() -> None:
    meter = quick_meter()
    with tcp_port(meter) as port:
        with connected(port) as first:
            for said, answer in (
                (Request().to_bytes(), IDENTIFICATION),
                (b"\x06051\r\n", b"\x01P0\x02(01234567)\x03?"),
                (Command("P1", "(73915246)").to_bytes(), b"\x06"),
            ):
                first.sendall(said)
                assert len(received(first, len(answer))) == len(answer)
        with connected(port) as second:
            second.sendall(Command("W1", "0.0.1(evil)").to_bytes())
            second.settimeout(0.3)
            with pytest.raises(TimeoutError):
                second.recv(1)
    assert meter.writes == []


def test_a_bus_answers_by_address_and_a_call_to_all_collides() -> None:
    meters = [quick_meter("1001"), quick_meter("1002"), quick_meter("1003")]
    meters[1].identification = "SECOND"
    meters[1].numbers["1.8.0"] = 2_000
    with tcp_port(*meters, several=True) as port:
        with OpticalReader(port.where, "01002") as reader:
            identification, sets = reader.read_out()
            assert identification.text == "SECOND"
            assert "1.8.0(000002.000*kWh)" in map(str, sets)
        with connected(port) as connection, connected(port) as listener:
            connection.sendall(Request().to_bytes())
            heard = received(connection, len(IDENTIFICATION))
            assert heard == garbled(IDENTIFICATION, b"/JOy5SECOND\r\n", 0)
            assert heard.startswith(b"/JOy5")
            assert heard != IDENTIFICATION
            assert received(listener, len(heard)) == heard


def test_meters_on_one_bus_need_addresses_of_their_own() -> None:
    with pytest.raises(InvalidInput, match="address"):
        serve([quick_meter("007"), quick_meter("7")], "tcp://127.0.0.1:0")
    with pytest.raises(InvalidInput, match="needs meters"):
        serve([], "tcp://127.0.0.1:0")


def test_where_two_send_at_once_a_zero_beats_a_one() -> None:
    assert garbled(b"\x0f\x0f", b"\x3c\x3c", 0) == b"\x0c\x0c"
    assert garbled(b"AB", b"CD", 3) == b"AB\x7fCD"
    assert garbled(b"ABC", b"\x00", 1) == b"A\x00C"


def test_the_eighth_bit_carries_the_parity_where_that_is_wanted() -> None:
    with serve([quick_meter()], "tcp://127.0.0.1:0", QUICK, software_7e1=True) as port:
        with connected(port) as connection:
            connection.sendall(with_even_parity(Request().to_bytes()))
            assert received(connection, len(IDENTIFICATION)) == with_even_parity(IDENTIFICATION)
        with OpticalReader(port.where, software_7e1=True) as reader:
            assert len(reader.read_out()[1]) > 80


def test_a_reader_that_takes_nothing_does_not_stop_the_port() -> None:
    meter = quick_meter(intervals=200_000)
    with tcp_port(meter, several=True) as port, connected(port) as deaf:
        for said, size in (
            (Request().to_bytes(), len(IDENTIFICATION)),
            (b"\x06051\r\n", 16),
            (Command("P1", "(00000000)").to_bytes(), 1),
        ):
            deaf.sendall(said)
            received(deaf, size)
        deaf.sendall(Command("R5", "P.01()").to_bytes())
        assert received(deaf, 1) == b"\x02"
        began = time.monotonic()
        port.close()
        assert time.monotonic() - began < 2


def test_a_pseudo_terminal_waits_until_the_reader_has_changed_its_speed_but_not_for_ever(
    tmp_path: Path,
) -> None:
    line = PseudoTerminal(tmp_path / "head")
    try:
        reader = os.open(tmp_path / "head", os.O_RDWR | os.O_NOCTTY)
        set_speed(reader, termios.B300)
        line.set_speed(9600, 0)
        not_before = 300 * MILLISECOND_NS
        # As long as the reader has not followed, the answer keeps waiting, and is due in the end.
        assert line.ready_ns(not_before, 400 * MILLISECOND_NS) > 400 * MILLISECOND_NS
        assert line.ready_ns(not_before, 1399 * MILLISECOND_NS) == 1400 * MILLISECOND_NS
        assert line.ready_ns(not_before, 1500 * MILLISECOND_NS) == 1400 * MILLISECOND_NS
        set_speed(reader, termios.B9600)
        assert line.reader_bd == 9600
        assert line.ready_ns(not_before, 700 * MILLISECOND_NS) == 950 * MILLISECOND_NS
        assert line.ready_ns(not_before, 900 * MILLISECOND_NS) == 950 * MILLISECOND_NS
        line.send(b"x", SECOND_NS)
        assert line.ready_ns(not_before, SECOND_NS) == not_before
        os.close(reader)
    finally:
        line.close()


@pytest.mark.parametrize("speed", Speed)
def test_a_strict_line_is_heard_only_at_its_own_speed(speed: Speed, tmp_path: Path) -> None:
    line = PseudoTerminal(tmp_path / "head", strict_baud=True)
    try:
        reader = os.open(tmp_path / "head", os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        for own in Speed:
            line.set_speed(own.bd, 0)
            set_speed(reader, getattr(termios, f"B{speed.bd}"))
            line.send(IDENTIFICATION, 0)
            heard = os.read(reader, 1000)
            assert (heard == IDENTIFICATION) is (own is speed)
        os.close(reader)
    finally:
        line.close()


def set_speed(descriptor: int, speed: int) -> None:
    attributes = termios.tcgetattr(descriptor)
    attributes[4] = attributes[5] = speed
    termios.tcsetattr(descriptor, termios.TCSANOW, attributes)


def test_a_link_is_replaced_and_a_file_is_not(tmp_path: Path) -> None:
    path = tmp_path / "head"
    path.symlink_to("/dev/pts/none")
    PseudoTerminal(path).close()
    assert not path.is_symlink()
    path.write_text("precious", "utf-8")
    with pytest.raises(InvalidInput, match="not overwritten"):
        PseudoTerminal(path)
    assert path.read_text("utf-8") == "precious"
    with pytest.raises(InvalidInput, match="no link"):
        PseudoTerminal(tmp_path / "nowhere" / "head")


@pytest.mark.parametrize(
    "url", ["", "udp://127.0.0.1:1", "tcp://127.0.0.1", "tcp://:99999", "tcp://127.0.0.1:http"]
)
def test_a_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput):
        open_line(url)


def test_a_line_that_cannot_be_had_is_said_in_a_sentence(tmp_path: Path) -> None:
    taken = TcpLine("127.0.0.1:0")
    with pytest.raises(StorageError, match="cannot listen"):
        open_line(taken.where)
    taken.close()
    with pytest.raises(StorageError, match="nobody answers"):
        OpticalReader(taken.where)
    for opening in (open_line, OpticalReader):
        with pytest.raises(StorageError, match="serial port"):
            opening(str(tmp_path / "tty"))


def test_a_serial_port_serves_and_is_read_like_any_other(tmp_path: Path) -> None:
    near, far = os.openpty()
    meter = quick_meter()
    with serve([meter], os.ttyname(far), QUICK):
        os.write(near, Request().to_bytes())
        heard = b""
        while len(heard) < len(IDENTIFICATION):
            heard += os.read(near, 100)
        assert heard == IDENTIFICATION
        assert termios.tcgetattr(far)[5] == termios.B300
        os.write(near, b"\x06051\r\n")
        heard = b""
        while len(heard) < 16:
            heard += os.read(near, 100)
        assert termios.tcgetattr(far)[5] == termios.B9600
    os.close(near)
    os.close(far)


def test_a_push_is_sent_to_whoever_listens() -> None:
    with tcp_port() as port, connected(port) as listener:
        # The connection is let in by the port's own loop; what was said before it nobody hears.
        listener.sendall(Request("none").to_bytes())
        heard = b""
        while b"!\r\n" not in heard:
            port.push()
            listener.settimeout(5)
            heard += listener.recv(65536)
        assert heard.startswith(b"/JOy3")

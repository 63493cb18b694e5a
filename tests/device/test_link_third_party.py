"""A DL/T 645 master that was not made for this meter reads it through two wires."""

from __future__ import annotations

import dlt645  # type: ignore[import-untyped]
import pytest

from joy311.device.ciu_application import CiuApplication
from joy311.device.link_campaign import LedgerMeter
from joy311.device.link_line import Line
from joy311.device.two_wire import Cable, CableFault, TwoWire
from joy311.instant import HOUR_NS, SECOND_NS
from joy311.link import MEDIA, Application, MediumName, Slave
from tests.meters import HEATER, PATIENT, credit_token, new_meter


class Terminal:
    """The master's serial port: what is written goes onto the line, what is heard can be read."""

    def __init__(self, cable: Cable, meter: Application | None = None) -> None:
        self.meter = meter or LedgerMeter()
        self._line = Line(TwoWire(cable, "third party"), 0)
        self._line.attach(Slave(MEDIA[MediumName.TWO_WIRE], self.meter))
        self._number = self._line.attach(self)
        self._heard = bytearray()

    def write(self, data: bytes) -> None:
        self._line.send(self._number, bytes(data))

    def read(self, size: int) -> bytes:
        if not self._heard:
            self._line.advance(self._line.now + 2 * SECOND_NS)
        data = bytes(self._heard[:size])
        del self._heard[:size]
        return data

    def receive(self, data: bytes, now: int) -> None:
        self._heard += data

    def next_deadline(self) -> int | None:
        return None

    def expire(self, now: int) -> bytes:
        return b""


def read(port: Terminal, address: str, identifier: str) -> str:
    frame = dlt645.Frame(address)
    frame.data = identifier
    dlt645.write_frame(port, frame)
    reply = dlt645.read_frame(dlt645.iogen(port))
    assert reply.data.endswith(identifier)
    return str(reply.data.removesuffix(identifier))


@pytest.mark.parametrize("cable", [Cable(200.0), Cable(1000.0, fault=CableFault.CROSSED)])
def test_a_foreign_master_finds_the_meter_and_reads_energy_and_voltages(cable: Cable) -> None:
    port = Terminal(cable)
    address = dlt645.get_addr(port)
    assert address == "012345678903"
    assert dlt645.get_active_energy(address, port) == 1234.56
    voltages = [read(port, address, f"02010{phase}00") for phase in (1, 2, 3)]
    assert voltages == ["2301", "2298", "2314"]
    assert read(port, address, "02020100") == "004350"
    assert read(port, address, "02800002") == "5001"


def test_a_foreign_master_reads_what_the_whole_meter_has_counted() -> None:
    meter = new_meter(configuration=PATIENT)
    meter.enter_token(credit_token(1_000))
    meter.advance(HEATER, meter.now + 3 * HOUR_NS)
    port = Terminal(Cable(500.0), CiuApplication(meter, meter.now))
    address = dlt645.get_addr(port)
    assert address == "012345678903"
    assert dlt645.get_active_energy(address, port) == meter.readout().total.wh // 10 / 100 == 18.0
    assert [read(port, address, f"02010{phase}00") for phase in (1, 2, 3)] == ["2300"] * 3
    assert read(port, address, "02030000") == "060000"
    assert read(port, address, "02020100") == "008696"


def test_what_is_not_kept_is_answered_with_an_error() -> None:
    port = Terminal(Cable(200.0))
    frame = dlt645.Frame("012345678903")
    frame.data = "0a0b0c0d"
    dlt645.write_frame(port, frame)
    reply = dlt645.read_frame(dlt645.iogen(port))
    # This master does not read the control byte of a reply; the error byte stands alone behind it.
    assert reply.data == "02"


def test_another_meters_address_is_not_answered() -> None:
    port = Terminal(Cable(200.0))
    frame = dlt645.Frame("000000000001")
    frame.data = "00000000"
    dlt645.write_frame(port, frame)
    assert dlt645.read_frame(dlt645.iogen(port)) is None

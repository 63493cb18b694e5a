"""``joy311 read``: what it prints, and how it ends."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator

import pytest
from typer.testing import CliRunner, Result

from joy311.cli import app
from joy311.device.optical_port import OpticalPort, serve
from joy311.iec62056 import PortError, PortSettings, Value
from joy311.instant import MILLISECOND_NS
from tests.iec62056.meter_in_memory import MeterInMemory

RUNNER = CliRunner()
TOKEN = "01234567890123456789"


class Judge(MeterInMemory):
    """Judges tokens by their first digit."""

    def value(self, code: str, periods_back: int, now: int) -> Value | PortError:
        if code == "19.40.0" and self.tokens:
            return {"0": 1, "1": 13}[self.tokens[-1][0]]
        return super().value(code, periods_back, now)


@pytest.fixture
def meter() -> Judge:
    return Judge(manufacturer="JOy")


@pytest.fixture
def port(meter: Judge) -> Iterator[OpticalPort]:
    with serve([meter], "tcp://127.0.0.1:0", PortSettings(reaction_ns=20 * MILLISECOND_NS)) as port:
        yield port


def run(*arguments: str, stdin: str | None = None) -> Result:
    return RUNNER.invoke(app, ["read", *arguments], input=stdin)


def done(*arguments: str, stdin: str | None = None) -> str:
    result = run(*arguments, stdin=stdin)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_registers_come_as_a_table_as_json_and_as_csv(port: OpticalPort) -> None:
    table = done(port.where).splitlines()
    assert table[0] == "JOy JOY311-3P"
    (line,) = [line for line in table if line.startswith("1.8.0 ")]
    assert line.split() == ["1.8.0", "000123.456", "kWh", "Active", "energy", "imported"]
    document = json.loads(done(port.where, "--all", "--json"))
    by_code = {register["code"]: register for register in document["registers"]}
    assert by_code["32.7.0"]["values"] == [{"value": "230.1", "unit": "V"}]
    assert by_code["1.6.0"]["values"][1] == {"value": "0261122121500", "unit": ""}
    rows = list(csv.reader(io.StringIO(done(port.where, "--csv"))))
    assert rows[0] == ["code", "title", "value", "unit"]
    assert ["19.0.0", "Balance", "-000001.500", "kWh"] in rows


def test_the_profile_comes_in_full_and_by_range(port: OpticalPort, meter: Judge) -> None:
    rows = list(csv.reader(io.StringIO(done(port.where, "--profile", "--csv"))))
    assert rows[:2] == [
        ["ended", "status", "1.29.0 kWh", "2.29.0 kWh"],
        ["2026-11-22T12:30:00Z", "0000", "0.001", "0.002"],
    ]
    assert len(rows) == 1 + meter.intervals
    span = ("--from", "2026-11-22T13:00:00Z", "--to", "2026-11-22T13:15Z")
    found = [json.loads(line) for line in done(port.where, "--profile", "--json", *span).splitlines()]
    assert [row["ended"] for row in found] == ["2026-11-22T13:00:00Z", "2026-11-22T13:15:00Z"]
    assert found[0]["values"][1] == {"code": "2.29.0", "value": "0.006", "unit": "kWh"}
    assert "0.003" in done(port.where, "--profile", *span)


def test_the_log_comes_with_its_elements(port: OpticalPort) -> None:
    lines = done(port.where, "--log").splitlines()
    assert lines[1] == "2026-11-22T12:15:00Z  00000080  96.11.0(0000)"
    (last,) = done(port.where, "--log", "--json", "--from", "2026-11-22T12:19:00Z").splitlines()
    assert json.loads(last)["elements"] == [{"code": "96.11.0", "value": "0004", "unit": ""}]


def test_a_token_is_entered_and_its_result_decides_the_exit(port: OpticalPort, meter: Judge) -> None:
    assert done(port.where, "--token", TOKEN) == "1 Accept\n"
    assert done(port.where, "--token", "-", "--json", stdin="0123 4567 8901 2345 6789\n").endswith(
        '{"result": 1, "name": "Accept"}\n'
    )
    assert meter.tokens == [TOKEN, TOKEN]
    result = run(port.where, "--token", "1" + TOKEN[1:], "--csv")
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (1, "13,CRCError")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["udp://1.2.3.4:5"], "tcp://HOST:PORT"),
        (["tcp://127.0.0.1"], "HOST:PORT"),
        (["PORT", "--profile", "--log"], "choose one"),
        (["PORT", "--json", "--csv"], "choose one"),
        (["PORT", "--from", "2026-01-01"], "--from and --to are for"),
        (["PORT", "--log", "--from", "yesterday"], "ISO 8601"),
        (["PORT", "--token", "123"], "20"),
        (["PORT", "--log", "--level", "2"], "needs --password"),
        (["PORT", "--log", "--level", "3", "--password", "xyz"], "hexadecimal"),
        (["PORT", "--log", "--password", "a(b)"], "printable"),
        (["PORT", "--address", "1-2"], "address"),
    ],
)
def test_what_cannot_be_used_ends_with_2_and_one_line(
    port: OpticalPort, arguments: list[str], words: str
) -> None:
    result = run(*(port.where if argument == "PORT" else argument for argument in arguments))
    assert result.exit_code == 2, result.output
    (line,) = result.stderr.splitlines()
    assert line.startswith("joy311: ")
    assert words in line


def test_what_the_meter_refuses_ends_with_1_and_says_why(port: OpticalPort, meter: Judge) -> None:
    result = run(port.where, "--log", "--password", "wrong")
    assert (result.exit_code, result.stderr) == (
        1,
        "joy311: the meter refuses with ER02: the password or the response is wrong\n",
    )
    assert "wrong" not in result.stderr.replace("is wrong", "")
    port.close()
    result = run(port.where)
    assert result.exit_code == 1
    assert "nobody answers" in result.stderr

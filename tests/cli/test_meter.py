"""``joy311 meter``: a real process, read and fed by other people's client and by ours, stopped and killed."""

from __future__ import annotations

import csv
import io
import json
import re
import signal
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from iec62056_21.client import Iec6205621Client
from iec62056_21.messages import CommandMessage, DataSet
from typer.testing import CliRunner, Result

from joy311.cli import app
from joy311.cli.meter_console import COMMANDS
from joy311.device.memory import Region
from joy311.device.meter_process import snapshot
from joy311.device.wear import LIVES
from joy311.instant import MINUTE_NS
from joy311.meter import EventCode, LogEntry
from joy311.sts import BaseDate, TransferCredit, encode, token_id_at
from tests.cli.running_meter import RunningMeter, write_factory_file
from tests.meters import KEY

RUNNER = CliRunner()
TCP = ("--optical", "tcp://127.0.0.1:0", "--reaction-ms", "20")


def joy311(*arguments: str, **environment: str) -> Result:
    return RUNNER.invoke(app, list(arguments), env=environment)


def fresh_token(units: int, minute: int = 0) -> str:
    """A token of now, as a real meter process lives now."""
    token_id = token_id_at(time.time_ns(), BaseDate.BDT_2014) + minute
    return encode(TransferCredit(0, 5, token_id, units), KEY).digits


@pytest.fixture
def new(tmp_path: Path) -> tuple[str, ...]:
    """Options of a new meter in a directory of its own."""
    factory = write_factory_file(tmp_path / "factory.json")
    return ("--state", str(tmp_path / "meter"), "--factory", str(factory))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "meter"


def foreign_session(client: Iec6205621Client, password: str) -> None:
    """Read everything, program and sign off with a client that other people wrote."""
    client.connect()
    client.access_programming_mode()
    # Its own way to send a password is broken, so the message is made by hand.
    client.transport.send(CommandMessage("P", 1, DataSet(value=password, address="")).to_bytes())
    assert client._recv_ack() == "\x06"
    assert client.read_single_value("0.0.0").value == "12345678903"
    client.write_single_value("0.0.1", "ACME 7")
    assert client.read_single_value("0.0.1").value == "ACME 7"
    client.write_single_value("17.0.0", "12.500*kW")
    assert client.read_single_value("1-0:17.0.0*255", "").value == "12.500"
    token = fresh_token(500)
    for expected in ("01", "10"):
        client.write_single_value("19.40.0", token)
        assert client.read_single_value("19.40.0").value == expected
    client.transport.send(CommandMessage.for_single_write("C.50.1", "1").to_bytes())
    assert client.read_response().data[0].value == "ER04", "the payment mode is for the highest level"
    client.transport.send(CommandMessage("R", 6, DataSet(value=";;100", address="P.98")).to_bytes())
    codes = [data.value for data in client.read_response().data]
    assert len(codes) > 5
    client.send_break()
    # The client stays at the speed of a session until it opens its port anew.
    client.disconnect()
    client.connect()
    by_code = {data.address: data.value for data in client.standard_readout().data if data.address}
    assert by_code["19.0.0"] == "000050.000"
    assert by_code["0.0.1"] == "ACME 7"
    assert len(by_code) > 60
    client.disconnect()


@pytest.mark.parametrize("kind", ["tcp", "pty"])
def test_a_foreign_client_reads_everything_programs_and_signs_off(
    kind: str, new: tuple[str, ...], home: Path, tmp_path: Path
) -> None:
    head = tmp_path / "head"
    url = "tcp://127.0.0.1:0" if kind == "tcp" else f"pty://{head}"
    with RunningMeter(*new, "--optical", url, "--reaction-ms", "20", "--quiet") as meter:
        where = meter.hear("port")
        if kind == "tcp":
            host, _, number = where.removeprefix("tcp://").rpartition(":")
            client = Iec6205621Client.with_tcp_transport((host, int(number)), "12345678903")
        else:
            client = Iec6205621Client.with_serial_transport(str(head))
        foreign_session(client, json.loads((home / "access.json").read_text("ascii"))["utility"])
        assert meter.stop() == 0


def test_a_token_by_our_reader_gives_credit_once_and_the_log_tells(new: tuple[str, ...], home: Path) -> None:
    token = fresh_token(500)
    with RunningMeter(*new, *TCP, "--load", "300", "--speed", "3600", "--quiet") as meter:
        where = meter.hear("port")
        assert joy311("read", where, "--token", token).stdout == "1 Accept\n"
        result = joy311("read", where, "--token", token)
        assert (result.exit_code, result.stdout) == (1, "10 UsedError\n")
        time.sleep(1.0)
        profile = list(csv.reader(io.StringIO(joy311("read", where, "--profile", "--csv").stdout)))
        log = joy311("read", where, "--log").stdout
        document = json.loads(joy311("read", where, "--json").stdout)
        # The log of a meter that runs can be read beside it.
        lines = joy311("meter", "events", "--state", str(home), "--json").stdout.splitlines()
        assert meter.stop(signal.SIGINT) == 0
    assert profile[0][0] == "ended"
    assert len(profile) > 2
    assert f"96.11.0({int(EventCode.TOKEN_ACCEPTED):04})" in log
    registers = {each["code"]: each["values"][0]["value"] for each in document["registers"]}
    # The meter lives on between two registers, here 3600 times as fast.
    assert 0.0 < float(registers["19.0.0"]) <= 50.0
    assert float(registers["19.0.0"]) + float(registers["19.20.0"]) == pytest.approx(50.0, abs=1.0)
    names = [json.loads(line)["name"] for line in lines]
    assert names[0] == "POWER_UP"
    assert {"TOKEN_ACCEPTED", "TOKEN_REFUSED", "SWITCH_CLOSED"} <= set(names)
    with snapshot_of(home) as rows:
        assert rows[-1].event is EventCode.POWER_DOWN


class snapshot_of:  # noqa: N801 - reads as a word in a with statement
    """The log entries of a directory's memory."""

    def __init__(self, home: Path) -> None:
        self._home = home

    def __enter__(self) -> list[LogEntry]:
        return [LogEntry.from_bytes(row) for row in snapshot(self._home).log()]

    def __exit__(self, *_: object) -> None:
        return None


def test_commands_on_standard_input_reach_the_meter(new: tuple[str, ...]) -> None:
    with RunningMeter(*new, "--load", "1000,0,500") as meter:
        assert re.search(r"12345678903 credit 0 Wh .* supply off", meter.ask("show"))
        assert meter.ask(f"token {fresh_token(100)}") == "result 1 Accept"
        # The keypad is locked for as long as the other door's token is judged.
        time.sleep(1.0)
        assert meter.ask(f"key {fresh_token(50, 1)}") == "result 1 Accept"
        time.sleep(1.0)
        meter.say("key 80")
        while meter.hear("screen") != "80":
            pass
        assert "tampers 0" in meter.ask("show")
        meter.say("open cover terminal")
        meter.say("power off")
        assert meter.ask("token 1").startswith("error: ")
        meter.say("power on")
        for line in (
            "",
            "help me",
            "volts a b c",
            "volts 1 2",
            "load -1",
            "load nan",
            "fault none",
            "key x",
            "x",
        ):
            if line:
                assert meter.ask(line).startswith("error: "), line
        assert set(COMMANDS) == {line.split()[0] for line in meter.ask("help").splitlines()}
        meter.say("quit")
        assert meter.stop() == 0


def test_what_is_secret_is_for_the_owner_only_and_in_no_other_file(
    new: tuple[str, ...], home: Path, tmp_path: Path
) -> None:
    record = tmp_path / "life"
    refused, accepted = "1234" * 5, fresh_token(100)
    with RunningMeter(*new, "--record", str(record), "--load", "2000") as meter:
        assert meter.ask(f"key {accepted}") == "result 1 Accept"
        time.sleep(1.0)
        assert meter.ask(f"token {refused}").startswith("result ")
        assert meter.stop() == 0
    for path in (*home.iterdir(), record, tmp_path / "life.private"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    text = record.read_text("ascii")
    assert KEY.to_bytes().hex() not in text.lower()
    assert refused not in text
    assert "".join(re.findall(r'"key":"digit_(\d)"', text)) != accepted
    result = joy311("meter", "replay", str(record), "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["events"] > 25


@pytest.fixture
def journal(new: tuple[str, ...], tmp_path: Path) -> Path:
    path = tmp_path / "life"
    with RunningMeter(*new, "--record", str(path), "--load", "9000", "--speed", "600") as meter:
        assert meter.ask(f"token {fresh_token(100)}") == "result 1 Accept"
        for line in (
            "open cover meter",
            "fault calibration-lost",
            "mend calibration-lost",
            "volts 230 0 230",
        ):
            meter.say(line)
        time.sleep(0.5)
        meter.say("power off")
        time.sleep(0.3)
        meter.say("power on")
        time.sleep(0.3)
        assert meter.stop() == 0
    return path


def test_a_recorded_life_is_lived_again_and_a_change_in_it_is_found(journal: Path) -> None:
    result = joy311("meter", "replay", str(journal))
    assert result.exit_code == 0, result.output
    lines = journal.read_text("ascii").splitlines(keepends=True)
    kinds = {json.loads(line).get("event") for line in lines}
    assert {"PoweredUp", "TokenReceived", "EnergyMeasured", "SensorChanged", "PowerFailing"} <= kinds
    # A kill may have cut the last line.
    journal.write_text("".join(lines) + lines[-1][:40], "ascii")
    assert joy311("meter", "replay", str(journal)).exit_code == 0
    changed = "".join(lines).replace("SwitchLoad closed", "SwitchLoad open", 1)
    assert changed != "".join(lines)
    journal.write_text(changed, "ascii")
    result = joy311("meter", "replay", str(journal))
    assert result.exit_code == 1
    assert "now leads to" in result.stderr
    # Without what was typed there is nothing to live again.
    private = journal.with_name("life.private")
    private.write_text("".join(private.read_text("ascii").splitlines(keepends=True)[:1]), "ascii")
    assert joy311("meter", "replay", str(journal)).exit_code == 2


@pytest.mark.parametrize(
    "content", ["", "{}\n", "[]\n", '{"journal": 1}\n', "\xff\n", '{"journal":1}\n{"now":1}\n']
)
def test_what_is_no_journal_ends_with_2(content: str, tmp_path: Path) -> None:
    path = tmp_path / "life"
    path.write_text(content, "latin-1")
    assert joy311("meter", "replay", str(path)).exit_code == 2
    (tmp_path / "life.private").write_text(content, "latin-1")
    result = joy311("meter", "replay", str(path))
    assert result.exit_code == 2, result.output
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--speed", "0"], "speed of 0"),
        (["--speed", "nan"], "speed of nan"),
        (["--load", "-5"], "-1.66667 W"),
        (["--load", "1,2"], "one or three"),
        (["--load", "no-such-file.csv"], "no-such-file.csv"),
        (["--load", "inf"], "inf W"),
        (["--optical", "udp://1.2.3.4:5"], "tcp://HOST:PORT"),
        (["--reaction-ms", "5"], "reaction"),
        (["--mode", "X"], "A, B, C"),
        (["--baud", "1234"], "1234"),
        (["--config", "no-such-file"], "no-such-file"),
        (["--config", "BAD"], "cannot be read"),
        (["--config", "ODD"], "no_such_section"),
        (["--demo", "shop"], "--factory"),
    ],
)
def test_what_cannot_be_used_ends_with_2_and_makes_nothing(
    arguments: list[str], words: str, new: tuple[str, ...], home: Path, tmp_path: Path
) -> None:
    (tmp_path / "BAD").write_text("{", "ascii")
    (tmp_path / "ODD.toml").write_text("[no_such_section]\n", "ascii")
    named = {"BAD": str(tmp_path / "BAD"), "ODD": str(tmp_path / "ODD.toml")}
    result = joy311("meter", "run", *new, *(named.get(each, each) for each in arguments))
    assert result.exit_code == 2, result.output
    (line,) = result.stderr.splitlines()
    assert words in line
    assert not home.exists() or "--optical" in arguments


def test_a_new_meter_needs_a_key_and_no_message_shows_one(tmp_path: Path) -> None:
    home = tmp_path / "meter"
    result = joy311("meter", "run", "--state", str(home))
    assert (result.exit_code, home.exists()) == (2, False)
    bad = tmp_path / "bad.json"
    bad.write_text(json.dumps({"decoder_key": "00112233445566778899aabbccddeeff"}), "ascii")
    result = joy311("meter", "run", "--state", str(home), "--factory", str(bad))
    assert result.exit_code == 2
    assert "00112233" not in result.output
    for command in ("events", "wear"):
        assert joy311("meter", command, "--state", str(home)).exit_code == 2
    home.mkdir()
    assert joy311("meter", "events", "--state", str(home)).exit_code == 1
    (home / "meter.memory").write_bytes(b"x" * 100)
    assert joy311("meter", "events", "--state", str(home)).exit_code == 1


def test_the_memory_of_a_meter_that_runs_is_not_shared(new: tuple[str, ...]) -> None:
    with RunningMeter(*new) as meter:
        meter.hear("meter")
        result = joy311("meter", "run", *new)
        assert (result.exit_code, "in use" in result.stderr) == (1, True)


def test_the_wear_table_has_every_life_and_region(new: tuple[str, ...], home: Path) -> None:
    rows = [json.loads(line) for line in joy311("meter", "wear", "--json").stdout.splitlines()]
    assert {row["life"] for row in rows} == {life.name for life in LIVES}
    assert len(rows) == len(LIVES) * len(Region)
    assert max(row["share"] for row in rows) < 1.0
    with RunningMeter(*new) as meter:
        meter.hear("meter")
        text = joy311("meter", "wear", "--state", str(home)).stdout
    assert "so far" in text
    assert "1.3 Un" in text


def test_a_configuration_is_taken_at_the_start_and_replaced_later(
    new: tuple[str, ...], home: Path, tmp_path: Path
) -> None:
    first, second = tmp_path / "a.toml", tmp_path / "b.json"
    first.write_text("[load_profile]\nperiod_min = 5\n", "ascii")
    second.write_text('{"load_profile": {"period_min": 30}, "customer_number": "C9"}', "ascii")
    for path, period in ((first, 5), (second, 30)):
        with RunningMeter(*new, *TCP, "--config", str(path)) as meter:
            document = json.loads(joy311("read", meter.hear("port"), "--json").stdout)
            values = {each["code"]: each["values"][0]["value"] for each in document["registers"]}
            assert int(values["0.8.4"]) == period
            assert meter.stop() == 0
    assert values["0.0.1"] == "C9"
    with snapshot_of(home) as rows:
        assert sum(row.event is EventCode.CONFIGURATION_CHANGED for row in rows) == 1


def test_two_meters_share_a_port_by_address_and_a_broadcast_garbles(tmp_path: Path) -> None:
    drns = ("12345678903", "00311000012")
    options = []
    for number, drn in enumerate(drns):
        factory = write_factory_file(tmp_path / f"{number}.json", drn if number else "")
        options += ["--state", str(tmp_path / f"meter-{number}"), "--factory", str(factory)]
    with RunningMeter(*options, *TCP, "--quiet") as meter:
        numbers = [meter.hear("meter"), meter.hear("meter")]
        where = meter.hear("port")
        for number in numbers:
            document = json.loads(joy311("read", where, "--address", number, "--json").stdout)
            values = {each["code"]: each["values"][0]["value"] for each in document["registers"]}
            assert values["0.0.0"] == number
        # Their numbers stand twice in the read-out, so that the check would not see them garbled.
        meter.say(f"meter {numbers[1]}")
        meter.say("volts 215 230 230")
        assert numbers[1] in meter.ask("show")
        assert joy311("read", where).exit_code == 1
        # A meter without supply is silent, and the other has the line to itself.
        meter.say("power off")
        time.sleep(1.0)
        document = json.loads(joy311("read", where, "--json").stdout)
        assert document["registers"][0]["values"][0]["value"] == numbers[0]
        assert meter.stop() == 0


def test_the_demonstration_s_shop_sells_what_the_meter_takes(tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    with RunningMeter("--state", str(tmp_path / "meter"), "--demo", str(shop)) as meter:
        number = meter.hear("meter")
        sold = joy311("pos", "sell", "--meter", number, "--amount", "500", "--json", JOY311_DATA=str(shop))
        digits = re.search(r"\b(\d{20})\b", sold.stdout)
        assert digits, sold.output
        assert meter.ask(f"token {digits[1]}") == "result 1 Accept"
        assert meter.stop() == 0


def test_a_password_guessed_at_full_speed_is_locked_out_also_after_a_restart(new: tuple[str, ...]) -> None:
    def guess(where: str, number: int) -> str:
        return joy311("read", where, "--log", "--level", "2", "--password", f"{number:08}x").stderr

    with RunningMeter(*new, *TCP, "--quiet") as meter:
        where = meter.hear("port")
        answers = [re.findall(r"ER\d\d", guess(where, number)) for number in range(6)]
        assert answers == [["ER02"]] * 3 + [["ER08"]] * 3
        meter.kill()
    with RunningMeter(*new, *TCP, "--quiet") as meter:
        where = meter.hear("port")
        assert "ER08" in guess(where, 9)
        # Not even the right one is compared.
        assert "ER08" in joy311("read", where, "--log").stderr


@pytest.fixture(params=[pytest.param(3, id="few"), pytest.param(60, id="many", marks=pytest.mark.long)])
def kills(request: pytest.FixtureRequest) -> int:
    return int(request.param)


def test_a_kill_at_any_instant_loses_nothing_that_was_promised(
    kills: int, new: tuple[str, ...], home: Path
) -> None:
    seed = 311
    print("seed", seed)
    chance = Random(seed)
    sold = 0
    waiting: dict[str, bool] = {}
    for _ in range(kills):
        with RunningMeter(*new, "--load", "6000", "--speed", "60", "--quiet") as meter:
            meter.hear("meter")
            for digits, promised in waiting.items():
                # What was promised is kept; what was not is kept too, or still good. Never twice.
                answers = ("result 10 UsedError",) if promised else ("result 10 UsedError", "result 1 Accept")
                assert meter.ask(f"token {digits}") in answers
            waiting.clear()
            shown = re.search(r"credit (-?\d+) Wh drawn (\d+) Wh", meter.ask("show"))
            assert shown
            assert int(shown[1]) + int(shown[2]) == 5_000 * sold
            for _ in range(chance.randrange(1, 4)):
                sold += 1
                digits = fresh_token(50, sold)
                if chance.random() < 0.5:
                    assert meter.ask(f"token {digits}") == "result 1 Accept"
                    waiting[digits] = True
                else:
                    meter.say(f"token {digits}")
                    waiting[digits] = False
                time.sleep(chance.uniform(0.0, 0.2))
            meter.kill()
    with snapshot_of(home) as rows:
        assert [row.sequence for row in rows] == sorted({row.sequence for row in rows})
        assert sum(row.event is EventCode.POWER_UP for row in rows) == kills


def test_a_meter_goes_on_where_it_was_and_time_never_runs_backwards(new: tuple[str, ...], home: Path) -> None:
    with RunningMeter(*new, "--speed", "1000000", "--load", "100", "--quiet") as meter:
        meter.hear("meter")
        time.sleep(0.7)
        assert meter.stop() == 0
    with RunningMeter(*new, "--quiet") as meter:
        meter.hear("meter")
        assert meter.stop() == 0
    with snapshot_of(home) as rows:
        times = [row.at_ns for row in rows]
        assert times == sorted(times)
        assert times[-1] > time.time_ns() + 60 * MINUTE_NS


@pytest.fixture(autouse=True)
def _no_signal_handlers_left() -> Iterator[None]:
    handlers = {sign: signal.getsignal(sign) for sign in (signal.SIGINT, signal.SIGTERM)}
    yield
    for sign, handler in handlers.items():
        signal.signal(sign, handler)

"""``joy311 pos``: the till on the command line."""

from __future__ import annotations

import json
import re
import signal
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner, Result

from joy311.cli import app
from tests.vending.shops import Death, Steps, mortal_databases

HOUSEHOLD = "00311000012"
NEIGHBOUR = "00311000020"
OWN_SHOP = (
    "--utility", "Island Grid", "--currency", "EUR", "--decimals", "2", "--supply-group", "123456",
    "--tariff", "Flat", "--price", "0.2345", "--tax-name", "VAT", "--tax-rate", "19",
    "--tax-basis", "inclusive", "--rounding", "half up", "--minimum", "1", "--maximum", "300",
)  # fmt: skip


class Till:
    """Runs commands on one data directory."""

    def __init__(self, data: Path) -> None:
        self.data = data

    def run(self, command: str, *arguments: str) -> Result:
        return CliRunner().invoke(app, ["pos", command, *arguments], env={"JOY311_DATA": str(self.data)})

    def json(self, command: str, *arguments: str) -> Any:
        result = self.run(command, *arguments, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)


@pytest.fixture
def till(tmp_path: Path) -> Till:
    till = Till(tmp_path / "data")
    assert till.run("init", "--demonstration").exit_code == 0
    return till


def one_line(result: Result, code: int) -> str:
    """Check that `result` failed with one line and nothing else, and return the line."""
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    lines = [line for line in result.stderr.splitlines() if not line.startswith("request id ")]
    assert len(lines) == 1, result.stderr
    return lines[0]


def test_a_sale_prints_a_receipt_and_the_id_to_repeat_it_by(till: Till) -> None:
    sold = till.run("sell", "--meter", HOUSEHOLD, "--amount", "500.00")
    assert sold.exit_code == 0
    assert re.search(r"(\d{4} ){4}\d{4}", sold.stdout)
    named = re.fullmatch(r"request id (\S+)\n", sold.stderr)
    assert named is not None
    request_id = named.group(1)
    again = till.run("sell", "--meter", HOUSEHOLD, "--amount", "500.00", "--request-id", request_id)
    assert (again.stdout, again.stderr) == (sold.stdout, "")
    assert till.run("receipt", "--request-id", request_id).stdout == sold.stdout
    assert till.run("receipt", "--meter", HOUSEHOLD).stdout == sold.stdout
    wide = till.run("receipt", "--meter", HOUSEHOLD, "--columns", "48")
    assert max(map(len, wide.stdout.splitlines())) == 48


def test_json_is_one_document_that_sums_up(till: Till) -> None:
    quote = till.json("quote", "--meter", HOUSEHOLD, "--amount", "500.00")
    sale = till.json("sell", "--meter", HOUSEHOLD, "--amount", "500.00", "--request-id", "r1")
    assert quote.items() <= sale.items()
    assert sum(line["amount_minor"] for line in sale["lines"]) == sale["tender_minor"] == 50_000
    assert re.fullmatch(r"\d{20}", sale["token"])


def test_a_shop_of_ones_own_sells(tmp_path: Path) -> None:
    till = Till(tmp_path / "own")
    made = till.json("init", *OWN_SHOP)
    assert re.fullmatch(r"[0-9A-F]{6}", made["key_check_value"])
    customer = till.json("add-customer", "Ines")
    till.json(
        "add-meter",
        "12345678903",
        "--customer",
        customer["customer_id"],
        "--tariff",
        "Flat",
        "--tariff-index",
        "07",
    )
    sale = till.json("sell", "--meter", "12345678903", "--amount", "20", "--request-id", "r1")
    # 85.3 kWh x 0.2345 = 20.00285, half up 20.00, of which 19/119 = 3.19 is tax; nothing is left.
    assert (sale["energy_wh"], sale["tax_minor"], sale["carry_minor"]) == (85_300, 319, 0)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--meter", HOUSEHOLD, "--amount", "1e3"), "1e3"),
        (("--meter", HOUSEHOLD, "--amount", "0"), "not above 0"),
        (("--meter", HOUSEHOLD, "--amount", "10.001"), "10.001"),
        (("--meter", "12", "--amount", "500"), "'12'"),
        (("--meter", HOUSEHOLD, "--amount", "500", "--request-id", "a b"), "request_id"),
        (("--meter", HOUSEHOLD, "--amount", "500", "--columns", "40"), "40"),
    ],
)
def test_bad_input_ends_with_two_and_one_line_and_changes_nothing(
    till: Till, arguments: tuple[str, ...], words: str
) -> None:
    assert words in one_line(till.run("sell", *arguments), 2)
    assert one_line(till.run("receipt", "--meter", HOUSEHOLD), 1).endswith("has not bought yet")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--meter", "00311000038", "--amount", "500"), "00311000038 is not registered"),
        (("--meter", "00311000013", "--amount", "500"), "check digit"),
        (("--meter", HOUSEHOLD, "--amount", "9.99"), "9.99 KES is below the least payment of 10.00"),
        (("--meter", HOUSEHOLD, "--amount", "40000.01"), "40000.00"),
    ],
)
def test_a_refusal_ends_with_one_and_one_line_and_changes_nothing(
    till: Till, arguments: tuple[str, ...], words: str
) -> None:
    assert words in one_line(till.run("sell", *arguments), 1)
    assert one_line(till.run("receipt", "--meter", HOUSEHOLD), 1).endswith("has not bought yet")


def test_a_request_id_with_another_amount_is_refused(till: Till) -> None:
    till.json("sell", "--meter", HOUSEHOLD, "--amount", "500", "--request-id", "r1")
    assert "r1" in one_line(
        till.run("sell", "--meter", HOUSEHOLD, "--amount", "600", "--request-id", "r1"), 1
    )


def test_verify_ends_with_zero_only_for_the_meters_own_token(till: Till) -> None:
    token = till.json("sell", "--meter", HOUSEHOLD, "--amount", "500", "--request-id", "r1")["token"]
    mine = till.run("verify", "--meter", HOUSEHOLD, "--token", token)
    assert (mine.exit_code, mine.stdout.split(":")[0]) == (0, "Accept")
    other = till.run("verify", "--meter", NEIGHBOUR, "--token", token)
    assert (other.exit_code, other.stdout.split(":")[0]) == (1, "CRCError")
    short = till.run("verify", "--meter", HOUSEHOLD, "--token", token[:19])
    assert (short.exit_code, short.stdout.split(":")[0]) == (1, "FormatError")


def test_without_a_shop_every_command_says_how_to_make_one(tmp_path: Path) -> None:
    till = Till(tmp_path / "nothing")
    for command in (
        ("sell", "--meter", HOUSEHOLD, "--amount", "5"),
        ("receipt", "--meter", HOUSEHOLD),
        ("add-customer", "Somebody"),
        ("serve",),
    ):
        assert "pos init" in one_line(till.run(*command), 1)
    assert not till.data.exists()


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--price", "-1", "price"),
        ("--price", "0", "price"),
        ("--tax-basis", "maybe", "inclusive, exclusive"),
        ("--rounding", "up and down", "half up"),
        ("--currency", "euro", "euro"),
        ("--supply-group", "12345", "supply group"),
        ("--maximum", "0.5", "minor units"),
        ("--utility", "", "utility"),
    ],
)
def test_a_shop_with_a_bad_value_is_not_made(tmp_path: Path, option: str, value: str, words: str) -> None:
    till = Till(tmp_path / "own")
    arguments = list(OWN_SHOP)
    arguments[arguments.index(option) + 1] = value
    assert words in one_line(till.run("init", *arguments), 2)
    assert not till.data.exists()


def test_a_shop_needs_every_value_that_matters(tmp_path: Path) -> None:
    till = Till(tmp_path / "own")
    assert "--price" in one_line(till.run("init", "--utility", "Island Grid"), 2)


def test_a_second_shop_in_the_same_place_is_refused(till: Till) -> None:
    assert "already" in one_line(till.run("init", *OWN_SHOP), 2)
    assert till.run("init", "--demonstration").exit_code == 0


def test_a_shop_whose_making_was_interrupted_anywhere_is_finished_by_the_same_command(tmp_path: Path) -> None:
    whole = Steps(0)
    with mortal_databases(whole):
        Till(tmp_path / "whole").json("init", *OWN_SHOP)
    for last in range(1, len(whole.taken) + 1, 4):
        till = Till(tmp_path / str(last))
        with pytest.raises(Death), mortal_databases(Steps(last)):
            till.run("init", *OWN_SHOP)
        again = till.run("init", *OWN_SHOP)
        # After its last commit the shop is whole; the second command then says so.
        assert again.exit_code == 0 or "already" in one_line(again, 2), last
        till.json("add-customer", "Ines")
        till.json(
            "add-meter", "12345678903", "--customer", "C00001", "--tariff", "Flat", "--tariff-index", "07"
        )
        assert till.json("quote", "--meter", "12345678903", "--amount", "20")["energy_wh"] == 85_300, last


def test_a_key_that_an_interrupted_making_left_is_the_shops(tmp_path: Path) -> None:
    till = Till(tmp_path / "own")
    first = till.json("init", *OWN_SHOP)
    for file in till.data.glob("shop.sqlite3*"):
        file.unlink()
    assert till.json("init", *OWN_SHOP)["key_check_value"] == first["key_check_value"]


def test_a_backup_goes_on_selling_elsewhere_once_it_is_told_what_it_forgot(
    till: Till, tmp_path: Path
) -> None:
    till.json("sell", "--meter", HOUSEHOLD, "--amount", "500", "--request-id", "r1")
    file = tmp_path / "backup.gz"
    assert "rows are in" in till.run("backup", str(file)).stdout
    assert file.stat().st_mode & 0o777 == 0o600
    assert str(file) in one_line(till.run("backup", str(file)), 2)
    lost = till.json("sell", "--meter", HOUSEHOLD, "--amount", "500", "--request-id", "lost")
    assert "already" in one_line(till.run("restore", str(file)), 2)
    for name in till.data.glob("shop.sqlite3*"):
        name.unlink()
    torn = tmp_path / "torn.gz"
    torn.write_bytes(file.read_bytes()[:-40])
    assert "backup" in one_line(till.run("restore", str(torn)), 2)
    assert till.run("restore", str(file)).exit_code == 0
    assert "pos resolve" in one_line(till.run("sell", "--meter", HOUSEHOLD, "--amount", "500"), 1)
    assert "orphan: request lost" in till.run("resolve").stdout
    assert till.json("receipt", "--request-id", "r1")["meter"] == HOUSEHOLD
    assert till.run("verify-audit").exit_code == 0
    assert till.run("verify", "--meter", HOUSEHOLD, "--token", lost["token"]).exit_code == 1


def test_verify_audit_ends_with_one_where_a_row_was_edited(till: Till) -> None:
    till.json("sell", "--meter", HOUSEHOLD, "--amount", "500", "--request-id", "r1")
    assert till.run("verify-audit").stdout == "1 rows sealed, 0 findings.\n"
    with sqlite3.connect(till.data / "shop.sqlite3") as connection:
        connection.execute("UPDATE sale SET units = units + 1")
    found = till.run("verify-audit")
    assert found.exit_code == 1
    assert "sale r1: not as the audit log says" in found.stdout


def test_upgrade_leaves_newest_tables_as_they_are(till: Till) -> None:
    assert till.run("upgrade").exit_code == 0


def test_serve_on_a_port_that_is_taken_ends_with_two_and_one_line(till: Till) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        served = subprocess.run(
            [sys.executable, "-m", "joy311", "pos", "serve", "--port", str(port), "--data", str(till.data)],
            capture_output=True,
            text=True,
            timeout=30,
        )
    assert (served.returncode, served.stdout) == (2, "")
    assert re.fullmatch(rf"joy311: port {port} of 127\.0\.0\.1 .*--port\n", served.stderr)


def test_serve_answers_on_this_machine_and_stops_when_told(till: Till) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "joy311", "pos", "serve", "--port", "0", "--data", str(till.data)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdout is not None
        try:
            address = re.search(r"http://127\.0\.0\.1:\d+/api\b", server.stdout.readline())
            assert address is not None
            assert httpx.get(f"{address.group()}/v1/health").json()["status"] == "ok"
        finally:
            server.send_signal(signal.SIGINT)
            rest = server.communicate(timeout=30)
    assert (server.returncode, rest) == (0, ("", ""))

"""``joy311 token`` as a person types it and as a program calls it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from joy311.cli import app
from joy311.sts import METER_TESTS, TokenResult
from joy311.sts.known_answers import KINDS

VECTORS = Path(__file__).parents[1] / "vectors" / "sts.jsonl"
LINES: list[dict[str, Any]] = [json.loads(line) for line in VECTORS.read_text("utf-8").splitlines()]
STA_KEY = "E653341F9D5BF36F"
PUBLISHED = "2371 6100 5011 8319 4197"
DIGITS = PUBLISHED.replace(" ", "")


def joy311(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, ["token", *arguments], input=stdin)


def answer(*arguments: str, stdin: str | None = None, code: int = 0) -> Any:
    result = joy311(*arguments, "--json", stdin=stdin)
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


def refused(*arguments: str, stdin: str | None = None, code: int = 2) -> str:
    """Return the one line on stderr of a command that ends badly."""
    result = joy311(*arguments, stdin=stdin)
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("joy311: ")
    return lines[0]


def key_file(path: Path, key: object) -> str:
    path.write_text(key if isinstance(key, str) else json.dumps(key), "utf-8")
    path.chmod(0o600)
    return str(path)


@pytest.fixture
def sta_key(tmp_path: Path) -> str:
    return key_file(tmp_path / "sta.key", f"{STA_KEY}\n")


def of_kind(kind: str) -> list[dict[str, Any]]:
    return [line for line in LINES if line["kind"] == kind]


def test_a_token_is_explained_bit_by_bit_in_eighty_columns_without_colour(sta_key: str) -> None:
    result = joy311("explain", PUBLISHED, "--key-file", sta_key, "--base-date", "1993")
    assert result.exit_code == 0
    shown = result.stdout
    assert "00 0000 0101 010110011001100001100011 0000000000000001 0001100111100110" in shown
    assert "01 01001001001000001000001111000000101 00 110011111001110010001010101" in shown
    assert "from 1993       2004-03-01 13:55 UTC   the base date of this key" in shown
    assert "from 2035       2046-03-01 13:55 UTC" in shown
    assert "amount            0.1 kWh\n  carried as      exponent 0, mantissa 1\n" in shown
    assert "19E6 found, 19E6 expected" in shown
    assert "\x1b" not in shown
    assert max(len(line.rstrip()) for line in shown.splitlines()) <= 80


def test_the_json_explanation_has_every_bit(sta_key: str) -> None:
    said = answer("explain", PUBLISHED, "--key-file", sta_key)
    assert [bit_map["stage"] for bit_map in said["maps"]] == ["as transmitted", "class taken out", "by field"]
    for bit_map in said["maps"]:
        assert sum(len(field["bits"]) for field in bit_map["fields"]) == 66
    assert int("".join(field["bits"] for field in said["maps"][0]["fields"]), 2) == int(DIGITS)
    assert said["amount"] == {
        "value": "0.1",
        "unit": "kWh",
        "negative": False,
        "exponent": 0,
        "mantissa": 1,
        "step": "0.1",
    }
    assert said["token_id"]["times"]["2014"] == "2025-03-01T13:55:00Z"
    assert said["checksum"] == {"name": "CRC", "found": 0x19E6, "expected": 0x19E6, "right": True}
    assert (said["result"], said["needs_key"], said["remedies"]) == (None, False, [])


def test_a_failing_token_says_what_would_make_it_pass(sta_key: str) -> None:
    slipped = "2371 6100 5011 8319 4179"
    shown = joy311("explain", slipped, "--key-file", sta_key)
    assert shown.exit_code == 0
    assert "CRCError: the CRC does not belong to the other bits" in shown.stdout
    assert "digits 19 and 20 exchanged" in shown.stdout
    assert PUBLISHED in shown.stdout
    said = answer("explain", slipped, "--key-file", sta_key)
    assert said["result"] == "CRCError"
    assert [remedy["token"] for remedy in said["remedies"]] == [DIGITS]
    hopeless = joy311("explain", "2371 6100 5011 8319 4242", "--key-file", sta_key)
    assert "199 tried" in " ".join(hopeless.stdout.split())


def test_class_1_needs_no_key_and_others_say_that_they_do() -> None:
    test_token = joy311("explain", "00000000000201328896")
    assert "test 3: cumulative" in test_token.stdout
    keyless = joy311("explain", PUBLISHED)
    assert keyless.exit_code == 0
    assert "No key: tokens of class 0 are encrypted" in keyless.stdout
    assert answer("explain", PUBLISHED)["needs_key"] is True
    assert "--key-file or --key-stdin" in refused("decode", PUBLISHED)


def test_a_section_of_a_key_change_keeps_its_secret(tmp_path: Path) -> None:
    for line in {line["tokens_in_set"]: line for line in of_kind("key_change")}.values():
        path = key_file(tmp_path / "old.json", line["old"] | {"decoder_key": line["old_decoder_key"]})
        new_key = line["new_decoder_key"]
        for token in line["tokens"]:
            told = joy311("explain", token, "--key-file", path).stdout
            told += json.dumps(answer("explain", token, "--key-file", path))
            told += json.dumps(answer("decode", token, "--key-file", path))
            told += joy311("decode", token, "--key-file", path).stdout
            for start in range(0, len(new_key), 8):
                word = int(new_key[start : start + 8], 16)
                assert f"{word:08x}" not in told.lower()
                assert str(word) not in told
                assert f"{word:032b}" not in told


@pytest.mark.parametrize("line", of_kind("credit_token")[:8], ids=lambda line: line["id"])
def test_credit_is_issued_and_read_as_the_known_answers_say(line: dict[str, Any], tmp_path: Path) -> None:
    path = key_file(tmp_path / "vending.json", line)
    service = ("electricity", "water", "gas", "time")[line["subclass"]]
    arguments = ["--service", service, "--token-id", str(line["tid"]), "--random", str(line["random"])]
    value = f"{line['value'] // 10}.{line['value'] % 10}"
    said = answer("issue", "credit", "--value", value, *arguments, "--key-file", path)
    assert said["token"] == line["token"]
    read = answer("decode", line["token"], "--key-file", path)
    assert read["values"]["units"] == line["carried"]
    assert (read["result"], read["kind"]) == (None, "TransferCredit")


@pytest.mark.parametrize("line", of_kind("currency_token")[:8], ids=lambda line: line["id"])
def test_currency_is_issued_as_the_known_answers_say(line: dict[str, Any], tmp_path: Path) -> None:
    path = key_file(tmp_path / "vending.json", line)
    service = ("electricity", "water", "gas", "time")[line["subclass"] - 4]
    sign = "-" if line["value_1e5"] < 0 else ""
    whole, part = divmod(abs(line["value_1e5"]), 100_000)
    said = answer(
        "issue",
        "currency",
        f"--value={sign}{whole}.{part:05d}",
        *("--service", service, "--token-id", str(line["tid"]), "--key-file", path),
    )
    assert said["token"] == line["token"]


_KIND_BY_SUBCLASS = {
    0: "power-limit",
    1: "clear-credit",
    2: "tariff-rate",
    5: "clear-tamper",
    6: "phase-unbalance-limit",
    7: "water-factor",
    10: "extended-control",
}


@pytest.mark.parametrize("line", of_kind("management_token"), ids=lambda line: line["id"])
def test_management_is_issued_as_the_known_answers_say(line: dict[str, Any], tmp_path: Path) -> None:
    path = key_file(tmp_path / "vending.json", line)
    kind, value = _KIND_BY_SUBCLASS[line["subclass"]], line["value"]
    arguments = ["--token-id", str(line["tid"]), "--random", str(line["random"]), "--key-file", path]
    match kind:
        case "extended-control":
            arguments += ["--index", str(value >> 10), "--value", str(value & 0x3FF)]
        case "clear-credit":
            arguments += ["--value", "all" if value == 0xFFFF else str(value)]
        case "clear-tamper":
            pass
        case _:
            arguments += ["--value", str(value)]
    assert answer("issue", kind, *arguments)["token"] == line["token"]


@pytest.mark.parametrize("line", of_kind("key_change"), ids=lambda line: line["id"])
def test_a_key_change_is_made_as_the_known_answers_say(line: dict[str, Any], tmp_path: Path) -> None:
    old = key_file(tmp_path / "old.json", line["old"])
    new = key_file(tmp_path / "new.json", line["new"] | {"key_expiry": line["key_expiry"]})
    flags = ["--three-tokens"] if line["tokens_in_set"] == 3 else []
    said = answer("key-change", "--key-file", old, "--new-key-file", new, *flags)
    assert said["tokens"] == line["tokens"]
    assert said["roll_over"] is bool(line["roll_over"])
    if line["old"]["vending_key"] == line["new"]["vending_key"]:
        changed = line["new"]
        options = {
            "--new-key-type": changed["key_type"],
            "--new-supply-group": changed["supply_group_code"],
            "--new-tariff-index": changed["tariff_index"],
            "--new-key-revision": changed["key_revision"],
            "--new-base-date": changed["base_date"],
            "--new-key-expiry": line["key_expiry"],
        }
        words = [word for name, value in options.items() for word in (name, str(value))]
        assert answer("key-change", "--key-file", old, *words, *flags)["tokens"] == line["tokens"]


def test_a_key_change_for_people_names_each_token_and_the_check_value(tmp_path: Path) -> None:
    old = key_file(tmp_path / "old.json", of_kind("key_change")[0]["old"])
    result = joy311("key-change", "--key-file", old, "--new-tariff-index", "05")
    assert result.exit_code == 0
    assert result.stdout.startswith("1 of 2   ")
    assert "new key check value" in result.stdout
    assert "the same base date" in result.stdout
    bare = key_file(tmp_path / "bare.key", STA_KEY)
    assert "the key lacks meter" in refused("key-change", "--key-file", bare, "--new-tariff-index", "05")


def test_the_test_tokens_are_those_of_the_known_answers() -> None:
    listed = answer("test-tokens")
    assert [row["test"] for row in listed] == [0, *METER_TESTS]
    known = {(line["subclass"], line["control"]): line["token"] for line in of_kind("test_token")}
    for row in listed:
        for subclass, name, bits in ((0, "2_digit_manufacturer", 36), (1, "4_digit_manufacturer", 28)):
            control = (1 << bits) - 1 if not row["test"] else 1 << row["test"] - 1
            assert row[name] == known[subclass, control]
    shown = joy311("test-tokens", "--manufacturer-digits", "4").stdout
    assert "0230 5843 0050 5295 1967" in shown
    assert "5649" not in shown
    assert "2 or 4 digits, not 3" in refused("test-tokens", "--manufacturer-digits", "3")


def test_a_token_without_a_time_is_issued_now(sta_key: str) -> None:
    now = answer("issue", "credit", "--value", "5", "--base-date", "2014", "--key-file", sta_key)
    later = answer("issue", "credit", "--value", "5", "--base-date", "2014", "--key-file", sta_key)
    assert 0 <= later["token_id"]["value"] - now["token_id"]["value"] <= 2
    assert "needs the key's base date" in refused("issue", "credit", "--value", "5", "--key-file", sta_key)
    at = answer(
        *("issue", "credit", "--value", "25.04", "--base-date", "2014", "--key-file", sta_key),
        *("--time", "2026-03-01T13:55", "--random", "7"),
    )
    assert at["token_id"]["times"]["2014"] == "2026-03-01T13:55:00Z"
    assert at["amount"]["value"] == "25.1"
    special = answer(
        *("issue", "credit", "--value", "5", "--base-date", "2014", "--key-file", sta_key),
        *("--time", "2026-03-01", "--special-reserved"),
    )
    assert special["token_id"]["times"]["2014"] == "2026-03-01T00:01:00Z"
    shown = joy311(
        *("issue", "credit", "--value", "25.04", "--base-date", "2014", "--key-file", sta_key),
        *("--time", "2026-03-01T13:55", "--random", "7"),
    ).stdout
    assert (
        "credit of electricity, 25.1 kWh; random 7; token identifier 6397315: 2026-03-01 13:55 from 2014"
        in shown
    )


def test_the_key_comes_from_standard_input_too() -> None:
    assert answer("decode", DIGITS, "--key-stdin", stdin=f"{STA_KEY}\n")["values"]["token_id"] == 5871715
    assert "not an even number" in refused("decode", DIGITS, "--key-stdin", stdin="nonsense")


def test_no_option_takes_a_key(tmp_path: Path) -> None:
    for command in ("issue", "decode", "explain", "key-change"):
        names = joy311(command, "--help").stdout
        assert "--key-file" in names
        assert "--key-stdin" in names
        assert "--vending-key" not in names
        assert "--decoder-key" not in names


def test_a_key_that_others_can_read_is_warned_of(sta_key: str) -> None:
    Path(sta_key).chmod(0o644)
    result = joy311("decode", DIGITS, "--key-file", sta_key)
    assert result.exit_code == 0
    assert result.stderr == f"joy311: warning: others can read the key in {sta_key}: chmod 600 {sta_key}\n"
    Path(sta_key).chmod(0o600)
    assert joy311("decode", DIGITS, "--key-file", sta_key).stderr == ""


def test_a_token_that_fails_ends_with_1_and_a_text_that_is_none_with_2(sta_key: str) -> None:
    wrong = answer("decode", DIGITS[:-1] + "8", "--key-file", sta_key, code=1)
    assert wrong["result"] == TokenResult.CRC_ERROR.standard_name
    assert "kind" not in wrong
    for text, line in (
        ("123", "a token has 20 digits, not 3"),
        ("letters", "a token holds only the digits 0 to 9"),
        ("9" * 20, "a token is a number from 0 to 73786976294838206463"),
    ):
        for command in ("decode", "explain"):
            assert line in refused(command, text, "--key-file", sta_key)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--value", "x"), "is not a decimal number"),
        (("--value", "1e5"), "is not a decimal number"),
        (("--value=-1",), "outside 0 to 18201624"),
        (("--value", "1820162.5"), "outside 0 to 18201624"),
        ((), "credit needs a --value"),
        (("--value", "1", "--index", "3"), "has an --index"),
        (("--value", "1", "--random", "16"), "random"),
        (("--value", "1", "--time", "2026-03-01"), "--token-id stands alone"),
    ],
)
def test_what_cannot_be_issued_says_why(arguments: tuple[str, ...], line: str, sta_key: str) -> None:
    assert line in refused("issue", "credit", "--token-id", "7", "--key-file", sta_key, *arguments)


def test_credit_is_not_issued_under_a_default_key_nor_beyond_its_expiry(tmp_path: Path) -> None:
    line = next(line for line in of_kind("management_token") if line["key_type"] == 1)
    path = key_file(tmp_path / "default.json", line)
    assert "not permitted under a DDTK" in refused(
        "issue", "credit", "--value", "1", "--token-id", "7", "--key-file", path, code=1
    )
    assert "beyond the key expiry number 3" in refused(
        *("issue", "power-limit", "--value", "1", "--token-id", str(4 << 16), "--key-expiry", "3"),
        *("--key-file", path),
        code=1,
    )


def test_files_that_are_not_there_or_hold_no_text_end_in_one_line(tmp_path: Path) -> None:
    nowhere, noise = str(tmp_path / "nowhere"), tmp_path / "noise"
    noise.write_bytes(bytes(range(256)))
    assert "cannot be read: No such file" in refused("decode", DIGITS, "--key-file", nowhere)
    assert "cannot be read: Is a directory" in refused("decode", DIGITS, "--key-file", str(tmp_path))
    noise.chmod(0o600)
    assert "is not a text" in refused("decode", DIGITS, "--key-file", str(noise))
    assert "cannot be read: No such file" in refused("check", nowhere)
    assert "either --key-file or --key-stdin" in refused(
        "decode", DIGITS, "--key-file", str(noise), "--key-stdin", stdin=STA_KEY
    )


def test_the_known_answers_of_the_repository_agree() -> None:
    said = answer("check", str(VECTORS))
    assert (said["passed"], said["failed"], said["failures"]) == (len(LINES), 0, [])
    assert set(said["by_kind"]) == set(KINDS)
    assert said["by_kind"]["credit_token"] == {"passed": 24, "failed": 0}
    shown = joy311("check", str(VECTORS))
    assert shown.exit_code == 0
    assert shown.stdout.splitlines()[-1].split() == ["all", str(len(LINES)), "0"]


def test_answers_that_disagree_are_named_and_end_with_1(tmp_path: Path) -> None:
    file = tmp_path / "mine.jsonl"
    bad = of_kind("amount")[0] | {"encoded": 5, "id": "mine-2"}
    lines = [json.dumps(of_kind("crc")[0]), json.dumps(bad), "{oh", '{"kind": "riddle"}', ""]
    file.write_text("\n".join(lines), "utf-8")
    said = answer("check", str(file), code=1)
    assert (said["passed"], said["failed"]) == (1, 3)
    assert [(failure["line"], failure["id"], failure["kind"]) for failure in said["failures"]] == [
        (2, "mine-2", "amount"),
        (3, "", "unreadable"),
        (4, "", "riddle"),
    ]
    shown = joy311("check", str(file))
    assert shown.exit_code == 1
    assert "line 2 mine-2: the encoded amount is 0 here, and 5 in the line" in shown.stdout
    file.write_text("\n" + "{\n" * 50, "utf-8")
    assert "and 30 more: --json lists them all" in joy311("check", str(file)).stdout
    file.write_text("\n", "utf-8")
    assert "holds no known answers" in refused("check", str(file))


def test_a_program_calls_it_and_no_process_list_shows_the_key() -> None:
    command = [sys.executable, "-m", "joy311", "token", "decode", DIGITS, "--key-stdin", "--json"]
    result = subprocess.run(command, input=STA_KEY, capture_output=True, text=True, check=True)
    assert json.loads(result.stdout)["values"]["units"] == 1
    assert result.stderr == ""
    assert STA_KEY not in " ".join(command)

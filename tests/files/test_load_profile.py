from __future__ import annotations

import gzip
import hashlib
import math
import os
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joy311.errors import InvalidInput
from joy311.files import EnergyUnit, LoadProfile, read_load_profile
from joy311.files.load_profile import MAX_BAD_ROWS_NAMED, MAX_LINE_BYTES
from joy311.instant import HOUR_NS, MINUTE_NS, from_iso

LIMIT_W = 69_000
Read = Callable[..., LoadProfile]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def read_text(content: str | bytes, name: str = "load.csv", **options: object) -> LoadProfile:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_load_profile(path, limit_w=LIMIT_W, **options)  # type: ignore[arg-type]

    return read_text


def hours(*values: str, header: str = "time,kWh") -> str:
    start = datetime(2024, 3, 1, tzinfo=UTC)
    rows = [f"{(start + timedelta(hours=n)).isoformat()},{value}" for n, value in enumerate(values)]
    return "\n".join([header, *rows]) + "\n"


def complaint(read: Read, content: str | bytes, **options: object) -> str:
    with pytest.raises(InvalidInput) as caught:
        read(content, **options)
    return str(caught.value)


def test_a_plain_file_gives_its_energies(read: Read) -> None:
    profile = read(hours("0.1", "0.25", "2"))
    assert list(profile.energies_wh()) == [100, 250, 2000]
    assert profile.energy_wh == 2350
    assert profile.start_ns == from_iso("2024-03-01T00:00:00Z")
    assert (profile.interval_ns, profile.intervals) == (HOUR_NS, 3)
    assert profile.end_ns == profile.start_ns + 3 * HOUR_NS
    assert profile.name == "load.csv"
    assert profile.sha256 == hashlib.sha256(profile.path.read_bytes()).hexdigest()


def test_a_value_never_passes_through_a_float(read: Read) -> None:
    profile = read(hours("0.17099999999999999", "0.00000000000000001", "0"))
    assert list(profile.energies_wh()) == [170, 1, 0]


def test_parts_below_a_watt_hour_are_carried_on(read: Read) -> None:
    profile = read(hours(*["0.0004"] * 10))
    assert list(profile.energies_wh()) == [0, 0, 1, 0, 1, 0, 0, 1, 0, 1]


@pytest.mark.parametrize(
    ("text", "energy_wh"),
    [("1e-3", 1), ("1.5E+0", 1500), (".5", 500), ("2.", 2000), ("+0.3", 300), ("-0.0", 0), ("0e9999", 0)],
)
def test_decimal_text_may_be_written_in_any_usual_way(read: Read, text: str, energy_wh: int) -> None:
    assert list(read(hours(text, "0")).energies_wh()) == [energy_wh, 0]


@pytest.mark.parametrize(
    ("header", "value", "unit", "energy_wh"),
    [
        ("time,kWh", "0.5", EnergyUnit.KWH, 500),
        ("Timestamp,energy_kwh", "0.5", EnergyUnit.KWH, 500),
        ("start,Wh", "500", EnergyUnit.WH, 500),
        ("datetime,load [W]", "500", EnergyUnit.W, 500),
        ("Start (UTC),Power (W)", "500", EnergyUnit.W, 500),
        ("start_time, consumption (kWh) ", "0.5", EnergyUnit.KWH, 500),
    ],
)
def test_the_header_names_column_and_unit(
    read: Read, header: str, value: str, unit: EnergyUnit, energy_wh: int
) -> None:
    profile = read(hours(value, value, header=header))
    assert profile.unit is unit
    assert list(profile.energies_wh()) == [energy_wh, energy_wh]


def test_watts_over_short_intervals_are_carried_exactly(read: Read) -> None:
    rows = "".join(f"2024-03-01 00:{minute:02d},100\n" for minute in range(60))
    profile = read("time,W\n" + rows)
    assert profile.interval_ns == MINUTE_NS
    energies = list(profile.energies_wh())
    assert energies[:6] == [1, 2, 2, 1, 2, 2]
    assert sum(energies) == 100


def test_columns_may_be_named_by_the_caller(read: Read) -> None:
    content = hours("0.5", "0.25", header="start,value")
    named = read(content, time_column="start", value_column="value", unit=EnergyUnit.KWH)
    assert list(named.energies_wh()) == [500, 250]
    assert list(read(content, unit=EnergyUnit.WH).energies_wh()) == [0, 0]


@pytest.mark.parametrize("header", ["start,value", "time,energy_mwh", "time,load_kw", "a,b", "time", ""])
def test_a_header_without_a_value_column_is_named(read: Read, header: str) -> None:
    message = complaint(read, hours("1", "2", header=header))
    assert header.partition(",")[0] in message
    assert "kWh, Wh or W" in message


@pytest.mark.parametrize("header", ["time,kWh,W", "time,kwh,kWh", "date,time,kWh"])
def test_an_ambiguous_header_is_refused(read: Read, header: str) -> None:
    assert "more than one" in complaint(read, header + "\n2024-03-01,1,2\n")


def test_a_column_that_is_not_there_is_named(read: Read) -> None:
    assert "'power'" in complaint(read, hours("1", "2"), value_column="power")
    assert "'when'" in complaint(read, hours("1", "2"), time_column="when")


def test_a_named_column_without_a_unit_asks_for_it(read: Read) -> None:
    message = complaint(read, hours("1", "2", header="start,value"), value_column="value")
    assert "'value' does not end in kWh, Wh or W" in message


def test_time_and_value_must_be_two_columns(read: Read) -> None:
    message = complaint(read, hours("1", "2"), time_column="kWh", value_column="kWh")
    assert "cannot be both" in message


@pytest.mark.parametrize("name", ["kwh", " KWH ", "kWh"])
def test_a_unit_is_read_in_any_case(name: str) -> None:
    assert EnergyUnit.parse(name) is EnergyUnit.KWH


def test_an_unknown_unit_is_refused() -> None:
    with pytest.raises(InvalidInput, match="'MWh' is not one of kWh, Wh, W"):
        EnergyUnit.parse("MWh")


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("packed", [False, True])
def test_delimiters_line_ends_mark_and_gzip_make_no_difference(
    read: Read, delimiter: str, ending: str, mark: str, packed: bool
) -> None:
    text = mark + hours("0.5", "0.25").replace(",", delimiter).replace("\n", ending)
    content = gzip.compress(text.encode()) if packed else text.encode()
    profile = read(content, "load.csv.gz" if packed else "load.csv")
    assert list(profile.energies_wh()) == [500, 250]


def test_empty_lines_are_passed_over_and_still_counted(read: Read) -> None:
    text = "\n\n" + hours("0.5", "0.25").replace("kWh\n", "kWh\n\n") + "\n\n"
    assert list(read(text).energies_wh()) == [500, 250]
    assert "line 6: 'x'" in complaint(read, text.replace("0.25", "x"))


def test_quoted_cells_and_further_columns_are_fine(read: Read) -> None:
    text = 'time,kWh,note\n2024-03-01 00:00,"0.5","a, b"\n2024-03-01 01:00,0.25,\n'
    assert list(read(text).energies_wh()) == [500, 250]


@pytest.mark.parametrize(
    ("first", "second", "interval_min"),
    [
        ("2024-03-01T00:00:00Z", "2024-03-01T00:01:00Z", 1),
        ("2024-03-01 00:00", "2024-03-01 00:30", 30),
        ("2024-03-01T00:00:00+02:00", "2024-03-01T02:00:00+02:00", 120),
        ("2024-03-01", "2024-03-02", 1440),
    ],
)
def test_intervals_come_from_the_times(read: Read, first: str, second: str, interval_min: int) -> None:
    profile = read(f"time,kWh\n{first},0.1\n{second},0.1\n")
    assert profile.interval_ns == interval_min * MINUTE_NS


@pytest.mark.parametrize(
    ("first", "second", "span"),
    [
        ("2024-03-01T00:00:00", "2024-03-01T00:00:30", "30 s"),
        ("2024-03-01T00:00:00", "2024-03-01T00:01:30", "90 s"),
        ("2024-03-01", "2024-03-03", "48 h"),
    ],
)
def test_intervals_of_no_use_are_named(read: Read, first: str, second: str, span: str) -> None:
    assert f"intervals of {span}" in complaint(read, f"time,kWh\n{first},0.1\n{second},0.1\n")


def test_all_bad_rows_are_named_in_one_message(read: Read) -> None:
    lines = hours(*["0.1"] * 16).splitlines()
    lines[2] = lines[2].replace(",0.1", ",")
    lines[3] = lines[3].replace(",0.1", ",-0.1")
    lines[4] = lines[4].replace(",0.1", ",abc")
    lines[5] = lines[5].replace(",0.1", ",inf")
    lines[6] = lines[6].replace(",0.1", ",NaN")
    lines[7] = lines[7].replace(",0.1", ",0.1,9")
    lines[8] = "yesterday,0.1"
    lines[9] = ",0.1"
    lines[10] = lines[10].replace(",0.1", ",0,1")
    lines[11] = lines[11].replace(",0.1", ",70")
    lines[12] = lines[12].replace(",0.1", ",1_0")
    message = complaint(read, "\n".join(lines))
    for expected in (
        "11 bad rows",
        "line 3: the value is empty",
        "line 4: '-0.1' is negative",
        "line 5: 'abc' is not a decimal number",
        "line 6: 'inf' is not a decimal number",
        "line 7: 'NaN' is not a decimal number",
        "line 8: 3 cells where the header has 2",
        "line 9: 'yesterday' is not an ISO 8601 time",
        "line 10: the time is empty",
        "line 11: 3 cells where the header has 2",
        "line 12: '70' kWh in 1 h is more than a mean of 69000 W",
        "line 13: '1_0' is not a decimal number",
    ):
        assert expected in message
    for good in (2, 14, 15, 16, 17):
        assert f"line {good}:" not in message


@pytest.mark.parametrize(
    ("hours_of_day", "expected"),
    [
        (
            [0, 1, 3, 4],
            "1 bad row: line 4: the time 2024-03-01T03:00:00Z comes 2 h after the row before, not 1 h",
        ),
        ([0, 1, 1, 2, 3], "1 bad row: line 4: the time 2024-03-01T01:00:00Z is a repeat"),
        ([0, 1, 2, 0, 4, 5], "1 bad row: line 5: the time 2024-03-01T00:00:00Z goes back by 2 h"),
        ([0, 1, 2, 0, 3, 4], "1 bad row: line 5"),
        ([3, 2, 1, 0], "at least two with rising times"),
    ],
)
def test_times_that_are_not_even_are_named_once(read: Read, hours_of_day: list[int], expected: str) -> None:
    rows = "".join(f"2024-03-01 {hour:02d}:00,0.1\n" for hour in hours_of_day)
    assert expected in complaint(read, "time,kWh\n" + rows)


def test_a_row_off_the_grid_is_named(read: Read) -> None:
    text = hours(*["0.1"] * 5).replace("T02:00:00", "T02:07:00")
    message = complaint(read, text)
    assert "line 4: the time 2024-03-01T02:07:00Z comes 67 min after" in message
    assert "line 5: the time 2024-03-01T03:00:00Z comes 53 min after" in message


def test_zones_must_not_come_and_go(read: Read) -> None:
    text = hours("0.1", "0.1", "0.1").replace("T02:00:00+00:00", "T02:00:00")
    assert "line 4: the time has no zone, unlike the rows before" in complaint(read, text)


def test_a_clock_change_told_with_zones_is_even(read: Read) -> None:
    rows = ["2024-03-31T00:30:00+00:00", "2024-03-31T02:30:00+01:00", "2024-03-31T03:30:00+01:00"]
    assert read("time,kWh\n" + "".join(f"{row},0.1\n" for row in rows)).intervals == 3


def test_bad_rows_without_end_are_counted_not_listed(read: Read) -> None:
    message = complaint(read, hours("0.1", "0.1", *["x"] * 1000))
    assert "1000 bad rows" in message
    assert message.count("line ") == MAX_BAD_ROWS_NAMED
    assert message.endswith(f"; and {1000 - MAX_BAD_ROWS_NAMED} more")
    assert len(message) < 2000


@pytest.mark.parametrize("year", ["0001", "1969", "9999"])
def test_a_time_out_of_reason_is_named(read: Read, year: str) -> None:
    message = complaint(read, hours("0.1", "0.1", "0.1") + f"{year}-01-01T00:00:00+14:00,0.1\n")
    assert f"line 5: the time '{year}-01-01T00:00:00+14:00' is not in the years 1970 to 2199" in message


@pytest.mark.parametrize(
    "value", ["1e999", "9" * 79, "1e-61", "0." + "0" * 90 + "1", "1e99999", "١", "1 2", "0x10", "1,5", "--1"]
)
def test_a_hostile_number_is_named_and_shown_short(read: Read, value: str) -> None:
    message = complaint(read, hours("0.1", "0.1", f'"{value}"'))
    assert "line 4: " in message
    assert len(message) < 200


@pytest.mark.parametrize("content", ["", "\n\n", "time,kWh\n", "time,kWh\n2024-03-01,1\n"])
def test_a_file_with_too_little_in_it_is_refused(read: Read, content: str) -> None:
    assert complaint(read, content)


def test_a_file_whose_only_rows_are_bad_names_them(read: Read) -> None:
    assert "line 2: 'x' is not an ISO 8601 time" in complaint(read, "time,kWh\nx,1\n")


def test_a_torn_gzip_file_is_refused(read: Read) -> None:
    packed = gzip.compress(hours(*["0.1"] * 500).encode())
    assert "not a whole gzip file" in complaint(read, packed[: len(packed) // 2])
    assert "not a whole gzip file" in complaint(read, packed[:12] + b"\xff" * 40 + packed[52:])


def test_bytes_that_are_not_text_are_refused(read: Read) -> None:
    assert "UTF-16" in complaint(read, hours("0.1", "0.1").encode("utf-16"))
    assert complaint(read, bytes(range(256)) * 20)
    assert "line 3: " in complaint(read, hours("0.1", "\x00").encode())
    assert "line 3: '\ufffd1' is not a decimal number" in complaint(
        read, hours("0.1", "@1").encode().replace(b"@", b"\xff")
    )


def test_a_line_without_end_is_refused(read: Read) -> None:
    assert f"line 2 is longer than {MAX_LINE_BYTES:,} bytes" in complaint(
        read, b"time,kWh\n" + b"1" * (2 * MAX_LINE_BYTES)
    )


def test_a_quote_that_never_closes_is_refused(read: Read) -> None:
    text = 'time,kWh\n2024-03-01 00:00,"0.5\n' + "2024-03-01 01:00,0.25\n" * 8000
    assert "line 2 is not CSV" in complaint(read, text)


def test_a_missing_file_a_folder_and_a_pipe_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    for name, said in (
        ("none.csv", "there is no file"),
        (".", "not a regular file"),
        ("pipe.csv", "not a regular file"),
    ):
        with pytest.raises(InvalidInput, match=said):
            read_load_profile(tmp_path / name, limit_w=LIMIT_W)


@pytest.mark.parametrize("packed", [False, True])
def test_what_was_checked_is_given_out_whatever_becomes_of_the_file(read: Read, packed: bool) -> None:
    text = hours("0.1", "0.2", "0.3").encode()
    content = gzip.compress(text) if packed else text
    profile = read(content)
    profile.path.write_bytes(content.replace(b"0.2", b"9.9"))
    assert list(profile.energies_wh()) == list(profile.energies_wh()) == [100, 200, 300]
    assert profile.sha256 == hashlib.sha256(content).hexdigest()
    profile.path.unlink()
    assert sum(profile.energies_wh()) == profile.energy_wh


def test_decimals_may_come_and_go(read: Read) -> None:
    profile = read(hours("1", "0.0009", "1e-60", "2.0001", "1E1", "3"))
    assert list(profile.energies_wh()) == [1000, 0, 0, 2001, 10_000, 3000]


decimals = st.decimals(min_value=0, max_value=60, places=20, allow_nan=False, allow_infinity=False)


@settings(max_examples=60, deadline=None)
@given(
    values=st.lists(decimals, min_size=2, max_size=20),
    unit=st.sampled_from(list(EnergyUnit)),
    minutes=st.sampled_from([1, 5, 7, 15, 30, 60, 120, 1440]),
)
def test_whole_watt_hours_keep_the_exact_sum(
    tmp_path_factory: pytest.TempPathFactory, values: list[Decimal], unit: EnergyUnit, minutes: int
) -> None:
    start = datetime(2024, 3, 1, tzinfo=UTC)
    path = tmp_path_factory.mktemp("profile") / "load.csv"
    rows = [
        f"{(start + timedelta(minutes=n * minutes)).isoformat()},{value}" for n, value in enumerate(values)
    ]
    path.write_text("\n".join([f"time,{unit}", *rows]))
    profile = read_load_profile(path, limit_w=10**9)
    wh_per_value = {
        EnergyUnit.KWH: Fraction(1000),
        EnergyUnit.WH: Fraction(1),
        EnergyUnit.W: Fraction(minutes, 60),
    }[unit]
    exact = Fraction(0)
    given_out = 0
    for value, energy_wh in zip(values, profile.energies_wh(), strict=True):
        exact += Fraction(value) * wh_per_value
        given_out += energy_wh
        assert given_out == math.floor(exact)
    assert profile.energy_wh == given_out


@settings(max_examples=150, deadline=None)
@given(
    content=st.one_of(
        st.binary(max_size=300), st.text(alphabet="time,kWh0123456789-:.\n\"';\tT +eE", max_size=300)
    )
)
def test_whatever_the_file_holds_it_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, content: bytes | str
) -> None:
    path = tmp_path_factory.mktemp("profile") / "load.csv"
    head = b"time,kWh\n2024-03-01 00:00,1\n2024-03-01 01:00,1\n"
    path.write_bytes(head + (content if isinstance(content, bytes) else content.encode()))
    with suppress(InvalidInput):
        profile = read_load_profile(path, limit_w=LIMIT_W)
        assert sum(profile.energies_wh()) == profile.energy_wh

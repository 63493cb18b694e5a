"""Every line of the data sheet has a row in docs/compliance.md, and what a row names exists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
STATES = {"done", "begun", "not yet", "declared"}

DATA_SHEET = """
Integrated or split solution for kWh measurement and prepayment
Residential, commercial and light industrial environments
Credit and management data from a point of sale by a 20-digit STS token
Token entered by keypad
Meter or CIU inside the house, within the customer's reach
Keypad with audible and text feedback
STS compliant
Adjustable audio and visual low credit warning level
Terminal cover detection
Reliable three in one relay in controlling the power supply
Over-load protection
Significant Reverse Energy (SRE) detection
No-load protection
Magnetic interference detection
Enlarged LCD
Easy switch between prepayment and post-payment option
Wide working voltage range from 120 to 240V
Automatic diagnosis of relay fault, memory devices fault, etc.
Optional configuration with integrated or split (2-wire or PLC)
Nominal Voltage 3x120/220/230/240V
Operating Range 70% to 130% of Un
Frequency Range 50/60Hz
Base Current (Ib) 5A/10A
Max Current (Imax) 100A
Pulse Constant 1000 imp/kWh
Accuracy Class 1
Starting Current 4‰Ib
Max Withstand Voltage 450V (48hr)
Insulation Level 4kV rms for 1 minute
Voltage Circuit ≤2W/10VA
Current Circuit ≤1.0VA@Ib
Electrostatic Discharge 16kV air discharge; 10kV contact discharge
Immunity to Fast Transient Burst 4kV
Surge Immunity 4kV or 6kV alternative
CIU Types JOYU3 (2-wire), JOYU1 (PLC)
Maximum Cable Size Φ9.5 mm
LCD 8 digits+icons+2 digits (index)
LCD Size: 87mm x 34mm
Pulse LED: 1000 imp/kWh
Credit LED: low credit alarm with blinking
Communication LED
Buzzer: feedback on key press
Buzzer: token accept or reject
Buzzer: low credit alarm with beeps
Communication 2-wire or PLC
Communication distance: over 200m
Installation indoor or outdoor wall-mounted
CIU optional
Weight (without CIU) 1900g
Operating Temperature -30~60℃
Storage Temperature -40~70℃
Relative Humidity 95%; annual mean 75%
IP Rating IP 54
IEC 62052-11
IEC 62053-21
IEC 62055-31
IEC 62055-41
IEC 62056-21
""".strip().splitlines()


def rows(document: str) -> Iterator[tuple[str, str, str, str]]:
    """Yield the cells of every row: line of the data sheet, modules, tests, state."""
    for line in document.splitlines():
        if line.startswith("| ") and not line.startswith(("| data sheet |", "| ---")):
            label, modules, tests, state = (cell.strip() for cell in line.strip("|").split("|"))
            yield label, modules, tests, state


def complaints(label: str, modules: str, tests: str, state: str) -> list[str]:
    """Return what is wrong with a row: a state that is none, a name too few or many, a path to nowhere."""
    word, _, reservation = state.partition(": ")
    found = []
    if word not in STATES or (word == "begun") != bool(reservation):
        found.append(f"{label}: {state!r} is no state, or a beginning that does not say what is there")
    for cell, home in ((modules, "src/joy311/"), (tests, "tests/")):
        paths = re.findall(r"`([^`]+)`", cell)
        if bool(paths) != (word in {"done", "begun"}):
            found.append(f"{label}: {state!r} does not go with {cell!r}")
        for path in paths:
            file, _, test = path.partition("::")
            if not file.startswith(home) or not (ROOT / file).exists():
                found.append(f"{label}: there is no {file}")
            elif test and f"def {test}(" not in (ROOT / file).read_text(encoding="utf-8"):
                found.append(f"{label}: there is no {test} in {file}")
    return found


def _document() -> str:
    return (ROOT / "docs" / "compliance.md").read_text(encoding="utf-8")


def test_every_line_of_the_data_sheet_has_its_row() -> None:
    assert [label for label, _, _, _ in rows(_document())] == DATA_SHEET


def test_what_a_row_names_exists() -> None:
    assert [complaint for row in rows(_document()) for complaint in complaints(*row)] == []


@pytest.mark.parametrize(
    "row",
    [
        "| Enlarged LCD | `src/joy311/panel/nowhere.py` | `tests/panel/test_screen.py` | done |",
        "| Enlarged LCD | `src/joy311/panel/screen.py` | `tests/panel/test_screen.py::test_nothing` | done |",
        "| Enlarged LCD | `src/joy311/panel/screen.py` | - | done |",
        "| Enlarged LCD | - | - | done |",
        "| Enlarged LCD | `src/joy311/panel/screen.py` | `tests/panel/test_screen.py` | not yet |",
        "| Enlarged LCD | `src/joy311/panel/screen.py` | `tests/panel/test_screen.py` | begun |",
        "| Enlarged LCD | - | - | perhaps |",
    ],
)
def test_a_row_that_promises_too_much_is_found(row: str) -> None:
    (cells,) = rows(row)
    assert complaints(*cells) != []

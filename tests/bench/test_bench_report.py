"""The report: data that anybody can read, a page that needs nothing else, and paper."""

from __future__ import annotations

import functools
import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from joy311.bench.devices import PlainMeter
from joy311.bench.figures import charts_of, report_pdf
from joy311.bench.findings import as_json, findings
from joy311.bench.report import report_html
from joy311.bench.type_test import TypeTest, run_type_test
from joy311.bench.wording import number_text, value_text
from tests.bench.test_type_test import RATINGS


@functools.cache
def passed_test() -> TypeTest:
    keys = ("balanced", "single-phase", "fifth-harmonic", "self-heating", "start-up", "voltage-circuits")
    return run_type_test(PlainMeter(RATINGS), RATINGS, 1, keys=keys)


@functools.cache
def failed_test() -> TypeTest:
    deaf = PlainMeter(RATINGS, name="<deaf> & dumb", gain_percent=(-99.99999,) * 3)
    keys = ("fifth-harmonic", "start-up", "balance-difference")
    return run_type_test(deaf, RATINGS, 3, keys=keys)


def test_the_data_has_what_was_promised() -> None:
    found = json.loads(as_json(findings(passed_test())))
    assert found["verdict"] == "pass"
    assert found["seed"] == 1
    for clause in found["clauses"]:
        assert {"clause", "title", "verdict", "limit", "worst", "points"} <= clause.keys()
        assert clause["verdict"] == "pass"
        assert clause["points"]
        for point in clause["points"]:
            assert {"label", "value", "low", "high", "pulses", "simulated_s", "fidelity"} <= point.keys()
    assert sum(clause["title"].startswith("Error with current") for clause in found["clauses"]) == 2


def test_the_same_test_gives_the_same_bytes() -> None:
    first, second = (run_type_test(PlainMeter(RATINGS), RATINGS, 1, keys=("start-up",)) for _ in range(2))
    assert as_json(findings(first)) == as_json(findings(second))


def test_what_never_came_is_null_and_said_so() -> None:
    found = findings(failed_test())
    as_json(found)
    start_up = next(clause for clause in found["clauses"] if clause["key"] == "start-up")
    assert found["verdict"] == start_up["verdict"] == "fail"
    assert start_up["worst"] is None
    assert value_text(None, "s") == "never"


class _Reader(HTMLParser):
    """Collects what a page fetches, and checks that its tags close."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in {"src", "srcset"} or (
                name in {"href", "xlink:href"} and not (value or "").startswith("#")
            ):
                self.fetched.append(f"{tag} {value}")
        if tag in {"div", "table", "details", "main", "svg", "header"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in {"div", "table", "details", "main", "svg", "header"}:
            assert self.open.pop() == tag


def read_page(found: dict[str, Any]) -> str:
    page = report_html(found, [(chart.title, chart.svg()) for chart in charts_of(found)])
    reader = _Reader()
    reader.feed(page)
    assert reader.open == []
    assert reader.fetched == []
    return page


def test_the_page_needs_nothing_else_and_has_every_point() -> None:
    found = findings(passed_test())
    page = read_page(found)
    assert page.count("<svg") == 3
    assert page.count('<td class="pass">pass</td>') == len(found["clauses"]) + sum(
        len(clause["points"]) for clause in found["clauses"]
    )
    assert not re.search(r"url\((?!#)", page)


def test_a_failed_meter_is_shown_and_its_name_is_harmless() -> None:
    page = read_page(findings(failed_test()))
    assert "FAIL" in page
    assert "<deaf>" not in page
    assert "&lt;deaf&gt; &amp; dumb" in page


def test_the_paper_is_a_pdf_and_the_same_each_time() -> None:
    found = findings(failed_test())
    paper = report_pdf(found)
    assert paper.startswith(b"%PDF-")
    assert paper == report_pdf(found)


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, "0"), (0.0512, "0.051"), (313.04, "313"), (0.0002, "0.0002"), (-2.0, "-2.000")]
)
def test_numbers_are_written_as_a_person_reads_them(value: float, text: str) -> None:
    assert number_text(value) == text

"""The checking of known answers itself: what agrees passes, and nothing else does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joy311.sts.known_answers import KINDS, UNREADABLE, check_known_answer, check_lines

VECTORS = Path(__file__).parents[1] / "vectors" / "sts.jsonl"
LINES: list[dict[str, Any]] = [json.loads(line) for line in VECTORS.read_text("utf-8").splitlines()]
BY_KIND = {line["kind"]: line for line in LINES}

PASSED_OVER = {"id", "kind", "source", "note"}


def decides(line: dict[str, Any], name: str) -> bool:
    """Return whether another value of a field must make the line fail."""
    match line["kind"], name:
        case ("damaged_token", "decoder_key" | "token") | ("malformed_token", "token"):
            # Another damage leaves the verdict as it is.
            return False
        case "identity", "drn" | "meter_pan":
            return bool(line["valid"])
        case _, "value" | "value_1e5":
            # The next value may be carried by the same field.
            return False
    return not isinstance(line[name], dict)


def altered(value: Any) -> Any:
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case str() if value and all(character in "0123456789abcdefABCDEF" for character in value):
            return value[:-1] + ("0" if value[-1] != "0" else "1")
        case str():
            return value + "x"
        case list():
            return value[::-1]
    return None


def test_every_known_answer_of_the_repository_agrees() -> None:
    with VECTORS.open("rb") as lines:
        report = check_lines(lines)
    assert report.failures == []
    assert report.passed == len(LINES)
    assert set(report.by_kind) == set(KINDS) == set(BY_KIND)


@pytest.mark.parametrize("line", LINES, ids=[line["id"] for line in LINES])
def test_a_line_with_a_field_altered_or_missing_fails(line: dict[str, Any]) -> None:
    kind = line["kind"]
    for name, value in line.items():
        if name in PASSED_OVER:
            continue
        missing = {other: line[other] for other in line if other != name}
        needed = not (kind == "identity" and name == "meter_pan" and not line["valid"])
        assert (check_known_answer(missing) is not None) is needed, name
        if not decides(line, name):
            continue
        reason = check_known_answer(line | {name: altered(value)})
        assert reason is not None, name
        assert len(reason) < 400


def test_a_reason_shows_no_key_and_no_whole_token() -> None:
    line = BY_KIND["credit_token"]
    for name in ("decoder_key", "vending_key", "token", "carried", "key_revision"):
        reason = check_known_answer(line | {name: altered(line[name])})
        assert reason is not None
        for secret in ("decoder_key", "vending_key", "token"):
            assert line[secret] not in reason
            assert str(altered(line[secret])) not in reason


def test_lines_that_are_no_known_answers_are_failures_with_their_number() -> None:
    lines = [b"\n", b"{", b"[]", b"7", b'{"id": "x"}', b'{"kind": 3}', b"\xff\xfe", b"[" * 100_000]
    lines += [b'{"id": "mine", "kind": "riddle"}', b'{"value": ' + b"9" * 5000 + b"}"]
    report = check_lines(lines)
    assert report.passed == 0
    assert report.by_kind == {UNREADABLE: (0, 8), "riddle": (0, 1)}
    assert [failure.line for failure in report.failures] == [2, 3, 4, 5, 6, 7, 8, 9, 10]
    assert "line 2 is not valid JSON" in report.failures[0].reason
    assert (report.failures[-2].id, report.failures[-2].kind) == ("mine", "riddle")
    assert "'riddle' is not known" in report.failures[-2].reason


def test_what_a_line_says_of_itself_cannot_upset_a_terminal() -> None:
    wild = {"id": "\x1b[2J\ud800", "kind": "\x07kind"}
    wrong = BY_KIND["damaged_token"] | {"id": "\ud800", "result": "\x1b[31m"}
    report = check_lines([json.dumps(wild).encode(), json.dumps(wrong).encode()])
    assert report.failed == 2
    for failure in report.failures:
        assert f"{failure.id}{failure.kind}{failure.reason}".isprintable()
        assert failure.reason.encode()


def test_one_bad_line_spoils_no_other() -> None:
    good = json.dumps(BY_KIND["crc"]).encode()
    report = check_lines([good, b"{", good, b'{"kind": "crc"}'])
    assert report.by_kind == {"crc": (2, 1), UNREADABLE: (0, 1)}
    assert (report.passed, report.failed) == (2, 2)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(
    st.sampled_from(LINES),
    st.dictionaries(st.sampled_from(sorted({n for x in LINES for n in x})), JSON, max_size=4),
)
def test_no_line_raises_whatever_its_fields_hold(line: dict[str, Any], wild: dict[str, Any]) -> None:
    reason = check_known_answer(line | wild)
    assert reason is None or reason


@given(
    st.sampled_from([line for line in LINES if line["kind"] == "key_change"]),
    st.sampled_from(["old", "new"]),
    st.data(),
)
def test_no_key_change_raises_whatever_its_parts_hold(
    line: dict[str, Any], side: str, data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(sorted(line[side])))
    reason = check_known_answer(line | {side: line[side] | {name: data.draw(JSON)}})
    assert reason is None or reason


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_no_bytes_raise(line: bytes) -> None:
    report = check_lines([line])
    assert report.passed == 0
    assert report.failed == (1 if line.strip() else 0)

"""The audit chain names what was done to it, and the nightly proof every counter that nobody answers for."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joy311.errors import InvalidInput
from joy311.vending.audit import (
    AuditFault,
    AuditFinding,
    AuditRoot,
    AuditRow,
    JournaledIssue,
    LedgerIssue,
    ProofFault,
    ProofFinding,
    Value,
    first_digest,
    prove_issues,
    row_digest,
    tokens_digest,
    verify_chain,
)

VENDOR, DAY = "kiosk 7", "2026-03-01"


def chain(count: int) -> tuple[AuditRoot, list[AuditRow]]:
    """Return a day of `count` rows and its root."""
    digest = first_digest(VENDOR, DAY)
    rows = []
    for sequence in range(1, count + 1):
        content: dict[str, Value] = {
            "what": "sale",
            "amount_minor": sequence * 100,
            "note": None,
            "copy": False,
        }
        digest = row_digest(digest, sequence, content)
        rows.append(AuditRow(sequence, content, digest))
    return AuditRoot(VENDOR, DAY, count, digest), rows


def findings(root: AuditRoot, rows: list[AuditRow], signature: bytes | None = b"ours") -> set[Any]:
    found = verify_chain(
        root, rows, signature=signature, is_signed=lambda content, mark: (content, mark) == (content, b"ours")
    )
    return {(finding.fault, finding.sequence) for finding in found}


def edited(row: AuditRow) -> AuditRow:
    return replace(row, content={**row.content, "amount_minor": 1})


def test_digests_are_what_they_were() -> None:
    # Held so that a chain written today is verified by a later version.
    start = hashlib.sha256(b'["joy311 audit",1,"V1","2026-03-01"]').hexdigest()
    row = hashlib.sha256(start.encode() + b'\n[1,{"a":1,"b":null}]').hexdigest()
    assert first_digest("V1", "2026-03-01") == start
    assert row_digest(start, 1, {"b": None, "a": 1}) == row


@pytest.mark.parametrize("count", [0, 1, 2, 7])
def test_an_untouched_day_has_no_findings(count: int) -> None:
    assert findings(*chain(count)) == set()


@pytest.mark.parametrize("place", range(5))
def test_an_edited_row_is_named_and_no_other(place: int) -> None:
    root, rows = chain(5)
    rows[place] = edited(rows[place])
    assert findings(root, rows) == {(AuditFault.EDITED, place + 1)}


@pytest.mark.parametrize("place", range(5))
def test_an_edited_row_with_a_new_digest_is_found_where_the_chain_breaks(place: int) -> None:
    root, rows = chain(5)
    previous = rows[place - 1].digest if place else first_digest(VENDOR, DAY)
    changed = edited(rows[place])
    rows[place] = replace(changed, digest=row_digest(previous, place + 1, changed.content))
    expected = (AuditFault.EDITED, place + 2) if place < 4 else (AuditFault.ROOT_DIFFERS, None)
    assert findings(root, rows) == {expected}


@pytest.mark.parametrize("place", range(5))
def test_a_missing_row_is_named(place: int) -> None:
    root, rows = chain(5)
    del rows[place]
    assert findings(root, rows) == {(AuditFault.MISSING, place + 1)}


def test_a_missing_row_whose_followers_were_counted_anew_is_found() -> None:
    root, rows = chain(5)
    shifted = [rows[0], rows[1], *(replace(row, sequence=row.sequence - 1) for row in rows[3:])]
    assert findings(root, shifted) == {
        (AuditFault.EDITED, 3),
        (AuditFault.EDITED, 4),
        (AuditFault.MISSING, 5),
    }


def test_an_added_row_is_named() -> None:
    root, rows = chain(5)
    rows.append(AuditRow(6, {"what": "free"}, row_digest(rows[-1].digest, 6, {"what": "free"})))
    assert findings(root, rows) == {(AuditFault.ADDED, 6)}


def test_a_moved_row_is_named() -> None:
    root, rows = chain(5)
    rows[1], rows[3] = rows[3], rows[1]
    assert (AuditFault.MOVED, 2) in findings(root, rows)
    root, rows = chain(5)
    swapped = [rows[0], replace(rows[2], sequence=2), replace(rows[1], sequence=3), *rows[3:]]
    assert {(AuditFault.EDITED, 2), (AuditFault.EDITED, 3)} <= findings(root, swapped)


def test_a_row_of_another_vendor_or_day_does_not_fit() -> None:
    root, rows = chain(1)
    assert findings(replace(root, vendor="kiosk 8"), rows) == {(AuditFault.EDITED, 1)}
    assert findings(replace(root, day="2026-03-02"), rows) == {(AuditFault.EDITED, 1)}


def test_a_chain_made_wholly_anew_differs_from_its_root() -> None:
    root, _ = chain(3)
    digest = first_digest(VENDOR, DAY)
    rows = []
    for sequence in range(1, 4):
        digest = row_digest(digest, sequence, {"what": "nothing"})
        rows.append(AuditRow(sequence, {"what": "nothing"}, digest))
    assert findings(root, rows) == {(AuditFault.ROOT_DIFFERS, None)}


@pytest.mark.parametrize("signature", [None, b"theirs"])
def test_a_root_without_the_modules_signature_is_named(signature: bytes | None) -> None:
    root, rows = chain(2)
    assert findings(root, rows, signature) == {(AuditFault.ROOT_UNSIGNED, None)}


@given(st.integers(2, 8), st.data())
def test_any_single_change_is_found(count: int, data: st.DataObject) -> None:
    root, rows = chain(count)
    place = data.draw(st.integers(0, count - 1))
    match data.draw(st.sampled_from(["edit", "remove", "double", "move", "digest", "sequence"])):
        case "edit":
            rows[place] = edited(rows[place])
        case "remove":
            del rows[place]
        case "double":
            rows.insert(place, rows[place])
        case "move":
            other = data.draw(st.integers(0, count - 1).filter(lambda to: to != place))
            rows.insert(other, rows.pop(place))
        case "digest":
            rows[place] = replace(rows[place], digest="0" * 64)
        case "sequence":
            other = data.draw(st.integers(1, count + 3).filter(lambda to: to != place + 1))
            rows[place] = replace(rows[place], sequence=other)
    assert findings(root, rows)


def test_what_has_no_one_written_form_is_no_audit_row() -> None:
    start = first_digest(VENDOR, DAY)
    for value in (1.5, b"x", [1], {"a": 1}):
        content: Any = {"value": value}
        with pytest.raises(InvalidInput):
            row_digest(start, 1, content)


@pytest.mark.parametrize(
    ("vendor", "day"),
    [("", DAY), ("x" * 65, DAY), ("ü", DAY), ("a\nb", DAY), (VENDOR, "2026-3-1"), (VENDOR, "2026-13-01"),
     (VENDOR, "20260301"), (VENDOR, "2026-03-00"), (VENDOR, "2026-03-01T00"), (VENDOR, "٢٠٢٦-03-01")],
)  # fmt: skip
def test_a_stream_that_is_none_is_refused(vendor: str, day: str) -> None:
    with pytest.raises(InvalidInput):
        first_digest(vendor, day)
    with pytest.raises(InvalidInput):
        AuditRoot(vendor, day, 0, "0" * 64)


@pytest.mark.parametrize("change", [{"rows": -1}, {"head": "0"}, {"head": "g" * 64}])
def test_a_root_that_is_none_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        replace(chain(1)[0], **change)


def issues(*counters: int) -> tuple[list[JournaledIssue], list[LedgerIssue]]:
    return (
        [JournaledIssue(counter, f"r{counter}", f"d{counter}") for counter in counters],
        [LedgerIssue(counter, f"r{counter}", f"d{counter}") for counter in counters],
    )


def test_a_journal_that_is_the_ledger_and_the_listed_orphans_is_proved() -> None:
    journal, ledger = issues(1, 2, 3, 4)
    assert list(prove_issues(journal, ledger, {})) == []
    assert list(prove_issues(journal, ledger[:1] + ledger[2:], {2: "r2"})) == []
    assert list(prove_issues([], [], {})) == []


def test_each_counter_that_is_not_accounted_for_is_named_with_its_request() -> None:
    journal, ledger = issues(1, 2, 3, 4, 5)
    ledger[2] = replace(ledger[2], digest="other")
    ledger[3] = replace(ledger[3], request_id="other")
    ledger += [LedgerIssue(9, "r9", "d9"), LedgerIssue(9, "r9", "d9")]
    ledger.insert(1, ledger[0])
    del ledger[2]
    found = list(prove_issues(journal, ledger, {5: "r5", 7: "r7"}))
    assert found == [
        ProofFinding(ProofFault.REPEATED, 1, "r1"),
        ProofFinding(ProofFault.ORPHAN_UNRESOLVED, 2, "r2"),
        ProofFinding(ProofFault.DIFFERENT, 3, "r3"),
        ProofFinding(ProofFault.DIFFERENT, 4, "other"),
        ProofFinding(ProofFault.NOT_AN_ORPHAN, 5, "r5"),
        ProofFinding(ProofFault.NEVER_ISSUED, 9, "r9"),
        ProofFinding(ProofFault.NEVER_ISSUED, 9, "r9"),
        ProofFinding(ProofFault.ORPHAN_NEVER_ISSUED, 7, "r7"),
    ]


def test_an_orphan_is_resolved_by_its_own_request_only() -> None:
    journal, ledger = issues(1, 2)
    assert list(prove_issues(journal, ledger[:1], {2: "another"})) == [
        ProofFinding(ProofFault.ORPHAN_DIFFERENT, 2, "another")
    ]


@pytest.mark.parametrize("counters", [(2, 1), (1, 1)])
def test_a_journal_that_does_not_rise_is_refused(counters: tuple[int, ...]) -> None:
    journal, _ = issues(*counters)
    with pytest.raises(InvalidInput, match="does not rise"):
        list(prove_issues(journal, [], {}))


@given(st.sets(st.integers(1, 30)), st.sets(st.integers(1, 30)), st.sets(st.integers(1, 30)))
def test_the_proof_agrees_with_sets(issued: set[int], booked: set[int], orphans: set[int]) -> None:
    journal, _ = issues(*sorted(issued))
    _, ledger = issues(*sorted(booked))
    listed = {counter: f"r{counter}" for counter in orphans}
    named = {finding.counter for finding in prove_issues(journal, ledger, listed)}
    accounted = (issued & booked) - orphans | (issued & orphans) - booked
    assert named == (issued | booked | orphans) - accounted


def test_a_findings_place_is_what_it_says() -> None:
    assert AuditFinding(AuditFault.EDITED, 3).fault.value == "edited"


def test_tokens_are_compared_by_digest() -> None:
    assert tokens_digest(["1" * 20]) != tokens_digest(["1" * 20, "2" * 20])
    assert tokens_digest(["1" * 20, "2" * 20]) != tokens_digest(["2" * 20, "1" * 20])

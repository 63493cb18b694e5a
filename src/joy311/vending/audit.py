"""The audit log as a hash chain for each vendor and day, and the two proofs that an auditor runs over it.

A row's digest covers its content and the digest before it; the day's root names how many rows there are and
the last digest, and is signed by the security module. Whoever edits, removes, adds or moves a row changes
what `verify_chain` finds, and names. Nothing here reads a clock, a file or a key.
"""

from __future__ import annotations

import hashlib
import heapq
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from joy311.errors import InvalidInput

FORMAT = 1
"""Version of what the digests are taken over."""

LARGEST_NAME = 64
"""Most characters of a vendor's name."""

Value = str | int | bool | None
"""What one field of an audit row may hold: no floating point, whose digits nobody agrees on."""


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One row of the log.

    Parameters
    ----------
    sequence : int
        Its place in its vendor's day, from 1.
    content : mapping of str to str, int, bool or None
        What happened.
    digest : str
        64 hexadecimal digits, as `row_digest` makes them.
    """

    sequence: int
    content: Mapping[str, Value]
    digest: str


@dataclass(frozen=True, slots=True)
class AuditRoot:
    """What one vendor's day comes to; the security module signs it once.

    Parameters
    ----------
    vendor : str
        The vendor, 1 to 64 printable ASCII characters.
    day : str
        The day in UTC, ``YYYY-MM-DD``.
    rows : int
        How many rows the day has.
    head : str
        Digest of the last of them, or of the day's beginning where it has none.

    Raises
    ------
    InvalidInput
        If a value has not that form.
    """

    vendor: str
    day: str
    rows: int
    head: str

    def __post_init__(self) -> None:
        """Refuse what cannot be a root."""
        _check_stream(self.vendor, self.day)
        if self.rows < 0:
            raise InvalidInput(f"an audit root has 0 rows or more, not {self.rows}", field="rows")
        if len(self.head) != 64 or set(self.head) - set("0123456789abcdef"):
            raise InvalidInput("the head of an audit root has 64 hexadecimal digits", field="head")

    def signed_bytes(self) -> bytes:
        """Return the bytes that a signature is made over."""
        return b"joy311 audit root\n" + _canonical([FORMAT, self.vendor, self.day, self.rows, self.head])


class AuditFault(StrEnum):
    """What `verify_chain` found at a place of the log."""

    EDITED = "edited"
    MISSING = "missing"
    MOVED = "moved"
    ADDED = "added"
    ROOT_DIFFERS = "root differs"
    ROOT_UNSIGNED = "root unsigned"


@dataclass(frozen=True, slots=True)
class AuditFinding:
    """One thing that is wrong with a vendor's day.

    Parameters
    ----------
    fault : AuditFault
        What it is.
    sequence : int or None
        The row that it is about; None where it is about the root.
    """

    fault: AuditFault
    sequence: int | None


def first_digest(vendor: str, day: str) -> str:
    """Return the digest from which the chain of `vendor`'s `day` begins.

    Raises
    ------
    InvalidInput
        If vendor or day have not the form that `AuditRoot` names.
    """
    _check_stream(vendor, day)
    return hashlib.sha256(_canonical(["joy311 audit", FORMAT, vendor, day])).hexdigest()


def row_digest(previous: str, sequence: int, content: Mapping[str, Value]) -> str:
    """Return the digest of a row.

    Parameters
    ----------
    previous : str
        Digest of the row before it, or `first_digest`.
    sequence : int
        Its place, from 1.
    content : mapping of str to str, int, bool or None
        What it says; the order of its fields does not matter.

    Raises
    ------
    InvalidInput
        If a field's value is of another kind.
    """
    for name, value in content.items():
        if not isinstance(value, str | int | None):
            raise InvalidInput(
                f"the audit field {name} holds a {type(value).__name__}; only text, integers, truth values "
                "and nothing have one written form",
                field=name,
            )
    return hashlib.sha256(
        previous.encode("ascii") + b"\n" + _canonical([sequence, dict(content)])
    ).hexdigest()


def verify_chain(
    root: AuditRoot,
    rows: Iterable[AuditRow],
    *,
    signature: bytes | None,
    is_signed: Callable[[bytes, bytes], bool],
) -> Iterator[AuditFinding]:
    """Yield what is wrong with one vendor's day, in the order of the log; nothing where all is well.

    Parameters
    ----------
    root : AuditRoot
        What the day came to.
    rows : iterable of AuditRow
        The day's rows as the log holds them now, in the log's order.
    signature : bytes or None
        The root's signature; None where there is none.
    is_signed : callable
        Takes the root's bytes and the signature and says whether it is the security module's.

    Notes
    -----
    After a fault the chain is taken up again from the digest that the row carries, so that one edited row is
    one finding, and not one for every row after it. A row whose digest was made anew to fit its edited
    content is found at the row after it, or at the root.
    """
    if signature is None or not is_signed(root.signed_bytes(), signature):
        yield AuditFinding(AuditFault.ROOT_UNSIGNED, None)
    previous = first_digest(root.vendor, root.day)
    expected = 1
    unbroken = True
    for row in rows:
        if row.sequence < expected:
            # A row that stands after a later one: its own place was named as missing when it was passed.
            yield AuditFinding(AuditFault.MOVED, row.sequence)
            continue
        for sequence in range(expected, min(row.sequence, root.rows + 1)):
            yield AuditFinding(AuditFault.MISSING, sequence)
        if row.sequence > root.rows:
            yield AuditFinding(AuditFault.ADDED, row.sequence)
            unbroken = False
        elif row.sequence == expected and row_digest(previous, row.sequence, row.content) != row.digest:
            yield AuditFinding(AuditFault.EDITED, row.sequence)
            unbroken = False
        elif row.sequence != expected:
            unbroken = False
        previous = row.digest
        expected = row.sequence + 1
    for sequence in range(expected, root.rows + 1):
        yield AuditFinding(AuditFault.MISSING, sequence)
        unbroken = False
    if unbroken and previous != root.head:
        yield AuditFinding(AuditFault.ROOT_DIFFERS, None)


@dataclass(frozen=True, slots=True)
class JournaledIssue:
    """One issue as the security module's journal has it.

    Parameters
    ----------
    counter : int
        The module's counter.
    request_id : str
        Who asked.
    digest : str
        `tokens_digest` of what was given out.
    """

    counter: int
    request_id: str
    digest: str


@dataclass(frozen=True, slots=True)
class LedgerIssue:
    """One issue as the shop's ledger has it; the fields are those of `JournaledIssue`."""

    counter: int
    request_id: str
    digest: str


class ProofFault(StrEnum):
    """What `prove_issues` found at a counter."""

    ORPHAN_UNRESOLVED = "issued, but neither in the ledger nor a listed orphan"
    NEVER_ISSUED = "in the ledger, but never issued"
    DIFFERENT = "issued and in the ledger, with another request or other tokens"
    REPEATED = "in the ledger twice"
    NOT_AN_ORPHAN = "a listed orphan that is in the ledger"
    ORPHAN_NEVER_ISSUED = "a listed orphan that was never issued"
    ORPHAN_DIFFERENT = "a listed orphan that was issued for another request"


@dataclass(frozen=True, slots=True)
class ProofFinding:
    """One counter at which journal and ledger do not agree.

    Parameters
    ----------
    fault : ProofFault
        How.
    counter : int
        The module's counter.
    request_id : str
        The request by which a person resolves it.
    """

    fault: ProofFault
    counter: int
    request_id: str


def prove_issues(
    journal: Iterable[JournaledIssue],
    ledger: Iterable[LedgerIssue],
    orphans: Mapping[int, str],
) -> Iterator[ProofFinding]:
    """Yield every counter at which the journal is not the ledger and the listed orphans; nothing where it is.

    Memory stays bounded however long both are: they are read side by side.

    Parameters
    ----------
    journal : iterable of JournaledIssue
        All issues of the module, rising by counter.
    ledger : iterable of LedgerIssue
        All issues in the shop's books, rising by counter.
    orphans : mapping of int to str
        Counters that were issued and are on no book, each with the request id by which it was resolved.

    Raises
    ------
    InvalidInput
        If journal or ledger do not rise.
    """
    waiting = dict(orphans)
    both = heapq.merge(
        ((issue.counter, 0, issue) for issue in _rising("journal", journal, strictly=True)),
        ((issue.counter, 1, issue) for issue in _rising("ledger", ledger, strictly=False)),
        key=lambda entry: entry[:2],
    )
    issued: JournaledIssue | LedgerIssue | None = None
    booked = True
    for _, side, issue in both:
        if side == 0:
            yield from _unbooked(issued, booked, waiting)
            issued, booked = issue, False
            continue
        if issued is None or issued.counter != issue.counter:
            yield ProofFinding(ProofFault.NEVER_ISSUED, issue.counter, issue.request_id)
            continue
        if booked:
            yield ProofFinding(ProofFault.REPEATED, issue.counter, issue.request_id)
        elif (issued.request_id, issued.digest) != (issue.request_id, issue.digest):
            yield ProofFinding(ProofFault.DIFFERENT, issue.counter, issue.request_id)
        elif issue.counter in waiting:
            yield ProofFinding(ProofFault.NOT_AN_ORPHAN, issue.counter, waiting.pop(issue.counter))
        booked = True
    yield from _unbooked(issued, booked, waiting)
    for counter, request_id in sorted(waiting.items()):
        yield ProofFinding(ProofFault.ORPHAN_NEVER_ISSUED, counter, request_id)


def tokens_digest(digits: Iterable[str]) -> str:
    """Return a digest of issued tokens, so that a proof can compare them without holding a single one.

    Parameters
    ----------
    digits : iterable of str
        Twenty digits each, in their order.
    """
    return hashlib.sha256(" ".join(digits).encode("ascii")).hexdigest()


def _unbooked(
    issued: JournaledIssue | LedgerIssue | None, booked: bool, waiting: dict[int, str]
) -> Iterator[ProofFinding]:
    if issued is None or booked:
        return
    resolved_by = waiting.pop(issued.counter, None)
    if resolved_by is None:
        yield ProofFinding(ProofFault.ORPHAN_UNRESOLVED, issued.counter, issued.request_id)
    elif resolved_by != issued.request_id:
        yield ProofFinding(ProofFault.ORPHAN_DIFFERENT, issued.counter, resolved_by)


def _rising(
    name: str, issues: Iterable[JournaledIssue] | Iterable[LedgerIssue], *, strictly: bool
) -> Iterator[JournaledIssue | LedgerIssue]:
    last = 0
    for issue in issues:
        if issue.counter < last or (strictly and issue.counter == last):
            raise InvalidInput(f"the {name} does not rise: {issue.counter} after {last}", field="counter")
        last = issue.counter
        yield issue


def _check_stream(vendor: str, day: str) -> None:
    if not 1 <= len(vendor) <= LARGEST_NAME or not (vendor.isascii() and vendor.isprintable()):
        raise InvalidInput(
            f"a vendor's name has 1 to {LARGEST_NAME} printable ASCII characters, not {vendor[:80]!r}",
            field="vendor",
        )
    year, _, rest = day.partition("-")
    month, _, date = rest.partition("-")
    lengths = [len(part) for part in (year, month, date)]
    if lengths != [4, 2, 2] or not all(part.isascii() and part.isdecimal() for part in (year, month, date)):
        raise InvalidInput(f"a day is written YYYY-MM-DD, not {day[:20]!r}", field="day")
    if not (1 <= int(month) <= 12 and 1 <= int(date) <= 31):
        raise InvalidInput(f"there is no day {day}", field="day")


def _canonical(content: object) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode("ascii")

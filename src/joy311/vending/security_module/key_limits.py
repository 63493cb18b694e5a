"""What the security module lets a vending key do: when, how much, and which tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from joy311.errors import InvalidInput, Refused
from joy311.instant import DAY_NS, HOUR_NS, to_iso

TokenKind = tuple[int, int]
"""Class and subclass of a token; a set of key change tokens is known by its first, (2, 3)."""

KEY_CHANGE_KIND: TokenKind = (2, 3)


@dataclass(frozen=True, slots=True)
class KeyLimits:
    """The limits of one vending key; None stands for no limit.

    Parameters
    ----------
    active_from : int or None
        Instant before which it makes nothing [ns since 1970 UTC].
    issue_until : int or None
        Instant from which it makes nothing more [ns since 1970 UTC].
    units_per_hour, units_per_day, units_in_all : int or None
        Most units of credit that it may put into tokens in an hour or day of UTC, and ever [0.1 kWh].
    token_kinds : frozenset of (int, int), or None
        The classes and subclasses that it may make.

    Raises
    ------
    InvalidInput
        If a number is negative, a kind does not exist or the key would end before it begins.
    """

    active_from: int | None = None
    issue_until: int | None = None
    units_per_hour: int | None = None
    units_per_day: int | None = None
    units_in_all: int | None = None
    token_kinds: frozenset[TokenKind] | None = None

    def __post_init__(self) -> None:
        """Refuse limits that mean nothing."""
        for name in ("active_from", "issue_until", "units_per_hour", "units_per_day", "units_in_all"):
            value = getattr(self, name)
            if value is not None and value < 0:
                raise InvalidInput(f"the limit {name} is 0 or more, not {value}", field=name)
        if (
            self.active_from is not None
            and self.issue_until is not None
            and self.issue_until <= self.active_from
        ):
            raise InvalidInput(
                f"a key that is active from {to_iso(self.active_from)} cannot end at "
                f"{to_iso(self.issue_until)}",
                field="issue_until",
            )
        for token_class, subclass in self.token_kinds or ():
            if not (0 <= token_class <= 2 and 0 <= subclass <= 15):
                raise InvalidInput(f"there is no token kind {token_class}/{subclass}", field="token_kinds")

    def as_document(self) -> dict[str, Any]:
        """Return the limits as JSON has them; no limit is left out."""
        document: dict[str, Any] = {
            name: value
            for name in ("active_from", "issue_until", "units_per_hour", "units_per_day", "units_in_all")
            if (value := getattr(self, name)) is not None
        }
        if self.token_kinds is not None:
            document["token_kinds"] = [format_kind(kind) for kind in sorted(self.token_kinds)]
        return document

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> KeyLimits:
        """Return the limits that `as_document` gave.

        Raises
        ------
        InvalidInput, TypeError
            If it is not such a document.
        """
        fields = dict(document)
        kinds = fields.pop("token_kinds", None)
        return cls(**fields, token_kinds=None if kinds is None else frozenset(map(parse_kind, kinds)))


NO_LIMITS = KeyLimits()


@dataclass(frozen=True, slots=True)
class Usage:
    """The units of credit that one vending key has put into tokens.

    Parameters
    ----------
    hour, day : int
        The newest hour and day in which it did, counted from 1970 UTC.
    units_in_hour, units_in_day, units_in_all : int
        How many [0.1 kWh].
    """

    hour: int = 0
    day: int = 0
    units_in_hour: int = 0
    units_in_day: int = 0
    units_in_all: int = 0

    def after(self, units: int, now: int) -> Usage:
        """Return the usage with `units` more at `now`; after a clock went back they count as the newest."""
        hour, day = max(self.hour, now // HOUR_NS), max(self.day, now // DAY_NS)
        return Usage(
            hour,
            day,
            units + (self.units_in_hour if hour == self.hour else 0),
            units + (self.units_in_day if day == self.day else 0),
            units + self.units_in_all,
        )


def check_limits(
    limits: KeyLimits, kind: TokenKind, *, units: int, usage: Usage, now: int, newest: int
) -> None:
    """Raise why a key may not make a token now.

    Parameters
    ----------
    limits : KeyLimits
        The key's.
    kind : (int, int)
        Class and subclass of what is wanted.
    units : int
        Credit in it [0.1 kWh]; 0 for other tokens.
    usage : Usage
        What the key made so far.
    now : int
        Instant [ns since 1970 UTC].
    newest : int
        Instant of the newest issue: a clock that went back gives an ended key no new life.

    Raises
    ------
    Refused
        ``TokenKindNotAllowed``, ``VendingKeyNotActive``, ``VendingKeyIssueEnded`` or ``QuotaExceeded``.
    """
    if limits.token_kinds is not None and kind not in limits.token_kinds:
        raise Refused(
            "TokenKindNotAllowed",
            f"the vending key may not make tokens of class {kind[0]}, subclass {kind[1]}; it may make "
            f"{', '.join(map(format_kind, sorted(limits.token_kinds))) or 'none'}",
        )
    check_dates(limits, now=now, newest=newest)
    if not units:
        return
    after = usage.after(units, now)
    for period, used, limit in (
        ("an hour", after.units_in_hour, limits.units_per_hour),
        ("a day", after.units_in_day, limits.units_per_day),
        ("all", after.units_in_all, limits.units_in_all),
    ):
        if limit is not None and used > limit:
            raise Refused(
                "QuotaExceeded",
                f"{units} more units would make {used} in {period}; the vending key may make {limit}",
            )


def check_dates(limits: KeyLimits, *, now: int, newest: int) -> None:
    """Raise ``VendingKeyNotActive`` or ``VendingKeyIssueEnded`` where `now` is outside the key's dates."""
    if limits.active_from is not None and now < limits.active_from:
        raise Refused(
            "VendingKeyNotActive", f"the vending key is active from {to_iso(limits.active_from)} on"
        )
    if limits.issue_until is not None and max(now, newest) >= limits.issue_until:
        raise Refused(
            "VendingKeyIssueEnded", f"the vending key made tokens until {to_iso(limits.issue_until)}"
        )


def parse_kind(text: str) -> TokenKind:
    """Return the token kind that is written as class, stroke and subclass, such as ``0/0``.

    Raises
    ------
    InvalidInput
        If it is not written so.
    """
    token_class, stroke, subclass = text.partition("/")
    if not (stroke and token_class.isdecimal() and subclass.isdecimal()) or len(text) > 5:
        raise InvalidInput(
            f"a token kind is written class/subclass, such as 0/0, not {text[:20]!r}", field="token_kinds"
        )
    return int(token_class), int(subclass)


def format_kind(kind: TokenKind) -> str:
    """Return the kind as `parse_kind` reads it."""
    return f"{kind[0]}/{kind[1]}"

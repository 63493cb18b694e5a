"""A tariff's way into force: one person makes it, another approves it, and its date decides."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from joy311.errors import Refused
from joy311.vending.registration import checked_identifier
from joy311.vending.tariff.schedule import Tariff


class TariffState(StrEnum):
    """Where a version of a tariff is."""

    DRAFT = "draft"
    APPROVED = "approved"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class TariffVersion:
    """A tariff, and who answers for it.

    Parameters
    ----------
    tariff : Tariff
        What it says; a change is a new version.
    state : TariffState
        Only an approved one is sold by.
    maker : str
        Identifier of who made it.
    checker : str or None
        Identifier of who approved, rejected or withdrew it.

    Raises
    ------
    InvalidInput
        If maker or checker is no identifier.
    """

    tariff: Tariff
    state: TariffState
    maker: str
    checker: str | None

    def __post_init__(self) -> None:
        """Refuse who is nobody."""
        checked_identifier(self.maker, field="maker")
        if self.checker is not None:
            checked_identifier(self.checker, field="checker")


def draft(tariff: Tariff, maker: str) -> TariffVersion:
    """Return `tariff` as its maker hands it in."""
    return TariffVersion(tariff, TariffState.DRAFT, maker, None)


def approve(version: TariffVersion, checker: str, now: int) -> TariffVersion:
    """Return the version approved.

    Raises
    ------
    Refused
        ``TariffState`` unless it is a draft; ``SamePerson`` where its maker is the checker;
        ``TariffBackdated`` where it would have been in force before `now`.
    """
    _require_draft(version, checker)
    if version.tariff.effective_from < now:
        raise Refused(
            "TariffBackdated",
            f"tariff {version.tariff.name} version {version.tariff.version} would be in force in the past: "
            "sales that were made stay as they are",
        )
    return replace(version, state=TariffState.APPROVED, checker=checker)


def reject(version: TariffVersion, checker: str) -> TariffVersion:
    """Return the version rejected.

    Raises
    ------
    Refused
        ``TariffState`` unless it is a draft; ``SamePerson`` where its maker is the checker.
    """
    _require_draft(version, checker)
    return replace(version, state=TariffState.REJECTED, checker=checker)


def withdraw(version: TariffVersion, checker: str, now: int) -> TariffVersion:
    """Return an approved version taken back before it is in force.

    Raises
    ------
    Refused
        ``TariffState`` unless it is approved; ``TariffInForce`` once its date has come.
    """
    if version.state is not TariffState.APPROVED:
        raise Refused("TariffState", f"a tariff that is {version.state} cannot be withdrawn")
    if version.tariff.effective_from <= now:
        raise Refused("TariffInForce", "a tariff that is in force is followed by a newer one, not withdrawn")
    return replace(version, state=TariffState.WITHDRAWN, checker=checker)


def tariff_in_force(versions: Iterable[TariffVersion], now: int) -> Tariff:
    """Return the tariff to sell by at `now`: of the approved ones in force the one that began last.

    Raises
    ------
    Refused
        ``TariffNotInForce`` where there is none.
    """
    in_force = [
        version.tariff
        for version in versions
        if version.state is TariffState.APPROVED and version.tariff.is_effective(now)
    ]
    if not in_force:
        raise Refused("TariffNotInForce", "no approved version of the tariff is in force at this time")
    return max(in_force, key=lambda tariff: (tariff.effective_from, tariff.version))


def _require_draft(version: TariffVersion, checker: str) -> None:
    if version.state is not TariffState.DRAFT:
        raise Refused("TariffState", f"a tariff that is {version.state} is decided on already")
    if checker == version.maker:
        raise Refused("SamePerson", f"{checker} made the tariff: another person decides on it")

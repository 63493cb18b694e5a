"""What sales are decided by, read once and again whenever somebody changed it."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass

from joy311.errors import Refused, StorageError
from joy311.vending.registration import Utility
from joy311.vending.service.pricing import as_tariff
from joy311.vending.store import accounts, registrations
from joy311.vending.store.accounts import Vendor
from joy311.vending.store.database import Database
from joy311.vending.store.registrations import FLAT, Limits, TariffRow, flat_tariff
from joy311.vending.tariff import Tariff, tariff_from_document
from joy311.vending.tariff.version import TariffState, TariffVersion, tariff_in_force


@dataclass(frozen=True, slots=True)
class Rules:
    """Utility, limits, tariffs and vendors as they were at one version.

    Parameters
    ----------
    version : int
        Grows with every change.
    utility : Utility
        Whose energy is sold.
    limits : Limits
        What one meter may buy.
    tariffs : dict
        The versions of every tariff by name, the newest last.
    vendors : dict
        Every vendor by identifier.
    series : dict
        The receipt series of every vendor.
    announces : bool
        Whether any webhook waits for events.
    """

    version: int
    utility: Utility
    limits: Limits
    tariffs: dict[str, list[TariffVersion]]
    vendors: dict[str, Vendor]
    series: dict[str, tuple[str, ...]]
    announces: bool

    def tariff(self, name: str, now: int) -> Tariff:
        """Return the version of a tariff that is in force at `now`.

        Raises
        ------
        Refused
            ``UnknownTariff``, or ``TariffNotInForce`` where no approved version is.
        """
        versions = self.tariffs.get(name)
        if versions is None:
            raise Refused("UnknownTariff", f"no tariff {name!r} is registered")
        return tariff_in_force(versions, now)


def tariff_versions(rows: list[TariffRow], utility: Utility) -> dict[str, list[TariffVersion]]:
    """Return the versions of tariffs on file by name.

    Raises
    ------
    StorageError
        If one of them cannot be read.
    """
    found: dict[str, list[TariffVersion]] = {}
    for row in rows:
        try:
            document = json.loads(row.document)
            if document.get("kind") == FLAT:
                tariff = as_tariff(flat_tariff(row.name, document, utility.currency))
            else:
                tariff = tariff_from_document(document)
        except (ValueError, KeyError, TypeError) as error:
            raise StorageError(
                f"version {row.version} of tariff {row.name} on file is damaged: {error}"
            ) from None
        version = TariffVersion(tariff, TariffState(row.state), row.made_by, row.checked_by)
        found.setdefault(row.name, []).append(version)
    return found


class RuleBook:
    """The rules, kept until the database has newer ones; threads may share it.

    Parameters
    ----------
    database : Database
        Where they are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._rules: Rules | None = None

    def at(self, version: int) -> Rules:
        """Return the rules of `version`, or newer ones."""
        rules = self._rules
        if rules is None or rules.version < version:
            with self._lock:
                rules = self._rules
                if rules is None or rules.version < version:
                    rules = self._rules = self._read()
        return rules

    def _read(self) -> Rules:
        with self._database.read() as connection:
            utility = registrations.read_utility(connection)
            if utility is None:
                raise StorageError(f"{self._database.place} names no utility")
            return Rules(
                registrations.read_rules_version(connection),
                utility,
                registrations.read_limits(connection),
                tariff_versions(registrations.read_tariff_rows(connection), utility),
                accounts.read_vendors(connection),
                accounts.read_series(connection),
                registrations.has_webhooks(connection),
            )

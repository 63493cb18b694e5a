"""What sales are decided by, read once and again whenever somebody changed it."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from joy311.errors import Refused, StorageError
from joy311.vending.registration import Utility
from joy311.vending.store import accounts, registrations
from joy311.vending.store.accounts import Vendor
from joy311.vending.store.database import Database
from joy311.vending.store.registrations import Limits, TariffVersion
from joy311.vending.tariff import FlatTariff


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
    tariffs: dict[str, tuple[TariffVersion, ...]]
    vendors: dict[str, Vendor]
    series: dict[str, tuple[str, ...]]
    announces: bool

    def tariff(self, name: str, now: int) -> FlatTariff:
        """Return the version of a tariff that is in force at `now`.

        Raises
        ------
        Refused
            ``UnknownTariff``, or ``TariffNotInForce`` before its first version begins.
        """
        versions = self.tariffs.get(name)
        if versions is None:
            raise Refused("UnknownTariff", f"no tariff {name!r} is registered")
        for version in reversed(versions):
            if version.effective_from <= now:
                return version.tariff
        raise Refused("TariffNotInForce", f"no version of tariff {name!r} is in force yet")


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
                registrations.read_tariffs(connection, utility.currency),
                accounts.read_vendors(connection),
                accounts.read_series(connection),
                registrations.has_webhooks(connection),
            )

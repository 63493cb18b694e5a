"""The shop: who and what is registered, and the door to selling."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from joy311.errors import InvalidInput, Refused, StorageError
from joy311.sts import KeyAttributes, Token20, TokenFormatError
from joy311.vending.receipt import Receipt
from joy311.vending.registration import (
    Customer,
    RegisteredMeter,
    Utility,
    checked_identifier,
    checked_name,
    checked_request_id,
    parse_meter_number,
)
from joy311.vending.sale import Quote
from joy311.vending.security_module import VendingKeyAttributes, WholeSecurityModule
from joy311.vending.service.books import Books
from joy311.vending.service.clients import Clients
from joy311.vending.service.office import Office
from joy311.vending.service.requests import DEFAULT_SERIES, SaleRequest
from joy311.vending.service.rules import RuleBook, tariff_versions
from joy311.vending.service.selling import Outcome, Selling
from joy311.vending.store import accounts, audit_log, registrations, sales
from joy311.vending.store.accounts import HOUSE, Vendor
from joy311.vending.store.backup import restore_backup, write_backup
from joy311.vending.store.database import HEAD, Database, Transaction
from joy311.vending.store.registrations import FLAT, Limits, TariffRow, flat_tariff
from joy311.vending.tariff import FlatTariff, Tariff, tariff_to_document
from joy311.vending.tariff.version import TariffState, TariffVersion, approve, draft
from joy311.vending.verification import (
    NOT_SOLD_HERE,
    Verification,
    misshapen,
    sold_to_another_meter,
    sold_to_this_meter,
)

MADE_AT_REGISTRATION = "registration"
"""Who made a tariff that nobody checks: the one that a shop begins with."""


class Shop:
    """A point of sale over one database and one security module; threads may share it.

    Make one with `create` or `open`, and close it.
    """

    def __init__(
        self,
        database: Database,
        utility: Utility,
        security_module: WholeSecurityModule,
        series: str,
        lanes: int,
    ) -> None:
        self._database = database
        self._utility = utility
        self._security_module = security_module
        rules = RuleBook(database)
        self._selling = Selling(database, rules, security_module, series, lanes)
        self._office = Office(database, rules, security_module, self._selling, series)
        self._books = Books(database, security_module, self._selling)
        self._clients = Clients(database)

    @property
    def office(self) -> Office:
        """Free units, replacements, key changes, engineering, and a meter's successor."""
        return self._office

    @property
    def clients(self) -> Clients:
        """Programs that sell, and what they are told."""
        return self._clients

    @property
    def books(self) -> Books:
        """Voids, unfinished sales, the audit log, and what a restored backup forgot."""
        return self._books

    @classmethod
    def create(
        cls,
        directory: Path,
        *,
        utility: Utility,
        supply_group: VendingKeyAttributes,
        tariff: FlatTariff,
        security_module: WholeSecurityModule,
        receipt_series: str = DEFAULT_SERIES,
        database_url: str | None = None,
    ) -> Self:
        """Make a new shop in `directory`, whole or not at all, and return it open.

        Whoever is interrupted may call it again: there is no shop until all of it is there.

        Parameters
        ----------
        directory : Path
            Made, for its owner only, where it does not exist.
        utility : Utility
            Whose energy is sold.
        supply_group : VendingKeyAttributes
            The first supply group; the security module holds its key already.
        tariff : FlatTariff
            The first tariff.
        security_module : WholeSecurityModule
            What makes its tokens; the shop does not close it.
        receipt_series : str
            The series that this till numbers its receipts in.
        database_url : str, optional
            ``postgresql://user@host/name``; a SQLite file in `directory` where it is left out.

        Raises
        ------
        InvalidInput
            If there is a shop already, or the tariff's currency is not the utility's.
        """
        _check_currency(tariff, utility)
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        database = Database(directory, database_url)
        try:
            database.migrate()
            with database.write() as connection:
                if registrations.read_utility(connection) is not None:
                    raise InvalidInput(f"there is a shop in {database.place} already", field="directory")
                registrations.insert_utility(connection, utility)
                registrations.insert_vending_key(connection, supply_group)
                registrations.insert_tariff_row(connection, _flat_row(tariff))
                house = Vendor(HOUSE, utility.name, is_prefunded=False)
                accounts.insert_vendor(connection, house, (receipt_series,))
        finally:
            database.close()
        return cls.open(
            directory,
            security_module=security_module,
            receipt_series=receipt_series,
            database_url=database_url,
        )

    @classmethod
    def open(
        cls,
        directory: Path,
        *,
        security_module: WholeSecurityModule,
        receipt_series: str = DEFAULT_SERIES,
        lanes: int = 1,
        database_url: str | None = None,
    ) -> Self:
        """Return the shop in `directory`; its tables are checked, never changed.

        Parameters
        ----------
        directory : Path
            Where the shop's database is.
        security_module : WholeSecurityModule
            What makes its tokens; the shop does not close it.
        receipt_series : str
            The series that this till numbers its receipts in.
        lanes : int
            How many series, ``A``, ``A.1``, ``A.2`` and so on, sales that come together are spread over.
        database_url : str, optional
            ``postgresql://user@host/name``; the SQLite file in `directory` where it is left out.

        Raises
        ------
        StorageError
            If there is no shop, or its tables need `upgrade`.
        """
        with ExitStack() as unless_opened:
            database = Database(directory, database_url)
            unless_opened.callback(database.close)
            shop = cls.over(
                database, security_module=security_module, receipt_series=receipt_series, lanes=lanes
            )
            unless_opened.pop_all()
        return shop

    @classmethod
    def over(
        cls,
        database: Database,
        *,
        security_module: WholeSecurityModule,
        receipt_series: str = DEFAULT_SERIES,
        lanes: int = 1,
    ) -> Self:
        """Return the shop in `database`, as `open` does; the shop closes it.

        Raises
        ------
        StorageError
            If there is no shop, or its tables need `upgrade`.
        """
        checked_identifier(receipt_series, field="receipt_series")
        database.require_newest()
        with database.read() as connection:
            utility = registrations.read_utility(connection)
        if utility is None:
            raise StorageError(f"the shop in {database.place} was never finished: create it again")
        return cls(database, utility, security_module, receipt_series, lanes)

    @staticmethod
    def utility_in(directory: Path, database_url: str | None = None) -> Utility | None:
        """Return whose shop is in `directory`, None where there is no finished one; nothing is written.

        Raises
        ------
        StorageError
            If what is there is damaged, or its tables need `upgrade`.
        """
        database = Database(directory, database_url)
        try:
            if not database.is_there() or not database.has_tables():
                return None
            database.require_newest()
            with database.read() as connection:
                return registrations.read_utility(connection)
        finally:
            database.close()

    @classmethod
    def exists(cls, directory: Path, database_url: str | None = None) -> bool:
        """Return whether there is a finished shop in `directory`."""
        return cls.utility_in(directory, database_url) is not None

    @staticmethod
    def upgrade(directory: Path, revision: str = HEAD, database_url: str | None = None) -> None:
        """Bring the tables in `directory` up (or down) to `revision`, by default to the newest.

        Raises
        ------
        StorageError
            If there is no database, or it is newer than this program.
        """
        database = Database(directory, database_url)
        try:
            if not database.is_there():
                raise StorageError(f"there is no shop in {directory}")
            database.migrate(revision)
        finally:
            database.close()

    def back_up(self, path: Path) -> int:
        """Write the whole database of this instant to a new file, and return how many rows that are.

        Raises
        ------
        InvalidInput
            If there is a file at `path` already.
        StorageError
            If it cannot be written.
        """
        return write_backup(self._database, path)

    @staticmethod
    def restore(directory: Path, path: Path, database_url: str | None = None) -> int:
        """Make the shop that a backup holds, whole or not at all, and return how many rows that are.

        Raises
        ------
        InvalidInput
            If there is a shop already, or the file is no whole backup of this version's tables.
        """
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        database = Database(directory, database_url)
        try:
            return restore_backup(database, path)
        finally:
            database.close()

    def close(self) -> None:
        """Release the database."""
        self._database.close()

    def __enter__(self) -> Self:
        """Return the open shop."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the shop."""
        self.close()

    @property
    def utility(self) -> Utility:
        """Whose energy is sold, and in which currency."""
        return self._utility

    def newest_sale_ns(self) -> int | None:
        """Return when the newest sale was reserved [ns since 1970 UTC], None before the first."""
        with self._database.read() as connection:
            return sales.read_newest_instant(connection)

    def check(self) -> None:
        """Check that the database answers and its tables are the newest.

        Raises
        ------
        StorageError
            If not.
        """
        self._database.require_newest()

    def add_customer(self, *, name: str, customer_id: str | None = None) -> Customer:
        """Register a customer and return them.

        Parameters
        ----------
        name : str
            Name on the receipt, 1 to 60 printable characters.
        customer_id : str, optional
            The identifier; the next free one of the form ``C00001`` where it is left out.

        Raises
        ------
        InvalidInput
            If name or identifier cannot be used.
        Refused
            ``CustomerExists`` where the identifier is taken.
        """
        with self._database.write() as connection:
            if customer_id is None:
                customer_id = registrations.free_customer_id(connection)
            customer = Customer(customer_id, name)
            if registrations.read_customer(connection, customer_id) is not None:
                raise Refused("CustomerExists", f"there is a customer {customer_id} already")
            registrations.insert_customer(connection, customer)
        return customer

    def customer(self, customer_id: str) -> Customer:
        """Return the customer of that identifier.

        Raises
        ------
        Refused
            ``UnknownCustomer``.
        """
        with self._database.read() as connection:
            return _known_customer(connection, customer_id)

    def has_customer(self, customer_id: str) -> bool:
        """Return whether there is a customer of that identifier."""
        with self._database.read() as connection:
            return registrations.read_customer(connection, customer_id) is not None

    def add_tariff(self, tariff: FlatTariff) -> FlatTariff:
        """Register a tariff and return it.

        Raises
        ------
        InvalidInput
            If its currency is not the shop's.
        Refused
            ``TariffExists`` where the name is taken.
        """
        _check_currency(tariff, self._utility)
        with self._database.write() as connection:
            if registrations.read_tariff_rows(connection, tariff.name):
                raise Refused("TariffExists", f"there is a tariff {tariff.name} already")
            registrations.insert_tariff_row(connection, _flat_row(tariff))
            registrations.change_rules(connection)
        return tariff

    def tariff(self, name: str) -> FlatTariff:
        """Return the flat tariff of that name.

        Raises
        ------
        Refused
            ``UnknownTariff``, or ``TariffNotFlat`` where it has blocks, charges or versions.
        """
        with self._database.read() as connection:
            rows = _known_tariff(connection, name)
        document = json.loads(rows[-1].document)
        if document.get("kind") != FLAT:
            raise Refused("TariffNotFlat", f"tariff {name!r} is more than one price")
        return flat_tariff(name, document, self._utility.currency)

    def propose_tariff(self, tariff: Tariff, maker: str) -> TariffVersion:
        """Hand in the next version of a tariff; it is sold by once another person approved it.

        Raises
        ------
        InvalidInput
            If its currency is not the shop's.
        Refused
            ``TariffVersion`` where its version does not follow the newest one.
        """
        _check_currency(tariff, self._utility)
        version = draft(tariff, maker)
        with self._database.write() as connection:
            rows = registrations.read_tariff_rows(connection, tariff.name)
            newest = rows[-1].version if rows else 0
            if tariff.version != newest + 1:
                raise Refused(
                    "TariffVersion",
                    f"the next version of tariff {tariff.name} is {newest + 1}, not {tariff.version}",
                )
            registrations.insert_tariff_row(
                connection,
                TariffRow(
                    tariff.name,
                    tariff.version,
                    tariff.effective_from,
                    json.dumps(tariff_to_document(tariff)),
                    version.state.value,
                    maker,
                    None,
                ),
            )
            registrations.change_rules(connection)
        return version

    def approve_tariff(self, name: str, version: int, checker: str, now: int) -> TariffVersion:
        """Approve a version that another person handed in.

        Raises
        ------
        Refused
            ``UnknownTariff``, ``TariffState``, ``SamePerson``, ``TariffBackdated``.
        """
        with self._database.write() as connection:
            rows = [row for row in _known_tariff(connection, name) if row.version == version]
            if not rows:
                raise Refused("UnknownTariff", f"tariff {name!r} has no version {version}")
            approved = approve(tariff_versions(rows, self._utility)[name][0], checker, now)
            registrations.update_tariff_state(connection, name, version, approved.state.value, checker)
            registrations.change_rules(connection)
        return approved

    def add_supply_group(self, attributes: VendingKeyAttributes) -> None:
        """Register a supply group's key revision; the key itself is the security module's.

        Registering the same again changes nothing.

        Raises
        ------
        Refused
            ``SupplyGroupExists`` where that group and revision have other attributes.
        """
        with self._database.write() as connection:
            present = registrations.read_vending_key(connection, attributes)
            if present is None:
                registrations.insert_vending_key(connection, attributes)
            elif present != attributes:
                raise Refused(
                    "SupplyGroupExists",
                    f"supply group {attributes.supply_group_code} revision {attributes.key_revision} is "
                    "registered with other attributes",
                )

    def supply_group(self, code: str | None = None) -> VendingKeyAttributes:
        """Return the newest key revision of supply group `code`, or of the shop's only group.

        Raises
        ------
        Refused
            ``UnknownSupplyGroup``.
        """
        with self._database.read() as connection:
            attributes = registrations.read_newest_supply_group(connection, code)
        if attributes is None:
            raise Refused(
                "UnknownSupplyGroup",
                "the shop has not exactly one supply group: name it"
                if code is None
                else f"no supply group {code} is registered",
            )
        return attributes

    def block_meter(self, meter: str, because: str, now: int) -> None:
        """Sell nothing to a meter until it is unblocked.

        Raises
        ------
        InvalidInput
            If the number is not one, or the reason is not 1 to 60 printable characters.
        Refused
            ``MSNOCheckDigit`` or ``UnknownMeter``.
        """
        self._set_blocked(meter, checked_name(because, field="reason"), now)

    def unblock_meter(self, meter: str, now: int) -> None:
        """Sell to a meter again.

        Raises
        ------
        Refused
            ``MSNOCheckDigit`` or ``UnknownMeter``.
        """
        self._set_blocked(meter, None, now)

    def _set_blocked(self, meter: str, because: str | None, now: int) -> None:
        drn = parse_meter_number(meter).drn
        with self._database.write() as connection:
            _known_meter(connection, drn)
            registrations.block_meter(connection, drn, because)
            kind = "meter unblocked" if because is None else "meter blocked"
            audit_log.record_event(connection, HOUSE, kind, {"meter": drn, "because": because}, now)

    def add_vendor(self, vendor: Vendor, series: tuple[str, ...]) -> Vendor:
        """Register a vendor with the receipt series that its sales are numbered in, and return it.

        Parameters
        ----------
        vendor : Vendor
            Who sells.
        series : tuple of str
            One or more series; sales that come together are spread over them.

        Raises
        ------
        InvalidInput
            If there is no series, or one is no identifier.
        Refused
            ``VendorExists``, ``SeriesExists``, ``UnknownSupplyGroup``.
        """
        if not series:
            raise InvalidInput("a vendor needs at least one receipt series", field="series")
        for one in series:
            checked_identifier(one, field="series")
        with self._database.write() as connection:
            for code in vendor.supply_groups:
                if registrations.read_newest_supply_group(connection, code) is None:
                    raise Refused("UnknownSupplyGroup", f"no supply group {code} is registered")
            accounts.insert_vendor(connection, vendor, series)
            registrations.change_rules(connection)
        return vendor

    def deposit(self, vendor: str, reference: str, amount_minor: int, now: int) -> int:
        """Book a deposit of a vendor and return what the account holds [minor units].

        The same reference again changes nothing.

        Raises
        ------
        InvalidInput
            If the amount is not above zero, or the reference no identifier.
        Refused
            ``UnknownVendor``; ``DepositExists`` where the reference was used for another amount.
        """
        checked_identifier(reference, field="reference")
        if amount_minor <= 0:
            raise InvalidInput(f"a deposit of {amount_minor} minor units is not above zero", field="amount")
        with self._database.write() as connection:
            if vendor not in accounts.read_vendors(connection):
                raise Refused("UnknownVendor", f"no vendor {vendor!r} is registered")
            accounts.deposit(connection, vendor, reference, amount_minor, now)
            return accounts.read_balance(connection, vendor)

    def balance(self, vendor: str) -> int:
        """Return what a vendor may still sell [minor units]."""
        with self._database.read() as connection:
            return accounts.read_balance(connection, vendor)

    def set_limits(self, limits: Limits) -> None:
        """Set what one meter may buy in a day and a month, and how soon the same again."""
        with self._database.write() as connection:
            floor = registrations.read_limits(connection).token_floor
            registrations.update_limits(connection, replace(limits, token_floor=floor))
            registrations.change_rules(connection)

    def add_meter(
        self,
        drn: str,
        customer: Customer | str,
        attributes: KeyAttributes,
        tariff: FlatTariff | str,
        now: int,
    ) -> RegisteredMeter:
        """Register a meter and return it.

        Parameters
        ----------
        drn : str
            Meter number; it must be that of `attributes`.
        customer : Customer or str
            Who buys for it, or their identifier.
        attributes : KeyAttributes
            What its decoder key is made from.
        tariff : FlatTariff or str
            What it is sold by, or its name.
        now : int
            Instant [ns since 1970 UTC].

        Raises
        ------
        InvalidInput
            If the number is not one, or not that of `attributes`.
        Refused
            ``MSNOCheckDigit``, ``UnknownCustomer``, ``UnknownTariff``, or ``MeterExists``.
        """
        pan = parse_meter_number(drn)
        if pan != attributes.meter_pan:
            raise InvalidInput(
                f"meter {pan.drn} is not the meter {attributes.meter_pan.drn} of its key attributes",
                field="meter",
            )
        customer_id = customer if isinstance(customer, str) else customer.customer_id
        tariff_name = tariff if isinstance(tariff, str) else tariff.name
        with self._database.write() as connection:
            meter = RegisteredMeter(
                drn=pan.drn,
                customer=_known_customer(connection, customer_id),
                tariff_name=_known_tariff(connection, tariff_name)[0].name,
                attributes=attributes,
            )
            if registrations.read_meter(connection, pan.drn) is not None:
                raise Refused("MeterExists", f"meter {pan.drn} is registered already")
            registrations.insert_meter(connection, meter, now)
        return meter

    def meter(self, meter: str) -> RegisteredMeter:
        """Return the meter of that number.

        Raises
        ------
        InvalidInput
            If the number is not one.
        Refused
            ``MSNOCheckDigit`` or ``UnknownMeter``.
        """
        drn = parse_meter_number(meter).drn
        with self._database.read() as connection:
            return _known_meter(connection, drn)

    def has_meter(self, meter: str) -> bool:
        """Return whether a meter of that number is registered."""
        drn = parse_meter_number(meter).drn
        with self._database.read() as connection:
            return registrations.read_meter(connection, drn) is not None

    def quote(self, meter: str, tender_minor: int, now: int) -> Quote:
        """Return what a sale of `tender_minor` to `meter` would be at `now`; nothing changes.

        It raises what the sale would raise.
        """
        return self._selling.quote(meter, tender_minor, now)

    def sell(self, request: SaleRequest, now: int) -> Receipt:
        """Sell, and return the receipt; the same request again returns the same receipt.

        Parameters
        ----------
        request : SaleRequest
            What is wanted.
        now : int
            Instant [ns since 1970 UTC].

        Raises
        ------
        InvalidInput
            If a value cannot be used.
        Refused
            ``RequestIdReused`` where the request id has another content, ``SaleVoided``; ``MSNOCheckDigit``,
            ``UnknownMeter``, ``BlockedMeter``, ``MeterReplaced``; ``UnknownVendor``, ``VendorInactive``,
            ``SGCAuthorisation``, ``VendorCredit``; ``AmountTooLow``, ``AmountTooHigh``, ``EnergyTooLow``,
            ``EnergyTooHigh``, ``DailyLimit``, ``MonthlyLimit``, ``RepeatedSale``; ``ClockWentBack``,
            ``TokenIdentifiersAhead``, ``TokenIdentifiersEnded``; and what the security module refuses.
        StorageError
            If database or security module fail. The outcome is then open: repeat the request.
        """
        return self._selling.sell(request, now)

    def sell_many(self, requests: Sequence[SaleRequest], now: int) -> list[Outcome]:
        """Sell several in as few commits as one, and return for each its receipt or why there is none.

        Raises
        ------
        StorageError
            If the database fails. The outcome of all is then open: repeat them.
        """
        return self._selling.sell_many(requests, now)

    def receipt(self, request_id: str) -> Receipt:
        """Return the receipt of a request.

        Raises
        ------
        Refused
            ``UnknownSale``, or ``SaleUnfinished`` where there is no token yet: repeat the request.
        """
        with self._database.read() as connection:
            sale = sales.read_sale(connection, checked_request_id(request_id))
        if sale is None:
            raise Refused("UnknownSale", f"no sale answers request {request_id}")
        if sale.is_void:
            raise Refused("SaleVoided", f"the sale of request {request_id} was voided: it never had a token")
        if not sale.is_tokenised:
            raise Refused("SaleUnfinished", f"the sale of request {request_id} has no token yet: repeat it")
        return sale.receipt()

    def last_receipt(self, meter: str) -> Receipt:
        """Return the newest receipt of a meter.

        Raises
        ------
        Refused
            ``MSNOCheckDigit``, ``UnknownMeter``, or ``UnknownSale`` where it never bought.
        """
        drn = parse_meter_number(meter).drn
        with self._database.read() as connection:
            _known_meter(connection, drn)
            sale = sales.read_newest_sale(connection, drn)
        if sale is None:
            raise Refused("UnknownSale", f"meter {drn} has not bought yet")
        return sale.receipt()

    def verify(self, meter: str, token_text: str) -> Verification:
        """Return what the shop's records say of a token that somebody holds for `meter`.

        Parameters
        ----------
        meter : str
            Meter number.
        token_text : str
            Anything that a person may type as a token.

        Raises
        ------
        InvalidInput, Refused
            For the meter number; never for the token.
        """
        drn = parse_meter_number(meter).drn
        with self._database.read() as connection:
            _known_meter(connection, drn)
            try:
                token = Token20.parse(token_text)
            except TokenFormatError as error:
                return misshapen(error)
            found = sales.read_sales_of_token(connection, token)
        for sale in found:
            if sale.meter == drn:
                units = next(one.units for one in sale.tokens if one.digits == token.digits)
                return sold_to_this_meter(units, sale.columns["reserved_at"])
        if found:
            return sold_to_another_meter(found[0].meter)
        return NOT_SOLD_HERE


def _check_currency(tariff: FlatTariff | Tariff, utility: Utility) -> None:
    if tariff.currency != utility.currency:
        raise InvalidInput(
            f"the tariff is in {tariff.currency.code}, the shop sells in {utility.currency.code}",
            field="currency",
        )


def _known_meter(connection: Transaction, drn: str) -> RegisteredMeter:
    meter = registrations.read_meter(connection, drn)
    if meter is None:
        raise Refused("UnknownMeter", f"meter {drn} is not registered")
    return meter


def _known_tariff(connection: Transaction, name: str) -> list[TariffRow]:
    rows = registrations.read_tariff_rows(connection, name)
    if not rows:
        raise Refused("UnknownTariff", f"no tariff {name!r} is registered")
    return rows


def _flat_row(tariff: FlatTariff) -> TariffRow:
    return TariffRow(
        name=tariff.name,
        version=1,
        effective_from=0,
        document=registrations.flat_document(tariff),
        state=TariffState.APPROVED.value,
        made_by=MADE_AT_REGISTRATION,
        checked_by=MADE_AT_REGISTRATION,
    )


def _known_customer(connection: Transaction, customer_id: str) -> Customer:
    customer = registrations.read_customer(connection, customer_id)
    if customer is None:
        raise Refused("UnknownCustomer", f"no customer {customer_id!r} is registered")
    return customer

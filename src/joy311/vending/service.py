"""The shop: load, decide, save, commit.

A sale is committed as RESERVED, with its request id, token identifier, carried money and receipt number,
before the security module is asked; the token is committed after. Whoever dies between the two leaves a sale
that the same request finishes, with the same token.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from joy311.errors import InvalidInput, Refused, StorageError
from joy311.instant import MINUTE_NS, to_iso
from joy311.sts import (
    KeyAttributes,
    Token20,
    TokenFormatError,
    next_token_id,
    token_id_at,
)
from joy311.vending.receipt import Receipt
from joy311.vending.registration import (
    Customer,
    RegisteredMeter,
    Utility,
    checked_identifier,
    checked_request_id,
    parse_meter_number,
)
from joy311.vending.sale import Quote, quote_flat
from joy311.vending.security_module import CreditRequest, SecurityModule, VendingKeyAttributes
from joy311.vending.store import registrations, sales
from joy311.vending.store.database import HEAD, Database, Transaction
from joy311.vending.tariff import FlatTariff
from joy311.vending.verification import (
    NOT_SOLD_HERE,
    Verification,
    misshapen,
    sold_to_another_meter,
    sold_to_this_meter,
)

ELECTRICITY = 0
"""Service of a credit token: electricity in 0.1 kWh."""

LARGEST_LEAD_MINUTES = 49
"""How far token identifiers may run ahead of the clock [min]; beyond it the meter has bought too often.

A meter remembers 50 identifiers and takes nothing below them. So one minute sells at most 50 tokens: the
newest, typed first, must not make the oldest too old.
"""

CLOCK_TOLERANCE_NS = 2 * MINUTE_NS
"""How far the clock may stand before the newest sale [ns]; beyond it the clock was set back."""

DEFAULT_SERIES = "A"
"""Receipt series of a shop with one till."""


@dataclass(frozen=True, slots=True)
class SaleRequest:
    """A sale that is wanted.

    Parameters
    ----------
    request_id : str
        The caller's name of the request, 1 to 64 printable ASCII characters without blanks and slashes; the
        same id always gets the same receipt.
    meter : str
        Meter number, 11 or 13 digits (DRN) or 18 (PAN).
    tender_minor : int
        What the customer pays [minor units].
    """

    request_id: str
    meter: str
    tender_minor: int


class Shop:
    """A point of sale over one database and one security module; threads may share it.

    Make one with `create` or `open`, and close it.
    """

    def __init__(
        self, database: Database, utility: Utility, security_module: SecurityModule, series: str
    ) -> None:
        self._database = database
        self._utility = utility
        self._security_module = security_module
        self._series = series

    @classmethod
    def create(
        cls,
        directory: Path,
        *,
        utility: Utility,
        supply_group: VendingKeyAttributes,
        tariff: FlatTariff,
        security_module: SecurityModule,
        receipt_series: str = DEFAULT_SERIES,
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
        security_module : SecurityModule
            What makes its tokens; the shop does not close it.
        receipt_series : str
            The series that this till numbers its receipts in.

        Raises
        ------
        InvalidInput
            If there is a shop already, or the tariff's currency is not the utility's.
        """
        _check_currency(tariff, utility)
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        database = Database(directory)
        try:
            database.migrate()
            with database.write() as connection:
                if registrations.read_utility(connection) is not None:
                    raise InvalidInput(f"there is a shop in {directory} already", field="directory")
                registrations.insert_utility(connection, utility)
                registrations.insert_supply_group(connection, supply_group)
                registrations.insert_tariff(connection, tariff)
        finally:
            database.close()
        return cls.open(directory, security_module=security_module, receipt_series=receipt_series)

    @classmethod
    def open(
        cls,
        directory: Path,
        *,
        security_module: SecurityModule,
        receipt_series: str = DEFAULT_SERIES,
    ) -> Self:
        """Return the shop in `directory`; its tables are checked, never changed.

        Parameters
        ----------
        directory : Path
            Where the shop's database is.
        security_module : SecurityModule
            What makes its tokens; the shop does not close it.
        receipt_series : str
            The series that this till numbers its receipts in.

        Raises
        ------
        StorageError
            If there is no shop, or its tables need `upgrade`.
        """
        checked_identifier(receipt_series, field="receipt_series")
        with ExitStack() as unless_opened:
            database = Database(directory)
            unless_opened.callback(database.close)
            database.require_newest()
            with database.read() as connection:
                utility = registrations.read_utility(connection)
            if utility is None:
                raise StorageError(f"the shop in {directory} was never finished: create it again")
            unless_opened.pop_all()
        return cls(database, utility, security_module, receipt_series)

    @staticmethod
    def utility_in(directory: Path) -> Utility | None:
        """Return whose shop is in `directory`, None where there is no finished one; nothing is written.

        Raises
        ------
        StorageError
            If what is there is damaged, or its tables need `upgrade`.
        """
        database = Database(directory)
        try:
            if not database.path.exists() or not database.has_tables():
                return None
            database.require_newest()
            with database.read() as connection:
                return registrations.read_utility(connection)
        finally:
            database.close()

    @classmethod
    def exists(cls, directory: Path) -> bool:
        """Return whether there is a finished shop in `directory`."""
        return cls.utility_in(directory) is not None

    @staticmethod
    def upgrade(directory: Path, revision: str = HEAD) -> None:
        """Bring the tables in `directory` up (or down) to `revision`, by default to the newest.

        Raises
        ------
        StorageError
            If there is no database, or it is newer than this program.
        """
        database = Database(directory)
        if not database.path.exists():
            raise StorageError(f"there is no shop in {directory}")
        try:
            database.migrate(revision)
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
            if registrations.read_tariff(connection, tariff.name, tariff.currency) is not None:
                raise Refused("TariffExists", f"there is a tariff {tariff.name} already")
            registrations.insert_tariff(connection, tariff)
        return tariff

    def tariff(self, name: str) -> FlatTariff:
        """Return the tariff of that name.

        Raises
        ------
        Refused
            ``UnknownTariff``.
        """
        with self._database.read() as connection:
            return self._known_tariff(connection, name)

    def add_supply_group(self, attributes: VendingKeyAttributes) -> None:
        """Register a supply group's key revision; the key itself is the security module's.

        Registering the same again changes nothing.

        Raises
        ------
        Refused
            ``SupplyGroupExists`` where that group and revision have other attributes.
        """
        with self._database.write() as connection:
            present = registrations.read_supply_group(
                connection, attributes.supply_group_code, attributes.key_revision
            )
            if present is None:
                registrations.insert_supply_group(connection, attributes)
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
                tariff_name=self._known_tariff(connection, tariff_name).name,
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
        drn = parse_meter_number(meter).drn
        with self._database.read() as connection:
            return self._decide(connection, drn, tender_minor, now)[1]

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
            ``RequestIdReused`` where the request id has another content; ``MSNOCheckDigit``,
            ``UnknownMeter``; ``AmountTooLow``, ``AmountTooHigh``, ``EnergyTooLow``, ``EnergyTooHigh``;
            ``ClockWentBack``, ``TokenIdentifiersAhead``, ``TokenIdentifiersEnded``; and what the security
            module refuses.
        StorageError
            If database or security module fail. The outcome is then open: repeat the request.
        """
        request_id = checked_request_id(request.request_id)
        drn = parse_meter_number(request.meter).drn
        fingerprint = _fingerprint(drn, request.tender_minor)
        with self._database.write() as connection:
            sale = sales.read_sale(connection, request_id)
            if sale is None:
                meter, quote, token_id = self._decide(connection, drn, request.tender_minor, now)
                sales.reserve_sale(
                    connection,
                    request_id=request_id,
                    fingerprint=fingerprint,
                    utility=self._utility,
                    meter=meter,
                    quote=quote,
                    token_id=token_id,
                    series=self._series,
                    now=now,
                )
                sale = sales.read_sale(connection, request_id)
            elif sale.fingerprint != fingerprint:
                raise Refused(
                    "RequestIdReused", f"request {request_id} was made with another meter or amount"
                )
        if sale is not None and sale.receipt is None:
            credit = CreditRequest(sale.attributes, ELECTRICITY, sale.token_id, sale.units)
            issued = self._security_module.issue_credit_token(request_id, credit)
            with self._database.write() as connection:
                sales.tokenise_sale(connection, request_id, issued, now)
                sale = sales.read_sale(connection, request_id)
        if sale is None or sale.receipt is None:
            raise StorageError(f"the sale of request {request_id} is not on file")
        return sale.receipt

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
        if sale.receipt is None:
            raise Refused("SaleUnfinished", f"the sale of request {request_id} has no token yet: repeat it")
        return sale.receipt

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
        if sale is None or sale.receipt is None:
            raise Refused("UnknownSale", f"meter {drn} has not bought yet")
        return sale.receipt

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
            if sale.meter == drn and sale.receipt is not None:
                return sold_to_this_meter(sale.units, sale.receipt.issued_at)
        if found:
            return sold_to_another_meter(found[0].meter)
        return NOT_SOLD_HERE

    def _decide(
        self, connection: Transaction, drn: str, tender_minor: int, now: int
    ) -> tuple[RegisteredMeter, Quote, int]:
        """Return meter, quote and token identifier of a sale, or raise why there can be none."""
        meter = _known_meter(connection, drn)
        newest = sales.read_newest_instant(connection)
        if newest is not None and now < newest - CLOCK_TOLERANCE_NS:
            raise Refused(
                "ClockWentBack",
                f"the clock says {to_iso(now)}, but the newest sale was at {to_iso(newest)}: more than "
                f"{CLOCK_TOLERANCE_NS // MINUTE_NS} minutes later",
            )
        quote = quote_flat(
            self._known_tariff(connection, meter.tariff_name),
            tender_minor=tender_minor,
            carried_in_minor=sales.read_carry(connection, drn, meter.customer.customer_id),
        )
        base_date = meter.attributes.base_date
        last = sales.read_last_token_id(connection, drn, int(base_date))
        try:
            token_id = next_token_id(now, base_date, last)
            lead_minutes = token_id - token_id_at(now, base_date)
        except InvalidInput as error:
            raise Refused("TokenIdentifiersEnded", str(error)) from None
        if lead_minutes > LARGEST_LEAD_MINUTES:
            raise Refused(
                "TokenIdentifiersAhead",
                f"meter {drn} bought so often that its next token would be {lead_minutes} minutes ahead of "
                f"the clock, at most {LARGEST_LEAD_MINUTES} are allowed: wait",
            )
        self._security_module.check_credit_token(
            CreditRequest(meter.attributes, ELECTRICITY, token_id, quote.units)
        )
        return meter, quote, token_id

    def _known_tariff(self, connection: Transaction, name: str) -> FlatTariff:
        tariff = registrations.read_tariff(connection, name, self._utility.currency)
        if tariff is None:
            raise Refused("UnknownTariff", f"no tariff {name!r} is registered")
        return tariff


def _check_currency(tariff: FlatTariff, utility: Utility) -> None:
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


def _known_customer(connection: Transaction, customer_id: str) -> Customer:
    customer = registrations.read_customer(connection, customer_id)
    if customer is None:
        raise Refused("UnknownCustomer", f"no customer {customer_id!r} is registered")
    return customer


def _fingerprint(drn: str, tender_minor: int) -> str:
    """Return a digest of a sale's content, to tell a retry from another sale under the same id."""
    return hashlib.sha256(json.dumps([drn, tender_minor]).encode("ascii")).hexdigest()

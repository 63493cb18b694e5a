"""Tokens that nobody pays for: free units, replacements, key changes, engineering, a meter's successor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from joy311.errors import Refused, StorageError
from joy311.sts import KeyAttributes, Token20
from joy311.vending.credit_transfer import CreditTransfer, transfer_tokens
from joy311.vending.registration import checked_name, checked_request_id, parse_meter_number
from joy311.vending.security_module import (
    CreditRequest,
    EngineeringRequest,
    KeyChangeRequest,
    WholeSecurityModule,
)
from joy311.vending.service.issues import (
    Engineering,
    EngineeringWork,
    Kind,
    engineering_details,
    engineering_token,
    key_change_details,
    key_change_tokens_of,
)
from joy311.vending.service.requests import ELECTRICITY, fingerprint_of
from joy311.vending.service.rules import RuleBook
from joy311.vending.service.selling import Selling, require_clock, token_ids_after
from joy311.vending.split import token_units
from joy311.vending.store import accounts, audit_log, registrations, sales, schema
from joy311.vending.store.accounts import HOUSE
from joy311.vending.store.database import Database, Transaction
from joy311.vending.store.sales import StoredSale
from joy311.vending.store.schema import RESERVED
from joy311.vending.store.selling import Standing
from joy311.vending.tariff import LargeSale

LARGEST_TRANSFER_UNITS = 5_000
"""Most that one person may transfer to a meter's successor without a second one [0.1 kWh]."""


@dataclass(frozen=True, slots=True)
class OfficeIssue:
    """Tokens that the office gave out.

    Parameters
    ----------
    request_id : str
        The request that they answer.
    kind : Kind
        Why they were made.
    tokens : tuple of Token20
        The tokens, in the order in which they are typed.
    units : int
        What they carry together [0.1 kWh].
    warning : str
        What the customer must be told; empty where there is nothing.
    """

    request_id: str
    kind: Kind
    tokens: tuple[Token20, ...]
    units: int
    warning: str = ""


class Office:
    """What a utility's office issues, over the same books as sales.

    Parameters
    ----------
    database, rules, security_module, selling
        The shop's.
    """

    def __init__(
        self,
        database: Database,
        rules: RuleBook,
        security_module: WholeSecurityModule,
        selling: Selling,
        series: str,
    ) -> None:
        self._database = database
        self._rules = rules
        self._security_module = security_module
        self._selling = selling
        self._series = series

    def free_units(self, request_id: str, meter: str, units: int, reason: str, now: int) -> OfficeIssue:
        """Give energy for nothing.

        Raises
        ------
        InvalidInput
            If a value cannot be used.
        Refused
            ``RequestIdReused`` and what a sale's meter, clock and key are refused for.
        """
        return self._credit(Kind.FREE, request_id, meter, units, reason, now)

    def replace_token(self, request_id: str, sold: str, reason: str, now: int) -> OfficeIssue:
        """Give the energy of the sale of request `sold` again, on a token of its own; the old one stays good.

        Raises
        ------
        Refused
            ``UnknownSale``; ``SaleUnfinished`` where it has no token; and as `free_units`.
        """
        with self._database.read() as connection:
            sale = sales.read_sale(connection, checked_request_id(sold))
        if sale is None:
            raise Refused("UnknownSale", f"no sale answers request {sold}")
        if not sale.is_tokenised:
            raise Refused("SaleUnfinished", f"the sale of request {sold} has no token yet: repeat it")
        return self._credit(Kind.REPLACEMENT, request_id, sale.meter, sale.columns["units"], reason, now)

    def change_key(
        self, request_id: str, meter: str, new: KeyAttributes, reason: str, now: int
    ) -> OfficeIssue:
        """Change a meter's key; whatever it sold before and nobody typed dies with the old one.

        The tokens also stand above those of the meter's next sales until the change is confirmed.

        Raises
        ------
        Refused
            ``KeyChangeNotAllowed`` and what the module refuses; and as `free_units`.
        """
        drn = parse_meter_number(meter).drn
        fingerprint = fingerprint_of(Kind.KEY_CHANGE, drn, key_change_details(new))

        def decide(connection: Transaction, standing: Standing) -> _Plan:
            if new == sales.attributes_of(standing._asdict()):
                raise Refused("UpdateMtrKeySame", f"meter {drn} has that key already")
            # What the module would refuse is refused before anything is reserved.
            self._security_module.check(
                KeyChangeRequest(sales.attributes_of(standing._asdict()), new, tell_supply_group=True)
            )
            registrations.add_key_state(connection, new, drn, request_id, now)
            return _Plan(
                [None] * key_change_tokens_of(new),
                [0] * key_change_tokens_of(new),
                key_change_details(new),
            )

        sale = self._reserve(Kind.KEY_CHANGE, request_id, drn, fingerprint, reason, decide, now)
        issue = self._finish(sale, now)
        with self._database.write() as connection:
            registrations.use_key_state(connection, drn, request_id)
        with self._database.read() as connection:
            unused = registrations.count_tokens_since_confirmation(connection, drn, request_id)
        warning = (
            f"{unused} tokens sold before this change die with the old key: type them first" if unused else ""
        )
        return replace(issue, warning=warning)

    def confirm_key(self, meter: str, now: int) -> None:
        """Keep that the meter is known to have its newest key: sales no longer repeat the key's tokens."""
        drn = parse_meter_number(meter).drn
        with self._database.write() as connection:
            registrations.confirm_key_state(connection, drn, now)
            audit_log.record_event(connection, HOUSE, "key confirmed", {"meter": drn}, now)

    def engineer(
        self, request_id: str, meter: str, work: EngineeringWork, reason: str, now: int
    ) -> OfficeIssue:
        """Give out a token that tests or sets a meter.

        Raises
        ------
        Refused
            As `free_units`.
        """
        drn = parse_meter_number(meter).drn
        fingerprint = fingerprint_of(Kind.ENGINEERING, drn, work.what.value, work.value)

        def decide(_connection: Transaction, standing: Standing) -> _Plan:
            token_id: int | None = None
            if work.what is not Engineering.METER_TEST:
                token_id = token_ids_after(standing, self._rules.at(standing.rules_version), now, 1)[0]
            token = engineering_token(work, token_id)
            attributes = sales.attributes_of(standing._asdict())
            self._security_module.check(EngineeringRequest(attributes, token))
            return _Plan([token_id], [0], engineering_details(work))

        sale = self._reserve(Kind.ENGINEERING, request_id, drn, fingerprint, reason, decide, now)
        return self._finish(sale, now)

    def replace_meter(
        self,
        request_id: str,
        removed: str,
        new: str,
        *,
        units: int,
        units_used: int,
        reason: str,
        witness: str,
        now: int,
    ) -> OfficeIssue | None:
        """Put the registered meter `new` in the place of `removed`, and its credit on a token for it.

        The removed meter sells nothing any more; carried money, windows and debts move along.

        Parameters
        ----------
        request_id : str
            The caller's name of the request.
        removed, new : str
            Meter numbers.
        units : int
            Credit that was read off the removed meter, 0 for none [0.1 kWh].
        units_used : int
            What its registers say it supplied [0.1 kWh].
        reason, witness : str
            Why, and who read the registers.
        now : int
            Instant [ns since 1970 UTC].

        Returns
        -------
        OfficeIssue or None
            The credit's token; None where there was no credit.

        Raises
        ------
        Refused
            ``MeterReplaced``, ``TransferImplausible``, ``TransferNeedsApproval``; and as `free_units`.
        """
        old_drn, new_drn = parse_meter_number(removed).drn, parse_meter_number(new).drn
        with self._database.read() as connection:
            repeated = sales.read_sale(connection, checked_request_id(request_id)) if units else None
            issued = registrations.units_issued(connection, old_drn)
        if units and repeated is None:
            transfer_tokens(
                CreditTransfer(old_drn, new_drn, units, issued, units_used, reason, witness),
                largest_units=LARGEST_TRANSFER_UNITS,
            )
        with self._database.write() as connection:
            if registrations.replace_meter(connection, old_drn, new_drn):
                audit_log.record_event(
                    connection,
                    HOUSE,
                    "meter replaced",
                    {
                        "removed": old_drn,
                        "new": new_drn,
                        "units": units,
                        "reason": reason,
                        "witness": witness,
                    },
                    now,
                )
        if not units:
            return None
        return self._credit(Kind.TRANSFER, request_id, new_drn, units, reason, now)

    def _credit(
        self, kind: Kind, request_id: str, meter: str, units: int, reason: str, now: int
    ) -> OfficeIssue:
        drn = parse_meter_number(meter).drn
        parts = token_units(units, LargeSale.SPLIT)
        fingerprint = fingerprint_of(kind, drn, units)

        def decide(_connection: Transaction, standing: Standing) -> _Plan:
            rules = self._rules.at(standing.rules_version)
            token_ids = token_ids_after(standing, rules, now, len(parts))
            attributes = sales.attributes_of(standing._asdict())
            self._security_module.check(CreditRequest(attributes, ELECTRICITY, token_ids[-1], parts[-1]))
            return _Plan(list(token_ids), list(parts), None)

        return self._finish(self._reserve(kind, request_id, drn, fingerprint, reason, decide, now), now)

    def _reserve(
        self,
        kind: Kind,
        request_id: str,
        drn: str,
        fingerprint: str,
        reason: str,
        decide: Callable[[Transaction, Standing], _Plan],
        now: int,
    ) -> StoredSale:
        """Commit what is to be issued as RESERVED, or return what the same request reserved before."""
        checked_request_id(request_id)
        checked_name(reason, field="reason")
        self._selling.require_agreement()
        with self._database.write() as connection:
            registrations.lock_meter(connection, drn)
            present = sales.read_sale(connection, request_id)
            if present is not None:
                if present.columns["fingerprint"] != fingerprint:
                    raise Refused("RequestIdReused", f"request {request_id} was made with another content")
                return present
            standing = self._selling.look(drn)
            if standing.meter is None:
                raise Refused("UnknownMeter", f"meter {drn} is not registered")
            if standing.replaced_by is not None:
                raise Refused("MeterReplaced", f"meter {drn} was replaced by {standing.replaced_by}")
            require_clock(standing.newest_sale_at, now)
            plan = decide(connection, standing)
            self._insert(connection, kind, request_id, fingerprint, reason, standing, plan, now)
            audit_log.record_event(
                connection,
                HOUSE,
                f"{kind.lower().replace('_', ' ')} issued",
                {"request_id": request_id, "meter": drn, "reason": reason},
                now,
            )
            sale = sales.read_sale(connection, request_id)
        if sale is None:
            raise StorageError(f"request {request_id} is not on file")
        return sale

    def _insert(
        self,
        connection: Transaction,
        kind: Kind,
        request_id: str,
        fingerprint: str,
        reason: str,
        standing: Standing,
        plan: _Plan,
        now: int,
    ) -> None:
        utility = self._rules.at(standing.rules_version).utility
        accounts.ensure_lane(connection, HOUSE, self._series)
        lane = schema.account_lane
        number = connection.execute(
            lane.update()
            .where(lane.c.series == self._series)
            .values(last_number=lane.c.last_number + 1)
            .returning(lane.c.last_number)
        ).scalar_one()
        columns = standing._asdict()
        connection.execute(
            schema.sale.insert().values(
                request_id=request_id,
                kind=kind.value,
                fingerprint=fingerprint,
                vendor_id=HOUSE,
                receipt_series=self._series,
                receipt_number=number,
                reserved_at=now,
                charged_minor=0,
                utility_name=utility.name,
                tax_reference=utility.tax_reference,
                tariff_version=0,
                currency_code=utility.currency.code,
                currency_decimals=utility.currency.decimals,
                tender_minor=0,
                carried_in_minor=standing.carry_minor,
                units=sum(plan.units),
                tax_label="",
                tax_minor=0,
                carry_minor=standing.carry_minor,
                reason=reason,
                state_before=standing.tariff_state,
                details=plan.details,
                **{
                    name: columns[name]
                    for name in (
                        "meter", "customer_id", "customer_name", "meter_pan", "tariff_name", "key_type",
                        "supply_group_code", "tariff_index", "key_revision", "base_date",
                        "encryption_algorithm", "key_derivation", "key_expiry",
                    )
                },
            )
        )  # fmt: skip
        connection.execute(
            schema.token.insert(),
            [
                {
                    "meter": standing.meter,
                    "request_id": request_id,
                    "part": part,
                    "state": RESERVED,
                    "base_date": standing.base_date,
                    "token_id": token_id,
                    "units": units,
                }
                for part, (token_id, units) in enumerate(
                    zip(plan.token_ids, plan.units, strict=True), start=1
                )
            ],
        )

    def _finish(self, sale: StoredSale, now: int) -> OfficeIssue:
        if not sale.is_tokenised:
            sale = self._selling.finish_tokens(sale, now)
        return OfficeIssue(
            sale.request_id,
            Kind(sale.columns["kind"]),
            tuple(Token20.parse(token.digits or "") for token in sale.tokens),
            sale.columns["units"],
        )


@dataclass(frozen=True, slots=True)
class _Plan:
    """The tokens that are to be reserved."""

    token_ids: list[int | None]
    units: list[int]
    details: str | None

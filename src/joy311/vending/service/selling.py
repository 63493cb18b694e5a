"""The sale: decided on what was seen, reserved, asked for at the security module, and committed.

A sale is committed as RESERVED, with its request id, token identifier, carried money and receipt number,
before the security module is asked; the token is committed after. Whoever dies between the two leaves a sale
that the same request finishes, with the same token. Several sales share each of these steps where they come
together: one commit, one write of the module's journal, one more commit.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from joy311.errors import Joy311Error, Refused, StorageError
from joy311.instant import DAY_NS, MINUTE_NS, SECOND_NS, to_datetime, to_iso
from joy311.sts import BaseDate, token_id_at
from joy311.vending.account import Account
from joy311.vending.quote import Quote
from joy311.vending.receipt import Receipt
from joy311.vending.registration import checked_request_id, parse_meter_number
from joy311.vending.sale import Quote as PrintedQuote
from joy311.vending.security_module import CreditRequest, IssuedTokens, TokenRequest, WholeSecurityModule
from joy311.vending.security_module.protocol import LARGEST_BATCH
from joy311.vending.service.issues import Kind, requests_of
from joy311.vending.service.pricing import (
    account_of,
    bookings,
    price,
    printed_quote,
    state_of,
    tax_label,
)
from joy311.vending.service.requests import (
    ELECTRICITY,
    IN_FLIGHT_NS,
    SaleRequest,
    fingerprint_of,
)
from joy311.vending.service.rules import RuleBook, Rules
from joy311.vending.store import accounts, sales
from joy311.vending.store.accounts import HOUSE, Vendor
from joy311.vending.store.database import Database
from joy311.vending.store.sales import StoredSale, StoredToken
from joy311.vending.store.schema import RESERVED, TOKENISED
from joy311.vending.store.selling import LaneOverdrawn, Reservation, SellingStore, Standing, TokenRow
from joy311.vending.token_series import CLOCK_TOLERANCE_NS, TokenSeries, allocate

MOST_ROUNDS = 50
"""How often a sale looks again because its meter sold to somebody else meanwhile."""


@dataclass(frozen=True, slots=True)
class _Job:
    """One request on its way, and its place among those that came together."""

    place: int
    request: SaleRequest
    drn: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class _Decided:
    """A sale that can be: what it costs, what its meter had, and which identifiers it takes."""

    quote: Quote
    account: Account
    token_ids: tuple[int, ...]
    vendor: Vendor


Outcome = Receipt | Joy311Error


class Selling:
    """Sells over one database and one security module; threads may share it.

    Parameters
    ----------
    database : Database
        The shop's.
    rules : RuleBook
        What is sold by.
    security_module : WholeSecurityModule
        What makes the tokens.
    series : str
        The first of the utility's own receipt series that is numbered here.
    lanes : int
        How many series this process spreads its sales over.
    """

    def __init__(
        self,
        database: Database,
        rules: RuleBook,
        security_module: WholeSecurityModule,
        series: str,
        lanes: int,
    ) -> None:
        self._database = database
        self._rules = rules
        self._security_module = security_module
        self._store = _selling_store(database)
        self._house_series = (series, *(f"{series}.{number}" for number in range(1, lanes)))
        self._known_series: set[str] = set()
        self._checked_keys: dict[tuple[object, ...], int] = {}
        self._agrees = False
        self._threads = itertools.count(os.getpid())
        self._thread = threading.local()

    def sell(self, request: SaleRequest, now: int) -> Receipt:
        """Sell one, and return its receipt or raise why there is none."""
        outcome = self.sell_many((request,), now)[0]
        if isinstance(outcome, Joy311Error):
            raise outcome
        return outcome

    def sell_many(self, requests: Sequence[SaleRequest], now: int) -> list[Outcome]:
        """Sell several in as few commits as one, and return for each its receipt or why there is none.

        Raises
        ------
        StorageError
            If the database fails. The outcome of all is then open: repeat them.
        """
        if not self._agrees:
            self.require_agreement()
        outcomes: dict[int, Outcome] = {}
        waiting: list[_Job] = []
        for place, request in enumerate(requests):
            try:
                waiting.append(_job(place, request))
            except Joy311Error as error:
                outcomes[place] = error
        unfinished: list[tuple[_Job, StoredSale]] = []
        for _ in range(MOST_ROUNDS):
            if not waiting:
                break
            # One round is for one vendor, whose account it charges.
            vendor = waiting[0].request.vendor
            group = [job for job in waiting if job.request.vendor == vendor]
            rest = [job for job in waiting if job.request.vendor != vendor]
            waiting = [*rest, *self._round(vendor, group, now, outcomes, unfinished)]
            # Whoever came first goes first, however often it looks.
            waiting.sort(key=lambda job: job.place)
        for job in waiting:
            outcomes[job.place] = StorageError(f"meter {job.drn} is sold to by too many at once: repeat")
        self._finish(unfinished, now, outcomes)
        return [outcomes[place] for place in range(len(requests))]

    def require_agreement(self) -> None:
        """Check that database and security module know of each other's issues, as before the first sale.

        Raises
        ------
        Refused
            ``SecurityModuleBehind`` where the module's journal is older than the database;
            ``DatabaseBehind`` where the database is older than the journal.
        """
        # The module's count first: whatever it had issued by then was reserved in the database before.
        issued = self._security_module.status().counter
        with self._database.read() as connection:
            # And those that wait before the highest: one that is finished in between is then counted twice,
            # never not at all.
            reserved = sales.count_reserved(connection)
            on_file = sales.read_highest_counter(connection)
        if issued < on_file:
            # Others may have sold since; whether the journal is an older copy, the module itself must say.
            self._security_module.synchronise(on_file)
        if issued - on_file > reserved:
            raise Refused(
                "DatabaseBehind",
                f"the security module has issued {issued}, the database knows {on_file} and {reserved} "
                "that wait: the database is an older copy; name what it forgot first (joy311 pos resolve)",
            )
        self._agrees = True

    def quote(self, meter: str, tender_minor: int, now: int, vendor: str = HOUSE) -> PrintedQuote:
        """Return what a sale would be; nothing changes. It raises what the sale would raise."""
        job = _job(0, SaleRequest("quote", meter, tender_minor, vendor=vendor, allow_repeat=True))
        standing = self._store.look([("", job.drn)])[0]
        rules = self._rules.at(standing.rules_version)
        decided = self._decide(job, standing, rules, now)
        return printed_quote(decided.quote, decided.account)

    def finish(self, sale: StoredSale, now: int) -> Receipt:
        """Finish a sale that somebody else left RESERVED, and return its receipt."""
        outcomes: dict[int, Outcome] = {}
        columns = sale.columns
        request = SaleRequest(
            sale.request_id, sale.meter, columns["tender_minor"], vendor=columns["vendor_id"]
        )
        self._finish([(_Job(0, request, sale.meter, columns["fingerprint"]), sale)], now, outcomes)
        outcome = outcomes[0]
        if isinstance(outcome, Joy311Error):
            raise outcome
        return outcome

    def finish_tokens(self, sale: StoredSale, now: int) -> StoredSale:
        """Get and commit the tokens of what the office reserved, and return it with them."""
        self.finish(sale, now)
        with self._database.read() as connection:
            finished = sales.read_sale(connection, sale.request_id)
        if finished is None:
            raise StorageError(f"request {sale.request_id} is not on file")
        return finished

    def look(self, drn: str) -> Standing:
        """Return how things stand for a meter."""
        return self._store.look([("", drn)])[0]

    def _round(
        self,
        vendor: str,
        jobs: list[_Job],
        now: int,
        outcomes: dict[int, Outcome],
        unfinished: list[tuple[_Job, StoredSale]],
    ) -> list[_Job]:
        """Look, decide and reserve; return the jobs that must look again."""
        answered: list[_Job] = []
        again: list[_Job] = []
        reserved: list[tuple[_Job, Reservation]] = []
        numbers: dict[str, int] = {}
        new_series: str | None = None
        charged_minor = 0
        series = self._series_of(vendor)
        try:
            with self._store.deciding() as round_:
                standings = round_.look([(job.request.request_id, job.drn) for job in jobs])
                rules = self._rules.at(standings[0].rules_version)
                taken: set[str] = set()
                for job, standing in zip(jobs, standings, strict=True):
                    if standing.fingerprint is not None:
                        answered.append(job)
                    elif job.drn in taken or job.request.request_id in taken:
                        again.append(job)
                    else:
                        try:
                            reservation = self._reservation(job, standing, rules, now)
                        except Joy311Error as error:
                            outcomes[job.place] = error
                            continue
                        taken.update((job.drn, job.request.request_id))
                        reserved.append((job, reservation))
                if reserved:
                    series = series or rules.series[vendor][self._lane() % len(rules.series[vendor])]
                    charged_minor = sum(reservation.sale["charged_minor"] for _, reservation in reserved)
                    if series in self._known_series or series in rules.series.get(vendor, ()):
                        numbers = round_.reserve([reservation for _, reservation in reserved], series)
                    else:
                        new_series = series
        except LaneOverdrawn:
            again += self._without_money(vendor, series or "", reserved, charged_minor, outcomes)
            reserved = []
        if new_series is not None:
            with self._database.write() as connection:
                accounts.ensure_lane(connection, vendor, new_series)
            self._known_series.add(new_series)
        for job, reservation in reserved:
            number = numbers.get(job.request.request_id)
            if number is None:
                again.append(job)
            else:
                columns = reservation.sale | {"receipt_series": series, "receipt_number": number}
                unfinished.append((job, _stored(columns, reservation)))
        for job in answered:
            self._answer_again(job, now, outcomes, unfinished)
        return again

    def _answer_again(
        self, job: _Job, now: int, outcomes: dict[int, Outcome], unfinished: list[tuple[_Job, StoredSale]]
    ) -> None:
        """Answer a request that was made before."""
        request_id = job.request.request_id
        with self._database.read() as connection:
            sale = sales.read_sale(connection, request_id)
        if sale is None:
            outcomes[job.place] = StorageError(f"the sale of request {request_id} is not on file")
        elif sale.columns["fingerprint"] != job.fingerprint:
            outcomes[job.place] = Refused(
                "RequestIdReused", f"request {request_id} was made with another meter or amount"
            )
        elif sale.is_void:
            outcomes[job.place] = _voided(request_id)
        elif sale.is_tokenised:
            outcomes[job.place] = sale.receipt()
        elif not job.request.joins and now - sale.columns["reserved_at"] < IN_FLIGHT_NS:
            outcomes[job.place] = Refused(
                "RequestInFlight", f"request {request_id} is being answered: ask again in some seconds"
            )
        else:
            unfinished.append((job, sale))

    def _without_money(
        self,
        vendor: str,
        series: str,
        reserved: list[tuple[_Job, Reservation]],
        charged_minor: int,
        outcomes: dict[int, Outcome],
    ) -> list[_Job]:
        """Gather the vendor's money in the lane; return the jobs that may go on."""
        with self._database.write() as connection:
            if accounts.gather(connection, vendor, series, charged_minor):
                return [job for job, _ in reserved]
            if len(reserved) > 1:
                # Together they are too much; the first ones alone may not be.
                affordable = accounts.read_balance(connection, vendor)
                jobs = []
                for job, reservation in reserved:
                    affordable -= reservation.sale["charged_minor"]
                    if affordable >= 0:
                        jobs.append(job)
                    else:
                        outcomes[job.place] = _no_credit(vendor)
                return jobs
        outcomes[reserved[0][0].place] = _no_credit(vendor)
        return []

    def _finish(
        self, unfinished: list[tuple[_Job, StoredSale]], now: int, outcomes: dict[int, Outcome]
    ) -> None:
        """Get the tokens, commit them, and write down the receipts."""
        rows: list[TokenRow] = []
        issued: list[tuple[_Job, StoredSale, list[StoredToken]]] = []
        answers = self._issue(
            [sale for _, sale in unfinished], outcomes, [job.place for job, _ in unfinished]
        )
        for (job, sale), tokens in zip(unfinished, answers, strict=True):
            if tokens is None:
                continue
            issued.append((job, sale, tokens))
            rows += [
                TokenRow(
                    sale.meter,
                    sale.request_id,
                    token.part,
                    token.digits or "",
                    token.counter or 0,
                    now,
                    sale.columns["vendor_id"],
                )
                for token in tokens
            ]
        if not rows:
            return
        kept = self._store.tokenise(rows, announce=self._rules.at(0).announces)
        for job, sale, tokens in issued:
            finished = StoredSale(sale.columns, tuple(tokens), sale.lines, sale.taxes)
            whole = all((sale.request_id, token.part) in kept for token in tokens)
            if whole and sale.columns["after_key_change"] is None:
                outcomes[job.place] = finished.receipt()
            else:
                outcomes[job.place] = self._finished_by_another(finished)

    def _finished_by_another(self, finished: StoredSale) -> Outcome:
        """Return the receipt of a sale that somebody else finished meanwhile: its tokens are the same."""
        with self._database.read() as connection:
            sale = sales.read_sale(connection, finished.request_id)
        if sale is not None and sale.is_void:
            return _voided(sale.request_id)
        if sale is None or sale.tokens != finished.tokens:
            return StorageError(
                f"the sale of request {finished.request_id} does not agree with the security module"
            )
        return sale.receipt()

    def _issue(
        self, waiting: list[StoredSale], outcomes: dict[int, Outcome], places: list[int]
    ) -> list[list[StoredToken] | None]:
        """Return the tokens of each sale, or None where the module has none for it and says why."""
        asked = [requests_of(sale) for sale in waiting]
        wanted: list[tuple[str, TokenRequest]] = [request for requests in asked for request in requests]
        answers: list[IssuedTokens | Joy311Error] = []
        for start in range(0, len(wanted), LARGEST_BATCH):
            part = wanted[start : start + LARGEST_BATCH]
            try:
                answers += self._security_module.issue_many(part)
            except StorageError as error:
                answers += [error] * len(part)
        given = iter(answers)
        found: list[list[StoredToken] | None] = []
        for place, sale, requests in zip(places, waiting, asked, strict=True):
            tokens: list[StoredToken] | None = []
            for _ in requests:
                match next(given):
                    case IssuedTokens(tokens=digits, counter=counter) if tokens is not None:
                        tokens += [
                            replace(token, digits=one.digits, counter=counter, state=TOKENISED)
                            for one, token in zip(digits, sale.tokens[len(tokens) :], strict=False)
                        ]
                    case Joy311Error() as refusal:
                        tokens = None
                        outcomes[place] = refusal
                    case _:
                        pass
            if tokens is not None and len(tokens) != len(sale.tokens):
                tokens = None
                outcomes[place] = StorageError(
                    f"the security module gave another number of tokens for request {sale.request_id}"
                )
            found.append(tokens)
        return found

    def _reservation(self, job: _Job, standing: Standing, rules: Rules, now: int) -> Reservation:
        """Return the rows of a sale, or raise why there can be none."""
        decided = self._decide(job, standing, rules, now)
        quote, vendor = decided.quote, decided.vendor
        utility = rules.utility
        request = job.request
        day, month = calendar(now)
        sale = {
            "meter": job.drn,
            "request_id": request.request_id,
            "kind": Kind.SALE.value,
            "fingerprint": job.fingerprint,
            "vendor_id": vendor.vendor_id,
            "reserved_at": now,
            "charged_minor": quote.tender_minor if vendor.is_prefunded else 0,
            "utility_name": utility.name,
            "tax_reference": utility.tax_reference,
            "customer_id": standing.customer_id,
            "customer_name": standing.customer_name,
            "meter_pan": standing.meter_pan,
            "key_type": standing.key_type,
            "supply_group_code": standing.supply_group_code,
            "tariff_index": standing.tariff_index,
            "key_revision": standing.key_revision,
            "base_date": standing.base_date,
            "encryption_algorithm": standing.encryption_algorithm,
            "key_derivation": standing.key_derivation,
            "key_expiry": standing.key_expiry,
            "tariff_name": quote.tariff_name,
            "tariff_version": quote.tariff_version,
            "currency_code": quote.currency.code,
            "currency_decimals": quote.currency.decimals,
            "tender_minor": quote.tender_minor,
            "carried_in_minor": standing.carry_minor,
            "units": quote.units,
            "tax_label": tax_label(quote),
            "tax_minor": quote.tax_minor,
            "carry_minor": quote.carry_minor,
            "reason": None,
            "state_before": standing.tariff_state,
            "details": None,
            "after_key_change": standing.key_change_request,
        }
        state = {
            "version": standing.version,
            "carry_minor": quote.carry_minor,
            "day": day,
            "day_minor": bought(standing.day, day, standing.day_minor) + quote.tender_minor,
            "month": month,
            "month_minor": bought(standing.month, month, standing.month_minor) + quote.tender_minor,
            "newest_sale_at": max(now, standing.meters_newest_sale_at or 0),
            "newest_tender_minor": quote.tender_minor,
            "tariff_state": state_of(quote.account_after),
        }
        tokens = [
            {"part": part, "token_id": token_id, "units": token.units}
            for part, (token_id, token) in enumerate(
                zip(decided.token_ids, quote.tokens, strict=True), start=1
            )
        ]
        lines = [
            {
                "position": position,
                "account": booked.account,
                "label": booked.label,
                "amount_minor": booked.amount_minor,
            }
            for position, booked in enumerate(bookings(quote), start=1)
        ]
        return Reservation(sale, state, tokens, lines)

    def _decide(self, job: _Job, standing: Standing, rules: Rules, now: int) -> _Decided:
        """Return all of a sale but its rows, or raise why there can be none."""
        vendor = allowed_vendor(rules, job.request.vendor)
        if standing.meter is None:
            raise Refused("UnknownMeter", f"meter {job.drn} is not registered")
        require_open(standing)
        if vendor.supply_groups and standing.supply_group_code not in vendor.supply_groups:
            raise Refused(
                "SGCAuthorisation",
                f"vendor {vendor.vendor_id} may not sell to supply group {standing.supply_group_code}",
            )
        require_clock(standing.newest_sale_at, now)
        account = account_of(standing.tariff_state, standing.carry_minor)
        tariff = rules.tariff(standing.tariff_name, now)
        quote = price(tariff, account, job.request.tender_minor, job.request.units, now)
        _require_limits(job, quote.tender_minor, standing, rules, now)
        token_ids = token_ids_after(standing, rules, now, len(quote.tokens))
        self._check_key(standing, token_ids[-1], quote.tokens[-1].units, now)
        return _Decided(quote, account, token_ids, vendor)

    def _check_key(self, standing: Standing, token_id: int, units: int, now: int) -> None:
        """Ask the module whether the key may make such tokens, once a minute for each key."""
        key = (
            standing.supply_group_code,
            standing.key_revision,
            standing.key_type,
            standing.base_date,
            standing.encryption_algorithm,
            standing.key_derivation,
            standing.key_expiry,
        )
        minute = now // MINUTE_NS
        if self._checked_keys.get(key) == minute:
            return
        attributes = sales.attributes_of(standing._asdict())
        self._security_module.check(CreditRequest(attributes, ELECTRICITY, token_id, units))
        self._checked_keys[key] = minute

    def _series_of(self, vendor: str) -> str | None:
        return self._house_series[self._lane() % len(self._house_series)] if vendor == HOUSE else None

    def _lane(self) -> int:
        number: int | None = getattr(self._thread, "number", None)
        if number is None:
            number = self._thread.number = next(self._threads)
        return number


def allowed_vendor(rules: Rules, vendor_id: str) -> Vendor:
    """Return the vendor of that identifier, who may sell.

    Raises
    ------
    Refused
        ``UnknownVendor`` or ``VendorInactive``.
    """
    vendor = rules.vendors.get(vendor_id)
    if vendor is None:
        raise Refused("UnknownVendor", f"no vendor {vendor_id!r} is registered")
    if not vendor.is_active:
        raise Refused("VendorInactive", f"vendor {vendor_id} may not sell now")
    return vendor


def require_open(standing: Standing) -> None:
    """Refuse a meter that is blocked or was replaced.

    Raises
    ------
    Refused
        ``MeterReplaced`` or ``BlockedMeter``.
    """
    if standing.replaced_by is not None:
        raise Refused("MeterReplaced", f"meter {standing.meter} was replaced by {standing.replaced_by}")
    if standing.blocked_because is not None:
        raise Refused("BlockedMeter", f"meter {standing.meter} is blocked: {standing.blocked_because}")


def require_clock(newest_sale_at: int | None, now: int) -> None:
    """Refuse a clock that stands before the newest sale.

    Raises
    ------
    Refused
        ``ClockWentBack``.
    """
    if newest_sale_at is not None and now < newest_sale_at - CLOCK_TOLERANCE_NS:
        raise Refused(
            "ClockWentBack",
            f"the clock says {to_iso(now)}, but the newest sale was at {to_iso(newest_sale_at)}: more than "
            f"{CLOCK_TOLERANCE_NS // MINUTE_NS} minutes later",
        )


def token_ids_after(standing: Standing, rules: Rules, now: int, count: int) -> tuple[int, ...]:
    """Return the next token identifiers of a meter.

    Raises
    ------
    Refused
        ``TokenIdentifiersEnded``, ``TokenIdentifiersAhead``.
    """
    base_date = BaseDate(standing.base_date)
    known = [one for one in (standing.last_token_id, standing.token_id_floor) if one is not None]
    floor = rules.limits.token_floor
    if floor is not None and floor > base_date.epoch_ns:
        known.append(token_id_at(floor, base_date))
    series = TokenSeries(str(standing.meter), base_date, max(known) if known else None)
    return allocate(series, now, count=count)


def bought(stored_period: int, period: int, stored_minor: int) -> int:
    """Return what was bought in `period`, where `stored_minor` was bought in `stored_period`."""
    return stored_minor if stored_period == period else 0


def calendar(now: int) -> tuple[int, int]:
    """Return the day and the month of `now`, each as a number that rises."""
    return _calendar(now // DAY_NS)


@lru_cache(maxsize=64)
def _calendar(day: int) -> tuple[int, int]:
    date = to_datetime(day * DAY_NS)
    return day, 12 * date.year + date.month - 1


def _require_limits(job: _Job, tender_minor: int, standing: Standing, rules: Rules, now: int) -> None:
    limits = rules.limits
    money = rules.utility.currency
    day, month = calendar(now)
    for code, most_minor, before_minor, period in (
        ("DailyLimit", limits.daily_minor, bought(standing.day, day, standing.day_minor), "day"),
        ("MonthlyLimit", limits.monthly_minor, bought(standing.month, month, standing.month_minor), "month"),
    ):
        if most_minor is not None and before_minor + tender_minor > most_minor:
            raise Refused(
                code,
                f"{money.format(tender_minor)} {money.code} after {money.format(before_minor)} this {period} "
                f"is above the {money.format(most_minor)} of a {period}",
            )
    if limits.repeat_guard_s and not job.request.allow_repeat and standing.meters_newest_sale_at is not None:
        since_ns = now - standing.meters_newest_sale_at
        if standing.newest_tender_minor == tender_minor and since_ns < limits.repeat_guard_s * SECOND_NS:
            raise Refused(
                "RepeatedSale",
                f"meter {job.drn} bought for {money.format(tender_minor)} {money.code} "
                f"{max(0, since_ns // SECOND_NS)} s ago, less than {limits.repeat_guard_s} s: "
                "say that it is wanted again",
            )


def _job(place: int, request: SaleRequest) -> _Job:
    checked_request_id(request.request_id)
    drn = parse_meter_number(request.meter).drn
    content: list[str | int] = [drn, request.tender_minor]
    if request.units is not None:
        content += ["units", request.units]
    return _Job(place, request, drn, fingerprint_of(*content))


def _stored(columns: dict[str, object], reservation: Reservation) -> StoredSale:
    return StoredSale(
        columns,
        tuple(
            StoredToken(token["part"], token["token_id"], token["units"], None, None, RESERVED)
            for token in reservation.tokens
        ),
        *sales.split_lines(
            (line["account"], line["label"], line["amount_minor"]) for line in reservation.lines
        ),
    )


def _voided(request_id: str) -> Refused:
    return Refused("SaleVoided", f"the sale of request {request_id} was voided: it never had a token")


def _no_credit(vendor: str) -> Refused:
    return Refused("VendorCredit", f"the account of vendor {vendor} has less than this sale")


def _selling_store(database: Database) -> SellingStore:
    if database.is_postgresql:
        from joy311.vending.store.postgresql_selling import PostgresqlSelling

        return PostgresqlSelling(database)
    from joy311.vending.store.sqlite_selling import SqliteSelling

    return SqliteSelling(database)

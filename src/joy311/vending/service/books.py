"""Keeping the books right: unfinished sales, voids, the audit log, and what a restored backup forgot."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from joy311.errors import Joy311Error, Refused
from joy311.instant import MINUTE_NS, to_iso
from joy311.vending.audit import ProofFault, prove_issues, verify_chain
from joy311.vending.receipt import Receipt
from joy311.vending.security_module import WholeSecurityModule
from joy311.vending.service.issues import Kind
from joy311.vending.service.selling import Selling, bought, calendar
from joy311.vending.store import accounts, audit_log, registrations, sales, schema
from joy311.vending.store.database import Database
from joy311.vending.store.sales import StoredSale
from joy311.vending.store.schema import RESERVED, VOID
from joy311.vending.token_series import LARGEST_LEAD_MINUTES

MOST_LISTED = 1_000
"""Most unfinished sales that are listed at once."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with the books.

    Parameters
    ----------
    place : str
        Where: a vendor's day and row, a counter, a request.
    fault : str
        What it is.
    """

    place: str
    fault: str


class Books:
    """What is done about a shop's books, beside selling.

    Parameters
    ----------
    database : Database
        The shop's.
    security_module : WholeSecurityModule
        What makes the tokens.
    selling : Selling
        What finishes a sale.
    """

    def __init__(self, database: Database, security_module: WholeSecurityModule, selling: Selling) -> None:
        self._database = database
        self._security_module = security_module
        self._selling = selling

    def unfinished(self) -> list[StoredSale]:
        """Return the sales that have no token yet, the oldest first, at most `MOST_LISTED`."""
        with self._database.read() as connection:
            return sales.read_reserved(connection, MOST_LISTED)

    def resolve(self, now: int) -> tuple[list[Receipt | Joy311Error], list[str]]:
        """Finish every unfinished sale, and name what the module issued and no book knows.

        After that, no token identifier is given that a forgotten sale may have had.

        Returns
        -------
        tuple of list of Receipt or Joy311Error, list of str
            What became of the unfinished sales, and the requests of the issues that were named orphans.
        """
        finished: list[Receipt | Joy311Error] = []
        for sale in self.unfinished():
            try:
                finished.append(self._selling.finish(sale, now))
                if sale.columns["kind"] == Kind.KEY_CHANGE:
                    with self._database.write() as connection:
                        registrations.use_key_state(connection, sale.meter, sale.request_id)
            except Joy311Error as error:
                finished.append(error)
        with self._database.write() as connection:
            # Nobody changes the rules meanwhile, so nobody else names the same orphans.
            registrations.change_rules(connection)
            named = [
                finding
                for finding in prove_issues(
                    self._security_module.journal(),
                    audit_log.read_issues(connection),
                    audit_log.read_orphans(connection),
                )
                if finding.fault is ProofFault.ORPHAN_UNRESOLVED
            ]
            forgotten: list[str] = []
            for finding in named:
                request_id = finding.request_id.partition("/")[0]
                on_file = sales.read_sale(connection, request_id)
                if on_file is not None and not on_file.is_void:
                    continue
                because = "forgotten by a restored database" if on_file is None else "voided"
                audit_log.insert_orphan(connection, finding.counter, finding.request_id, because, now)
                audit_log.record_event(
                    connection,
                    accounts.HOUSE,
                    "orphan named",
                    {"counter": finding.counter, "request_id": finding.request_id, "because": because},
                    now,
                )
                if on_file is None:
                    forgotten.append(finding.request_id)
            if forgotten:
                registrations.raise_token_floor(connection, now + LARGEST_LEAD_MINUTES * MINUTE_NS)
                accounts.skip_numbers(connection, len(forgotten))
        return finished, [finding.request_id for finding in named]

    def void(self, request_id: str, reason: str, now: int) -> None:
        """Take back a sale that has no token yet; the same void again changes nothing.

        Raises
        ------
        Refused
            ``UnknownSale``; ``SaleHasToken`` where there is one, or the module has made one;
            ``VoidTooLate`` where the meter bought since.
        """
        with self._database.read() as connection:
            sale = _known(sales.read_sale(connection, request_id), request_id)
        if sale.is_void:
            return
        if sale.is_tokenised or self._security_module.find(request_id) is not None:
            raise Refused(
                "SaleHasToken", f"the sale of request {request_id} has a token: it cannot be voided"
            )
        with self._database.write() as connection:
            row = sale.columns
            token, state = schema.token, schema.meter_state
            # The meter first, as every sale does.
            before = connection.execute(
                schema.meter_state.select().where(state.c.meter == sale.meter).with_for_update()
            ).one()
            voided = connection.execute(
                token.update()
                .where(
                    token.c.meter == sale.meter,
                    token.c.request_id == request_id,
                    token.c.state == RESERVED,
                )
                .values(state=VOID)
            ).rowcount
            if voided != len(sale.tokens):
                raise Refused("SaleHasToken", f"the sale of request {request_id} was finished meanwhile")
            newest = sales.read_newest_request(connection, sale.meter, row["base_date"])
            if newest != request_id:
                raise Refused(
                    "VoidTooLate",
                    f"meter {sale.meter} bought again since: finish the sale of request {request_id} instead",
                )
            day, month = calendar(row["reserved_at"])
            connection.execute(
                state.update()
                .where(state.c.meter == sale.meter)
                .values(
                    version=before.version + 1,
                    carry_minor=row["carried_in_minor"],
                    tariff_state=row["state_before"],
                    day_minor=before.day_minor - bought(before.day, day, row["tender_minor"]),
                    month_minor=before.month_minor - bought(before.month, month, row["tender_minor"]),
                )
            )
            accounts.refund(connection, row["receipt_series"], row["charged_minor"])
            audit_log.record_event(
                connection, row["vendor_id"], "sale voided", {"request_id": request_id, "reason": reason}, now
            )

    def seal(self, now: int) -> int:
        """Chain what happened since the last time, sign the days that are over, and return how many rows."""
        day = to_iso(now)[:10]
        with self._database.write() as connection:
            added = audit_log.seal(connection, day)
            for vendor_id, other in audit_log.read_days(connection):
                if other < day and audit_log.read_root(connection, vendor_id, other) is None:
                    root = audit_log.root_of(
                        vendor_id, other, audit_log.read_rows(connection, vendor_id, other)
                    )
                    audit_log.insert_root(connection, root, self._security_module.sign_audit_root(root))
        return added

    def verify(self) -> Iterator[Finding]:
        """Yield what is wrong with the audit log, the sales that it covers, and the module's journal."""
        key = Ed25519PublicKey.from_public_bytes(self._security_module.audit_public_key())

        def is_the_modules(content: bytes, signature: bytes) -> bool:
            try:
                key.verify(signature, content)
            except InvalidSignature:
                return False
            return True

        with self._database.read() as connection:
            for vendor_id, day in audit_log.read_days(connection):
                rows = audit_log.read_rows(connection, vendor_id, day)
                signed = audit_log.read_root(connection, vendor_id, day)
                # An open day's chain must hold, but nobody has signed it yet.
                root, signature = signed or (audit_log.root_of(vendor_id, day, rows), b"")
                is_signed = _anything if signed is None else is_the_modules
                for fault in verify_chain(root, rows, signature=signature, is_signed=is_signed):
                    row_place = "root" if fault.sequence is None else f"row {fault.sequence}"
                    yield Finding(f"audit log of {vendor_id}, {day}, {row_place}", fault.fault.value)
                for row in rows:
                    if row.content.get("kind") != "issue":
                        continue
                    request_id = str(row.content["request_id"]).partition("/")[0]
                    if audit_log.digest_of_sale(connection, request_id) != row.content["sale"]:
                        yield Finding(f"sale {request_id}", "not as the audit log says: edited or missing")
            for proof in prove_issues(
                self._security_module.journal(),
                audit_log.read_issues(connection),
                audit_log.read_orphans(connection),
            ):
                yield Finding(f"issue {proof.counter}, request {proof.request_id}", proof.fault.value)


def _anything(_content: bytes, _signature: bytes) -> bool:
    return True


def _known(sale: StoredSale | None, request_id: str) -> StoredSale:
    if sale is None:
        raise Refused("UnknownSale", f"no sale answers request {request_id}")
    return sale

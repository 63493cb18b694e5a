"""The tables of the shop.

Keys are text. A meter's number leads every key of what a sale writes, so that a database spread over several
servers can keep a meter together (docs/adr/0013). Amounts are whole minor units, instants whole nanoseconds.
What a receipt prints is copied into the sale, so that a receipt never changes when a name or a price does.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)


def _key_columns() -> list[Column[Any]]:
    """Return what a decoder key is made from, all but the meter; never a key."""
    return [
        Column("key_type", Integer, nullable=False),
        Column("supply_group_code", Text, nullable=False),
        Column("tariff_index", Text, nullable=False),
        Column("key_revision", Integer, nullable=False),
        Column("base_date", Integer, nullable=False),
        Column("encryption_algorithm", Integer, nullable=False),
        Column("key_derivation", Integer, nullable=False),
        Column("key_expiry", Integer, nullable=False),
    ]


utility = Table(
    "utility",
    metadata,
    Column("utility_id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("tax_reference", Text, nullable=False),
    Column("currency_code", Text, nullable=False),
    Column("currency_decimals", Integer, nullable=False),
    # What one meter may buy, and how soon the same again [minor units, s]; null sets no limit.
    Column("daily_limit_minor", BigInteger),
    Column("monthly_limit_minor", BigInteger),
    Column("repeat_guard_s", Integer),
    # No token identifier below this instant [ns]: what an older copy of this database may have sold since.
    Column("token_floor", BigInteger),
    # Grows with every change of what a sale is decided by, so that other processes notice.
    Column("rules_version", BigInteger, nullable=False),
    # The security module's issues up to this count are in the audit log.
    Column("sealed_counter", BigInteger, nullable=False),
)

supply_group = Table(
    "supply_group",
    metadata,
    Column("supply_group_code", Text, primary_key=True),
    Column("utility_id", Text, ForeignKey(utility.c.utility_id), nullable=False),
)

vending_key = Table(
    "vending_key",
    metadata,
    Column("supply_group_code", Text, ForeignKey(supply_group.c.supply_group_code), primary_key=True),
    Column("key_revision", Integer, primary_key=True),
    Column("key_type", Integer, primary_key=True),
    Column("base_date", Integer, primary_key=True),
    Column("encryption_algorithm", Integer, nullable=False),
    Column("key_derivation", Integer, nullable=False),
    Column("key_expiry", Integer, nullable=False),
)

customer = Table(
    "customer",
    metadata,
    Column("customer_id", Text, primary_key=True),
    Column("name", Text, nullable=False),
)

premise = Table(
    "premise",
    metadata,
    Column("premise_id", Text, primary_key=True),
    Column("address", Text, nullable=False),
)

tariff = Table(
    "tariff",
    metadata,
    Column("name", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("effective_from", BigInteger, nullable=False),
    Column("document", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("made_by", Text, nullable=False),
    Column("checked_by", Text),
)

vendor = Table(
    "vendor",
    metadata,
    Column("vendor_id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("is_prefunded", Boolean, nullable=False),
    Column("is_active", Boolean, nullable=False),
)

vendor_supply_group = Table(
    "vendor_supply_group",
    metadata,
    Column("vendor_id", Text, ForeignKey(vendor.c.vendor_id), primary_key=True),
    Column("supply_group_code", Text, ForeignKey(supply_group.c.supply_group_code), primary_key=True),
)

# A vendor's money and receipt numbers lie in several lanes, so that tills do not wait for each other.
account_lane = Table(
    "account_lane",
    metadata,
    Column("series", Text, primary_key=True),
    Column("vendor_id", Text, ForeignKey(vendor.c.vendor_id), nullable=False),
    Column("available_minor", BigInteger, nullable=False),
    Column("last_number", BigInteger, nullable=False),
    Column("newest_sale_at", BigInteger),
    CheckConstraint("available_minor >= 0", name="not_overdrawn"),
    Index(None, "vendor_id"),
)

account_entry = Table(
    "account_entry",
    metadata,
    Column("vendor_id", Text, ForeignKey(vendor.c.vendor_id), primary_key=True),
    Column("reference", Text, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
)

meter = Table(
    "meter",
    metadata,
    Column("meter", Text, primary_key=True),
    Column("meter_pan", Text, nullable=False),
    Column("customer_id", Text, ForeignKey(customer.c.customer_id), nullable=False),
    Column("premise_id", Text, ForeignKey(premise.c.premise_id)),
    Column("tariff_name", Text, nullable=False),
    Column("key_sequence", Integer, nullable=False),
    Column("registered_at", BigInteger, nullable=False),
    Column("blocked_because", Text),
    Column("replaced_by", Text),
    Column("sandbox", Text),
)

meter_key_state = Table(
    "meter_key_state",
    metadata,
    Column("meter", Text, ForeignKey(meter.c.meter), primary_key=True),
    Column("sequence", Integer, primary_key=True),
    Column("effective_from", BigInteger, nullable=False),
    Column("changed_by_request", Text),
    Column("confirmed_at", BigInteger),
    *_key_columns(),
)

# What changes with every sale of a meter, in one row: whoever sells moves its version.
meter_state = Table(
    "meter_state",
    metadata,
    Column("meter", Text, ForeignKey(meter.c.meter), primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("carry_minor", BigInteger, nullable=False),
    Column("day", Integer, nullable=False),
    Column("day_minor", BigInteger, nullable=False),
    Column("month", Integer, nullable=False),
    Column("month_minor", BigInteger, nullable=False),
    Column("newest_sale_at", BigInteger),
    Column("newest_tender_minor", BigInteger),
    Column("tariff_state", Text, nullable=False),
    CheckConstraint("carry_minor >= 0", name="not_negative"),
)

# Where a series began: the last identifier that another shop gave, or that was archived here.
token_series = Table(
    "token_series",
    metadata,
    Column("meter", Text, ForeignKey(meter.c.meter), primary_key=True),
    Column("base_date", Integer, primary_key=True),
    Column("last_token_id", Integer, nullable=False),
)

sale = Table(
    "sale",
    metadata,
    Column("meter", Text, ForeignKey(meter.c.meter), primary_key=True),
    Column("request_id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("vendor_id", Text, nullable=False),
    Column("receipt_series", Text, nullable=False),
    Column("receipt_number", BigInteger, nullable=False),
    Column("reserved_at", BigInteger, nullable=False),
    Column("charged_minor", BigInteger, nullable=False),
    Column("utility_name", Text, nullable=False),
    Column("tax_reference", Text, nullable=False),
    Column("customer_id", Text, nullable=False),
    Column("customer_name", Text, nullable=False),
    Column("meter_pan", Text, nullable=False),
    *_key_columns(),
    Column("tariff_name", Text, nullable=False),
    Column("tariff_version", Integer, nullable=False),
    Column("currency_code", Text, nullable=False),
    Column("currency_decimals", Integer, nullable=False),
    Column("tender_minor", BigInteger, nullable=False),
    Column("carried_in_minor", BigInteger, nullable=False),
    Column("units", Integer, nullable=False),
    Column("tax_label", Text, nullable=False),
    Column("tax_minor", BigInteger, nullable=False),
    Column("carry_minor", BigInteger, nullable=False),
    Column("reason", Text),
    # What the meter's tariff state was, so that a sale without a token can be undone.
    Column("state_before", Text, nullable=False),
    # What a key change or an engineering token says, for whoever has to ask the module again.
    Column("details", Text),
    # The key change whose tokens are to be typed first.
    Column("after_key_change", Text),
    UniqueConstraint("request_id"),
    UniqueConstraint("receipt_series", "receipt_number"),
)

RESERVED, TOKENISED, VOID = "RESERVED", "TOKENISED", "VOID"

token = Table(
    "token",
    metadata,
    Column("meter", Text, primary_key=True),
    Column("request_id", Text, primary_key=True),
    Column("part", Integer, primary_key=True),
    Column("state", Text, nullable=False),
    Column("base_date", Integer, nullable=False),
    # A token of the classes without an identifier has none.
    Column("token_id", Integer),
    Column("units", Integer, nullable=False),
    Column("digits", Text),
    Column("counter", BigInteger),
    Column("tokenised_at", BigInteger),
    ForeignKeyConstraint(["meter", "request_id"], [sale.c.meter, sale.c.request_id]),
    UniqueConstraint("meter", "base_date", "token_id"),
    # The tokens of one key change are one issue of the module and share its count.
    UniqueConstraint("counter", "part"),
    CheckConstraint(
        f"(state = '{TOKENISED}') = (digits IS NOT NULL) AND (digits IS NULL) = (counter IS NULL) "
        f"AND state IN ('{RESERVED}', '{TOKENISED}', '{VOID}')",
        name="digits_of_state",
    ),
    Index(None, "digits"),
    Index(
        "ix_token_reserved",
        "request_id",
        sqlite_where=text(f"state = '{RESERVED}'"),
        postgresql_where=text(f"state = '{RESERVED}'"),
    ),
)

ledger = Table(
    "ledger",
    metadata,
    Column("meter", Text, primary_key=True),
    Column("request_id", Text, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("account", Text, nullable=False),
    Column("label", Text, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    ForeignKeyConstraint(["meter", "request_id"], [sale.c.meter, sale.c.request_id]),
)

outbox = Table(
    "outbox",
    metadata,
    Column("meter", Text, primary_key=True),
    Column("request_id", Text, primary_key=True),
    Column("event", Text, primary_key=True),
    Column("webhook_id", Text, primary_key=True),
    Column("created_at", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    # Null once delivered, or given up.
    Column("next_attempt_at", BigInteger),
    Index(
        "ix_outbox_due",
        "next_attempt_at",
        sqlite_where=text("next_attempt_at IS NOT NULL"),
        postgresql_where=text("next_attempt_at IS NOT NULL"),
    ),
)

webhook = Table(
    "webhook",
    metadata,
    Column("webhook_id", Text, primary_key=True),
    Column("vendor_id", Text, ForeignKey(vendor.c.vendor_id), nullable=False),
    Column("url", Text, nullable=False),
    Column("secret", Text, nullable=False),
)

api_key = Table(
    "api_key",
    metadata,
    Column("key_id", Text, primary_key=True),
    Column("secret_digest", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("vendor_id", Text, ForeignKey(vendor.c.vendor_id), nullable=False),
    Column("scopes", Text, nullable=False),
    Column("requests_a_minute", Integer, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("revoked_at", BigInteger),
)

idempotency_key = Table(
    "idempotency_key",
    metadata,
    Column("key_id", Text, primary_key=True),
    Column("idempotency_key", Text, primary_key=True),
    Column("fingerprint", Text, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    # Null while the request is in flight.
    Column("status", Integer),
    Column("body", Text),
)

parked_payment = Table(
    "parked_payment",
    metadata,
    Column("payment_id", Text, primary_key=True),
    Column("vendor_id", Text, ForeignKey(vendor.c.vendor_id), nullable=False),
    Column("meter_text", Text, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("because", Text, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("resolved_at", BigInteger),
    Column("resolved_by", Text),
    Column("resolution", Text),
)

audit_event = Table(
    "audit_event",
    metadata,
    Column("vendor_id", Text, primary_key=True),
    Column("event_id", Text, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("content", Text, nullable=False),
    Column("sealed", Boolean, nullable=False),
)

audit_entry = Table(
    "audit_entry",
    metadata,
    Column("vendor_id", Text, primary_key=True),
    Column("day", Text, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("content", Text, nullable=False),
    Column("digest", Text, nullable=False),
)

audit_root = Table(
    "audit_root",
    metadata,
    Column("vendor_id", Text, primary_key=True),
    Column("day", Text, primary_key=True),
    Column("row_count", Integer, nullable=False),
    Column("digest", Text, nullable=False),
    Column("signature", Text, nullable=False),
)

orphan = Table(
    "orphan",
    metadata,
    Column("counter", BigInteger, primary_key=True),
    Column("request_id", Text, nullable=False),
    Column("named_at", BigInteger, nullable=False),
    Column("because", Text, nullable=False),
)

"""The tables of the shop.

Keys are text and a meter's number leads every key of what belongs to a meter, so that a database spread over
several servers can keep a meter together. Amounts are whole minor units, instants whole nanoseconds. What a
receipt prints is copied into the sale, so that a receipt never changes when a name or a price does.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
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

utility = Table(
    "utility",
    metadata,
    Column("utility_id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("tax_reference", Text, nullable=False),
    Column("currency_code", Text, nullable=False),
    Column("currency_decimals", Integer, nullable=False),
)

supply_group = Table(
    "supply_group",
    metadata,
    Column("supply_group_code", Text, primary_key=True),
    Column("key_revision", Integer, primary_key=True),
    Column("key_type", Integer, nullable=False),
    Column("base_date", Integer, nullable=False),
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

tariff = Table(
    "tariff",
    metadata,
    Column("name", Text, primary_key=True),
    Column("price_per_kwh", Text, nullable=False),
    Column("tax_name", Text, nullable=False),
    Column("tax_rate_percent", Text, nullable=False),
    Column("tax_basis", Text, nullable=False),
    Column("rounding", Text, nullable=False),
    Column("minimum_tender_minor", BigInteger, nullable=False),
    Column("maximum_tender_minor", BigInteger, nullable=False),
)

meter = Table(
    "meter",
    metadata,
    Column("meter", Text, primary_key=True),
    Column("meter_pan", Text, nullable=False),
    Column("customer_id", Text, ForeignKey(customer.c.customer_id), nullable=False),
    Column("tariff_name", Text, ForeignKey(tariff.c.name), nullable=False),
    Column("registered_at", BigInteger, nullable=False),
)

meter_key_state = Table(
    "meter_key_state",
    metadata,
    Column("meter", Text, ForeignKey(meter.c.meter), primary_key=True),
    Column("sequence", Integer, primary_key=True),
    Column("effective_from", BigInteger, nullable=False),
    Column("key_type", Integer, nullable=False),
    Column("supply_group_code", Text, nullable=False),
    Column("tariff_index", Text, nullable=False),
    Column("key_revision", Integer, nullable=False),
    Column("base_date", Integer, nullable=False),
    Column("encryption_algorithm", Integer, nullable=False),
    Column("key_derivation", Integer, nullable=False),
    Column("key_expiry", Integer, nullable=False),
)

token_series = Table(
    "token_series",
    metadata,
    Column("meter", Text, ForeignKey(meter.c.meter), primary_key=True),
    Column("base_date", Integer, primary_key=True),
    Column("last_token_id", Integer, nullable=False),
)

carry = Table(
    "carry",
    metadata,
    Column("meter", Text, ForeignKey(meter.c.meter), primary_key=True),
    Column("customer_id", Text, ForeignKey(customer.c.customer_id), primary_key=True),
    Column("carry_minor", BigInteger, nullable=False),
    CheckConstraint("carry_minor >= 0", name="not_negative"),
)

receipt_series = Table(
    "receipt_series",
    metadata,
    Column("series", Text, primary_key=True),
    Column("last_number", BigInteger, nullable=False),
)

sale = Table(
    "sale",
    metadata,
    Column("meter", Text, ForeignKey(meter.c.meter), primary_key=True),
    Column("base_date", Integer, primary_key=True),
    Column("token_id", Integer, primary_key=True),
    Column("request_id", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("receipt_series", Text, ForeignKey(receipt_series.c.series), nullable=False),
    Column("receipt_number", BigInteger, nullable=False),
    Column("reserved_at", BigInteger, nullable=False),
    Column("tokenised_at", BigInteger),
    Column("utility_name", Text, nullable=False),
    Column("tax_reference", Text, nullable=False),
    Column("customer_id", Text, ForeignKey(customer.c.customer_id), nullable=False),
    Column("customer_name", Text, nullable=False),
    Column("meter_pan", Text, nullable=False),
    Column("key_type", Integer, nullable=False),
    Column("supply_group_code", Text, nullable=False),
    Column("tariff_index", Text, nullable=False),
    Column("key_revision", Integer, nullable=False),
    Column("encryption_algorithm", Integer, nullable=False),
    Column("key_derivation", Integer, nullable=False),
    Column("key_expiry", Integer, nullable=False),
    Column("tariff_name", Text, nullable=False),
    Column("currency_code", Text, nullable=False),
    Column("currency_decimals", Integer, nullable=False),
    Column("tender_minor", BigInteger, nullable=False),
    Column("carried_in_minor", BigInteger, nullable=False),
    Column("units", Integer, nullable=False),
    Column("tax_label", Text, nullable=False),
    Column("tax_minor", BigInteger, nullable=False),
    Column("carry_minor", BigInteger, nullable=False),
    Column("token", Text),
    Column("counter", BigInteger),
    UniqueConstraint("request_id"),
    UniqueConstraint("receipt_series", "receipt_number"),
    CheckConstraint(
        "(state = 'RESERVED' AND token IS NULL AND counter IS NULL AND tokenised_at IS NULL) OR "
        "(state = 'TOKENISED' AND token IS NOT NULL AND counter IS NOT NULL AND tokenised_at IS NOT NULL)",
        name="token_of_state",
    ),
    Index(None, "token"),
    Index(None, "reserved_at"),
)

sale_line = Table(
    "sale_line",
    metadata,
    Column("meter", Text, primary_key=True),
    Column("base_date", Integer, primary_key=True),
    Column("token_id", Integer, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("label", Text, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    ForeignKeyConstraint(
        ["meter", "base_date", "token_id"],
        [sale.c.meter, sale.c.base_date, sale.c.token_id],
    ),
)

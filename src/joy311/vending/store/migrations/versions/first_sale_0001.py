"""The tables of the first sale."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "customer",
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("customer_id", name=op.f("pk_customer")),
    )
    op.create_table(
        "receipt_series",
        sa.Column("series", sa.Text(), nullable=False),
        sa.Column("last_number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("series", name=op.f("pk_receipt_series")),
    )
    op.create_table(
        "supply_group",
        sa.Column("supply_group_code", sa.Text(), nullable=False),
        sa.Column("key_revision", sa.Integer(), nullable=False),
        sa.Column("key_type", sa.Integer(), nullable=False),
        sa.Column("base_date", sa.Integer(), nullable=False),
        sa.Column("encryption_algorithm", sa.Integer(), nullable=False),
        sa.Column("key_derivation", sa.Integer(), nullable=False),
        sa.Column("key_expiry", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("supply_group_code", "key_revision", name=op.f("pk_supply_group")),
    )
    op.create_table(
        "tariff",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("price_per_kwh", sa.Text(), nullable=False),
        sa.Column("tax_name", sa.Text(), nullable=False),
        sa.Column("tax_rate_percent", sa.Text(), nullable=False),
        sa.Column("tax_basis", sa.Text(), nullable=False),
        sa.Column("rounding", sa.Text(), nullable=False),
        sa.Column("minimum_tender_minor", sa.BigInteger(), nullable=False),
        sa.Column("maximum_tender_minor", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_tariff")),
    )
    op.create_table(
        "utility",
        sa.Column("utility_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("tax_reference", sa.Text(), nullable=False),
        sa.Column("currency_code", sa.Text(), nullable=False),
        sa.Column("currency_decimals", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("utility_id", name=op.f("pk_utility")),
    )
    op.create_table(
        "meter",
        sa.Column("meter", sa.Text(), nullable=False),
        sa.Column("meter_pan", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("tariff_name", sa.Text(), nullable=False),
        sa.Column("registered_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.customer_id"], name=op.f("fk_meter_customer_id")),
        sa.ForeignKeyConstraint(["tariff_name"], ["tariff.name"], name=op.f("fk_meter_tariff_name")),
        sa.PrimaryKeyConstraint("meter", name=op.f("pk_meter")),
    )
    op.create_table(
        "carry",
        sa.Column("meter", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("carry_minor", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("carry_minor >= 0", name=op.f("ck_carry_not_negative")),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.customer_id"], name=op.f("fk_carry_customer_id")),
        sa.ForeignKeyConstraint(["meter"], ["meter.meter"], name=op.f("fk_carry_meter")),
        sa.PrimaryKeyConstraint("meter", "customer_id", name=op.f("pk_carry")),
    )
    op.create_table(
        "meter_key_state",
        sa.Column("meter", sa.Text(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("effective_from", sa.BigInteger(), nullable=False),
        sa.Column("key_type", sa.Integer(), nullable=False),
        sa.Column("supply_group_code", sa.Text(), nullable=False),
        sa.Column("tariff_index", sa.Text(), nullable=False),
        sa.Column("key_revision", sa.Integer(), nullable=False),
        sa.Column("base_date", sa.Integer(), nullable=False),
        sa.Column("encryption_algorithm", sa.Integer(), nullable=False),
        sa.Column("key_derivation", sa.Integer(), nullable=False),
        sa.Column("key_expiry", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["meter"], ["meter.meter"], name=op.f("fk_meter_key_state_meter")),
        sa.PrimaryKeyConstraint("meter", "sequence", name=op.f("pk_meter_key_state")),
    )
    op.create_table(
        "sale",
        sa.Column("meter", sa.Text(), nullable=False),
        sa.Column("base_date", sa.Integer(), nullable=False),
        sa.Column("token_id", sa.Integer(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("receipt_series", sa.Text(), nullable=False),
        sa.Column("receipt_number", sa.BigInteger(), nullable=False),
        sa.Column("reserved_at", sa.BigInteger(), nullable=False),
        sa.Column("tokenised_at", sa.BigInteger(), nullable=True),
        sa.Column("utility_name", sa.Text(), nullable=False),
        sa.Column("tax_reference", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("customer_name", sa.Text(), nullable=False),
        sa.Column("meter_pan", sa.Text(), nullable=False),
        sa.Column("key_type", sa.Integer(), nullable=False),
        sa.Column("supply_group_code", sa.Text(), nullable=False),
        sa.Column("tariff_index", sa.Text(), nullable=False),
        sa.Column("key_revision", sa.Integer(), nullable=False),
        sa.Column("encryption_algorithm", sa.Integer(), nullable=False),
        sa.Column("key_derivation", sa.Integer(), nullable=False),
        sa.Column("key_expiry", sa.Integer(), nullable=False),
        sa.Column("tariff_name", sa.Text(), nullable=False),
        sa.Column("currency_code", sa.Text(), nullable=False),
        sa.Column("currency_decimals", sa.Integer(), nullable=False),
        sa.Column("tender_minor", sa.BigInteger(), nullable=False),
        sa.Column("carried_in_minor", sa.BigInteger(), nullable=False),
        sa.Column("units", sa.Integer(), nullable=False),
        sa.Column("tax_label", sa.Text(), nullable=False),
        sa.Column("tax_minor", sa.BigInteger(), nullable=False),
        sa.Column("carry_minor", sa.BigInteger(), nullable=False),
        sa.Column("token", sa.Text(), nullable=True),
        sa.Column("counter", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "(state = 'RESERVED' AND token IS NULL AND counter IS NULL AND tokenised_at IS NULL) OR "
            "(state = 'TOKENISED' AND token IS NOT NULL AND counter IS NOT NULL "
            "AND tokenised_at IS NOT NULL)",
            name=op.f("ck_sale_token_of_state"),
        ),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.customer_id"], name=op.f("fk_sale_customer_id")),
        sa.ForeignKeyConstraint(["meter"], ["meter.meter"], name=op.f("fk_sale_meter")),
        sa.ForeignKeyConstraint(
            ["receipt_series"], ["receipt_series.series"], name=op.f("fk_sale_receipt_series")
        ),
        sa.PrimaryKeyConstraint("meter", "base_date", "token_id", name=op.f("pk_sale")),
        sa.UniqueConstraint(
            "receipt_series", "receipt_number", name=op.f("uq_sale_receipt_series_receipt_number")
        ),
        sa.UniqueConstraint("request_id", name=op.f("uq_sale_request_id")),
    )
    op.create_index(op.f("ix_sale_reserved_at"), "sale", ["reserved_at"], unique=False)
    op.create_index(op.f("ix_sale_token"), "sale", ["token"], unique=False)

    op.create_table(
        "token_series",
        sa.Column("meter", sa.Text(), nullable=False),
        sa.Column("base_date", sa.Integer(), nullable=False),
        sa.Column("last_token_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["meter"], ["meter.meter"], name=op.f("fk_token_series_meter")),
        sa.PrimaryKeyConstraint("meter", "base_date", name=op.f("pk_token_series")),
    )
    op.create_table(
        "sale_line",
        sa.Column("meter", sa.Text(), nullable=False),
        sa.Column("base_date", sa.Integer(), nullable=False),
        sa.Column("token_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["meter", "base_date", "token_id"],
            ["sale.meter", "sale.base_date", "sale.token_id"],
            name=op.f("fk_sale_line_meter_base_date_token_id"),
        ),
        sa.PrimaryKeyConstraint("meter", "base_date", "token_id", "position", name=op.f("pk_sale_line")),
    )


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table("sale_line")
    op.drop_table("token_series")
    op.drop_index(op.f("ix_sale_token"), table_name="sale")
    op.drop_index(op.f("ix_sale_reserved_at"), table_name="sale")

    op.drop_table("sale")
    op.drop_table("meter_key_state")
    op.drop_table("carry")
    op.drop_table("meter")
    op.drop_table("utility")
    op.drop_table("tariff")
    op.drop_table("supply_group")
    op.drop_table("receipt_series")
    op.drop_table("customer")

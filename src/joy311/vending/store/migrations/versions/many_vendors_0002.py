"""The tables of many vendors, meters and processes: what is on file moves into them."""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

from joy311.vending.store.migrations.versions import first_sale_0001

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_OLD = (
    "utility",
    "supply_group",
    "customer",
    "tariff",
    "meter",
    "meter_key_state",
    "token_series",
    "carry",
    "receipt_series",
    "sale",
    "sale_line",
)
_KEPT = (
    "utility",
    "vending_key",
    "customer",
    "tariff",
    "meter",
    "meter_key_state",
    "meter_state",
    "token_series",
    "account_lane",
    "sale",
    "token",
    "ledger",
)
_NEW = (
    "orphan",
    "audit_root",
    "audit_entry",
    "audit_event",
    "parked_payment",
    "idempotency_key",
    "api_key",
    "outbox",
    "webhook",
    "ledger",
    "token",
    "sale",
    "token_series",
    "meter_state",
    "meter_key_state",
    "meter",
    "account_entry",
    "account_lane",
    "vendor_supply_group",
    "vendor",
    "tariff",
    "premise",
    "customer",
    "vending_key",
    "supply_group",
    "utility",
)
_FLAT_COLUMNS = (
    "price_per_kwh",
    "tax_name",
    "tax_rate_percent",
    "tax_basis",
    "rounding",
    "minimum_tender_minor",
    "maximum_tender_minor",
)
_KEY = (
    "key_type, supply_group_code, tariff_index, key_revision, base_date, encryption_algorithm, "
    "key_derivation, key_expiry"
)
_OF_SALE = (
    "utility_name, tax_reference, customer_id, customer_name, meter_pan, " + _KEY + ", tariff_name, "
    "currency_code, currency_decimals, tender_minor, carried_in_minor, units, tax_label, tax_minor, "
    "carry_minor"
)
_NUMBERED = (
    "SELECT coalesce(max(l.position), 0) FROM aside_sale_line l WHERE l.meter = s.meter "
    "AND l.base_date = s.base_date AND l.token_id = s.token_id"
)


def upgrade() -> None:
    """Make the new tables and move everything into them."""
    _set_aside(_OLD)
    first_sale_0001.downgrade()
    _make_tables()
    fill = op.execute
    fill(
        "INSERT INTO utility (utility_id, name, tax_reference, currency_code, currency_decimals, "
        "rules_version, sealed_counter) "
        "SELECT utility_id, name, tax_reference, currency_code, currency_decimals, 1, 0 "
        "FROM aside_utility"
    )
    fill(
        "INSERT INTO supply_group (supply_group_code, utility_id) "
        "SELECT DISTINCT supply_group_code, '1' FROM aside_supply_group"
    )
    fill(
        "INSERT INTO vending_key (supply_group_code, key_revision, key_type, base_date, "
        "encryption_algorithm, key_derivation, key_expiry) SELECT supply_group_code, key_revision, "
        "key_type, base_date, encryption_algorithm, key_derivation, key_expiry FROM aside_supply_group"
    )
    fill("INSERT INTO customer (customer_id, name) SELECT customer_id, name FROM aside_customer")
    _tariffs_become_documents()
    fill(
        "INSERT INTO vendor (vendor_id, name, is_prefunded, is_active) "
        "SELECT 'house', name, false, true FROM aside_utility"
    )
    fill(
        "INSERT INTO account_lane (series, vendor_id, available_minor, last_number, newest_sale_at) "
        "SELECT series, 'house', 0, last_number, "
        "(SELECT max(reserved_at) FROM aside_sale s WHERE s.receipt_series = r.series) "
        "FROM aside_receipt_series r"
    )
    fill(
        "INSERT INTO meter (meter, meter_pan, customer_id, tariff_name, key_sequence, registered_at) "
        "SELECT meter, meter_pan, customer_id, tariff_name, (SELECT max(sequence) FROM "
        "aside_meter_key_state k WHERE k.meter = m.meter), registered_at FROM aside_meter m"
    )
    fill(
        f"INSERT INTO meter_key_state (meter, sequence, effective_from, {_KEY}) "
        f"SELECT meter, sequence, effective_from, {_KEY} FROM aside_meter_key_state"
    )
    fill(
        "INSERT INTO meter_state (meter, version, carry_minor, day, day_minor, month, month_minor, "
        "newest_sale_at, tariff_state) SELECT meter, 1, coalesce((SELECT carry_minor FROM aside_carry c "
        "WHERE c.meter = m.meter AND c.customer_id = m.customer_id), 0), 0, 0, 0, 0, "
        "(SELECT max(reserved_at) FROM aside_sale s WHERE s.meter = m.meter), '' FROM aside_meter m"
    )
    fill(
        "INSERT INTO token_series (meter, base_date, last_token_id) "
        "SELECT meter, base_date, last_token_id FROM aside_token_series"
    )
    fill(
        "INSERT INTO sale (meter, request_id, kind, fingerprint, vendor_id, receipt_series, receipt_number, "
        f"reserved_at, charged_minor, tariff_version, state_before, {_OF_SALE}) "
        "SELECT meter, request_id, 'SALE', fingerprint, 'house', "
        f"receipt_series, receipt_number, reserved_at, 0, 1, '', {_OF_SALE} FROM aside_sale"
    )
    fill(
        "INSERT INTO token (meter, request_id, part, state, base_date, token_id, units, digits, counter, "
        "tokenised_at) SELECT meter, request_id, 1, state, base_date, token_id, units, token, counter, "
        "tokenised_at FROM aside_sale"
    )
    fill(
        "INSERT INTO ledger (meter, request_id, position, account, label, amount_minor) "
        "SELECT s.meter, s.request_id, l.position, CASE WHEN l.amount_minor < 0 THEN 'CARRIED_IN' ELSE "
        "'ENERGY' END, l.label, l.amount_minor FROM aside_sale_line l JOIN aside_sale s "
        "ON s.meter = l.meter AND s.base_date = l.base_date AND s.token_id = l.token_id"
    )
    fill(
        "INSERT INTO ledger (meter, request_id, position, account, label, amount_minor) "
        f"SELECT s.meter, s.request_id, ({_NUMBERED}) + 1, 'TAX', s.tax_label, s.tax_minor FROM aside_sale s"
    )
    fill(
        "INSERT INTO ledger (meter, request_id, position, account, label, amount_minor) "
        f"SELECT s.meter, s.request_id, ({_NUMBERED}) + 2, 'CARRY', 'To next purchase', s.carry_minor "
        "FROM aside_sale s"
    )
    _drop_aside(_OLD)


def downgrade() -> None:
    """Make the old tables again; what they cannot hold, such as vendors and free tokens, is gone."""
    _set_aside(_KEPT)
    for name in _NEW:
        op.drop_table(name)
    first_sale_0001.upgrade()
    fill = op.execute
    fill(
        "INSERT INTO utility (utility_id, name, tax_reference, currency_code, currency_decimals) "
        "SELECT utility_id, name, tax_reference, currency_code, currency_decimals FROM aside_utility"
    )
    fill(
        "INSERT INTO supply_group (supply_group_code, key_revision, key_type, base_date, "
        "encryption_algorithm, key_derivation, key_expiry) SELECT supply_group_code, key_revision, "
        "key_type, base_date, encryption_algorithm, key_derivation, key_expiry FROM aside_vending_key v "
        "WHERE NOT EXISTS (SELECT 1 FROM aside_vending_key w WHERE w.supply_group_code = v.supply_group_code "
        "AND w.key_revision = v.key_revision AND (w.key_type > v.key_type OR "
        "(w.key_type = v.key_type AND w.base_date > v.base_date)))"
    )
    fill("INSERT INTO customer (customer_id, name) SELECT customer_id, name FROM aside_customer")
    _documents_become_tariffs()
    fill(
        "INSERT INTO receipt_series (series, last_number) SELECT series, last_number FROM aside_account_lane"
    )
    known = "EXISTS (SELECT 1 FROM tariff t WHERE t.name = m.tariff_name)"
    fill(
        "INSERT INTO meter (meter, meter_pan, customer_id, tariff_name, registered_at) "
        "SELECT meter, meter_pan, customer_id, tariff_name, registered_at FROM aside_meter m "
        f"WHERE {known}"
    )
    of_meter = "meter IN (SELECT meter FROM meter)"
    fill(
        f"INSERT INTO meter_key_state (meter, sequence, effective_from, {_KEY}) "
        f"SELECT meter, sequence, effective_from, {_KEY} FROM aside_meter_key_state WHERE {of_meter}"
    )
    fill(
        "INSERT INTO carry (meter, customer_id, carry_minor) SELECT s.meter, m.customer_id, s.carry_minor "
        "FROM aside_meter_state s JOIN meter m ON m.meter = s.meter"
    )
    fill(
        "INSERT INTO token_series (meter, base_date, last_token_id) SELECT meter, base_date, "
        "max(last_token_id) FROM (SELECT meter, base_date, last_token_id FROM aside_token_series UNION ALL "
        "SELECT meter, base_date, token_id FROM aside_token WHERE token_id IS NOT NULL) AS every "
        f"WHERE {of_meter} GROUP BY meter, base_date"
    )
    fill(
        "INSERT INTO sale (meter, base_date, token_id, request_id, fingerprint, state, receipt_series, "
        "receipt_number, reserved_at, tokenised_at, utility_name, tax_reference, customer_id, customer_name, "
        "meter_pan, key_type, supply_group_code, tariff_index, key_revision, encryption_algorithm, "
        "key_derivation, key_expiry, tariff_name, currency_code, currency_decimals, tender_minor, "
        "carried_in_minor, units, tax_label, tax_minor, carry_minor, token, counter) "
        "SELECT s.meter, t.base_date, t.token_id, s.request_id, s.fingerprint, t.state, s.receipt_series, "
        "s.receipt_number, s.reserved_at, t.tokenised_at, s.utility_name, s.tax_reference, s.customer_id, "
        "s.customer_name, s.meter_pan, s.key_type, s.supply_group_code, s.tariff_index, s.key_revision, "
        "s.encryption_algorithm, s.key_derivation, s.key_expiry, s.tariff_name, s.currency_code, "
        "s.currency_decimals, s.tender_minor, s.carried_in_minor, s.units, s.tax_label, s.tax_minor, "
        "s.carry_minor, t.digits, t.counter FROM aside_sale s JOIN aside_token t "
        "ON t.meter = s.meter AND t.request_id = s.request_id "
        "WHERE s.kind = 'SALE' AND t.part = 1 AND t.units = s.units AND t.state <> 'VOID' "
        "AND s.meter IN (SELECT meter FROM meter)"
    )
    fill(
        "INSERT INTO sale_line (meter, base_date, token_id, position, label, amount_minor) "
        "SELECT s.meter, s.base_date, s.token_id, l.position, l.label, l.amount_minor FROM aside_ledger l "
        "JOIN sale s ON s.meter = l.meter AND s.request_id = l.request_id "
        "WHERE l.account NOT IN ('TAX', 'CARRY')"
    )
    _drop_aside(_KEPT)


def _set_aside(names: tuple[str, ...]) -> None:
    for name in names:
        op.execute(f"CREATE TABLE aside_{name} AS SELECT * FROM {name}")


def _drop_aside(names: tuple[str, ...]) -> None:
    for name in names:
        op.drop_table(f"aside_{name}")


def _tariffs_become_documents() -> None:
    connection = op.get_bind()
    for row in connection.execute(sa.text("SELECT * FROM aside_tariff")).mappings().all():
        document = {"kind": "flat", **{name: row[name] for name in _FLAT_COLUMNS}}
        connection.execute(
            sa.text(
                "INSERT INTO tariff (name, version, effective_from, document, state, made_by, checked_by) "
                "VALUES (:name, 1, 0, :document, 'approved', 'registration', 'upgrade')"
            ),
            {"name": row["name"], "document": json.dumps(document)},
        )


def _documents_become_tariffs() -> None:
    connection = op.get_bind()
    flat: dict[str, dict[str, object]] = {}
    for row in connection.execute(sa.text("SELECT * FROM aside_tariff ORDER BY version")).mappings().all():
        document = json.loads(row["document"])
        if document["kind"] == "flat":
            flat[row["name"]] = {name: document[name] for name in _FLAT_COLUMNS}
    for name, values in flat.items():
        connection.execute(
            sa.text(
                f"INSERT INTO tariff (name, {', '.join(_FLAT_COLUMNS)}) "
                f"VALUES (:name, {', '.join(':' + column for column in _FLAT_COLUMNS)})"
            ),
            {"name": name, **values},
        )


def _make_tables() -> None:
    op.create_table(
        "audit_entry",
        sa.Column("vendor_id", sa.Text(), nullable=False),
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("vendor_id", "day", "position", name=op.f("pk_audit_entry")),
    )
    op.create_table(
        "audit_event",
        sa.Column("vendor_id", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("sealed", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("vendor_id", "event_id", name=op.f("pk_audit_event")),
    )
    op.create_table(
        "audit_root",
        sa.Column("vendor_id", sa.Text(), nullable=False),
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("row_count", sa.Integer(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("signature", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("vendor_id", "day", name=op.f("pk_audit_root")),
    )
    op.create_table(
        "customer",
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("customer_id", name=op.f("pk_customer")),
    )
    op.create_table(
        "idempotency_key",
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("body", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("key_id", "idempotency_key", name=op.f("pk_idempotency_key")),
    )
    op.create_table(
        "orphan",
        sa.Column("counter", sa.BigInteger(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("named_at", sa.BigInteger(), nullable=False),
        sa.Column("because", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("counter", name=op.f("pk_orphan")),
    )
    op.create_table(
        "outbox",
        sa.Column("meter", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("webhook_id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("meter", "request_id", "event", "webhook_id", name=op.f("pk_outbox")),
    )
    op.create_index(
        "ix_outbox_due",
        "outbox",
        ["next_attempt_at"],
        unique=False,
        sqlite_where=sa.text("next_attempt_at IS NOT NULL"),
        postgresql_where=sa.text("next_attempt_at IS NOT NULL"),
    )
    op.create_table(
        "premise",
        sa.Column("premise_id", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("premise_id", name=op.f("pk_premise")),
    )
    op.create_table(
        "tariff",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("effective_from", sa.BigInteger(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("checked_by", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("name", "version", name=op.f("pk_tariff")),
    )
    op.create_table(
        "utility",
        sa.Column("utility_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("tax_reference", sa.Text(), nullable=False),
        sa.Column("currency_code", sa.Text(), nullable=False),
        sa.Column("currency_decimals", sa.Integer(), nullable=False),
        sa.Column("daily_limit_minor", sa.BigInteger(), nullable=True),
        sa.Column("monthly_limit_minor", sa.BigInteger(), nullable=True),
        sa.Column("repeat_guard_s", sa.Integer(), nullable=True),
        sa.Column("token_floor", sa.BigInteger(), nullable=True),
        sa.Column("rules_version", sa.BigInteger(), nullable=False),
        sa.Column("sealed_counter", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("utility_id", name=op.f("pk_utility")),
    )
    op.create_table(
        "vendor",
        sa.Column("vendor_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("is_prefunded", sa.Boolean(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("vendor_id", name=op.f("pk_vendor")),
    )
    op.create_table(
        "account_entry",
        sa.Column("vendor_id", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["vendor_id"], ["vendor.vendor_id"], name=op.f("fk_account_entry_vendor_id")),
        sa.PrimaryKeyConstraint("vendor_id", "reference", name=op.f("pk_account_entry")),
    )
    op.create_table(
        "account_lane",
        sa.Column("series", sa.Text(), nullable=False),
        sa.Column("vendor_id", sa.Text(), nullable=False),
        sa.Column("available_minor", sa.BigInteger(), nullable=False),
        sa.Column("last_number", sa.BigInteger(), nullable=False),
        sa.Column("newest_sale_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("available_minor >= 0", name=op.f("ck_account_lane_not_overdrawn")),
        sa.ForeignKeyConstraint(["vendor_id"], ["vendor.vendor_id"], name=op.f("fk_account_lane_vendor_id")),
        sa.PrimaryKeyConstraint("series", name=op.f("pk_account_lane")),
    )
    op.create_index(op.f("ix_account_lane_vendor_id"), "account_lane", ["vendor_id"], unique=False)
    op.create_table(
        "api_key",
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("secret_digest", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("vendor_id", sa.Text(), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("requests_a_minute", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["vendor_id"], ["vendor.vendor_id"], name=op.f("fk_api_key_vendor_id")),
        sa.PrimaryKeyConstraint("key_id", name=op.f("pk_api_key")),
    )
    op.create_table(
        "meter",
        sa.Column("meter", sa.Text(), nullable=False),
        sa.Column("meter_pan", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("premise_id", sa.Text(), nullable=True),
        sa.Column("tariff_name", sa.Text(), nullable=False),
        sa.Column("key_sequence", sa.Integer(), nullable=False),
        sa.Column("registered_at", sa.BigInteger(), nullable=False),
        sa.Column("blocked_because", sa.Text(), nullable=True),
        sa.Column("replaced_by", sa.Text(), nullable=True),
        sa.Column("sandbox", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.customer_id"], name=op.f("fk_meter_customer_id")),
        sa.ForeignKeyConstraint(["premise_id"], ["premise.premise_id"], name=op.f("fk_meter_premise_id")),
        sa.PrimaryKeyConstraint("meter", name=op.f("pk_meter")),
    )
    op.create_table(
        "parked_payment",
        sa.Column("payment_id", sa.Text(), nullable=False),
        sa.Column("vendor_id", sa.Text(), nullable=False),
        sa.Column("meter_text", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("because", sa.Text(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("resolved_at", sa.BigInteger(), nullable=True),
        sa.Column("resolved_by", sa.Text(), nullable=True),
        sa.Column("resolution", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["vendor_id"], ["vendor.vendor_id"], name=op.f("fk_parked_payment_vendor_id")
        ),
        sa.PrimaryKeyConstraint("payment_id", name=op.f("pk_parked_payment")),
    )
    op.create_table(
        "supply_group",
        sa.Column("supply_group_code", sa.Text(), nullable=False),
        sa.Column("utility_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["utility_id"], ["utility.utility_id"], name=op.f("fk_supply_group_utility_id")
        ),
        sa.PrimaryKeyConstraint("supply_group_code", name=op.f("pk_supply_group")),
    )
    op.create_table(
        "webhook",
        sa.Column("webhook_id", sa.Text(), nullable=False),
        sa.Column("vendor_id", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["vendor_id"], ["vendor.vendor_id"], name=op.f("fk_webhook_vendor_id")),
        sa.PrimaryKeyConstraint("webhook_id", name=op.f("pk_webhook")),
    )
    op.create_table(
        "meter_key_state",
        sa.Column("meter", sa.Text(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("effective_from", sa.BigInteger(), nullable=False),
        sa.Column("changed_by_request", sa.Text(), nullable=True),
        sa.Column("confirmed_at", sa.BigInteger(), nullable=True),
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
        "meter_state",
        sa.Column("meter", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("carry_minor", sa.BigInteger(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("day_minor", sa.BigInteger(), nullable=False),
        sa.Column("month", sa.Integer(), nullable=False),
        sa.Column("month_minor", sa.BigInteger(), nullable=False),
        sa.Column("newest_sale_at", sa.BigInteger(), nullable=True),
        sa.Column("newest_tender_minor", sa.BigInteger(), nullable=True),
        sa.Column("tariff_state", sa.Text(), nullable=False),
        sa.CheckConstraint("carry_minor >= 0", name=op.f("ck_meter_state_not_negative")),
        sa.ForeignKeyConstraint(["meter"], ["meter.meter"], name=op.f("fk_meter_state_meter")),
        sa.PrimaryKeyConstraint("meter", name=op.f("pk_meter_state")),
    )
    op.create_table(
        "sale",
        sa.Column("meter", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("vendor_id", sa.Text(), nullable=False),
        sa.Column("receipt_series", sa.Text(), nullable=False),
        sa.Column("receipt_number", sa.BigInteger(), nullable=False),
        sa.Column("reserved_at", sa.BigInteger(), nullable=False),
        sa.Column("charged_minor", sa.BigInteger(), nullable=False),
        sa.Column("utility_name", sa.Text(), nullable=False),
        sa.Column("tax_reference", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("customer_name", sa.Text(), nullable=False),
        sa.Column("meter_pan", sa.Text(), nullable=False),
        sa.Column("key_type", sa.Integer(), nullable=False),
        sa.Column("supply_group_code", sa.Text(), nullable=False),
        sa.Column("tariff_index", sa.Text(), nullable=False),
        sa.Column("key_revision", sa.Integer(), nullable=False),
        sa.Column("base_date", sa.Integer(), nullable=False),
        sa.Column("encryption_algorithm", sa.Integer(), nullable=False),
        sa.Column("key_derivation", sa.Integer(), nullable=False),
        sa.Column("key_expiry", sa.Integer(), nullable=False),
        sa.Column("tariff_name", sa.Text(), nullable=False),
        sa.Column("tariff_version", sa.Integer(), nullable=False),
        sa.Column("currency_code", sa.Text(), nullable=False),
        sa.Column("currency_decimals", sa.Integer(), nullable=False),
        sa.Column("tender_minor", sa.BigInteger(), nullable=False),
        sa.Column("carried_in_minor", sa.BigInteger(), nullable=False),
        sa.Column("units", sa.Integer(), nullable=False),
        sa.Column("tax_label", sa.Text(), nullable=False),
        sa.Column("tax_minor", sa.BigInteger(), nullable=False),
        sa.Column("carry_minor", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("state_before", sa.Text(), nullable=False),
        sa.Column("details", sa.Text(), nullable=True),
        sa.Column("after_key_change", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["meter"], ["meter.meter"], name=op.f("fk_sale_meter")),
        sa.PrimaryKeyConstraint("meter", "request_id", name=op.f("pk_sale")),
        sa.UniqueConstraint(
            "receipt_series", "receipt_number", name=op.f("uq_sale_receipt_series_receipt_number")
        ),
        sa.UniqueConstraint("request_id", name=op.f("uq_sale_request_id")),
    )
    op.create_table(
        "token_series",
        sa.Column("meter", sa.Text(), nullable=False),
        sa.Column("base_date", sa.Integer(), nullable=False),
        sa.Column("last_token_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["meter"], ["meter.meter"], name=op.f("fk_token_series_meter")),
        sa.PrimaryKeyConstraint("meter", "base_date", name=op.f("pk_token_series")),
    )
    op.create_table(
        "vending_key",
        sa.Column("supply_group_code", sa.Text(), nullable=False),
        sa.Column("key_revision", sa.Integer(), nullable=False),
        sa.Column("key_type", sa.Integer(), nullable=False),
        sa.Column("base_date", sa.Integer(), nullable=False),
        sa.Column("encryption_algorithm", sa.Integer(), nullable=False),
        sa.Column("key_derivation", sa.Integer(), nullable=False),
        sa.Column("key_expiry", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["supply_group_code"],
            ["supply_group.supply_group_code"],
            name=op.f("fk_vending_key_supply_group_code"),
        ),
        sa.PrimaryKeyConstraint(
            "supply_group_code", "key_revision", "key_type", "base_date", name=op.f("pk_vending_key")
        ),
    )
    op.create_table(
        "vendor_supply_group",
        sa.Column("vendor_id", sa.Text(), nullable=False),
        sa.Column("supply_group_code", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["supply_group_code"],
            ["supply_group.supply_group_code"],
            name=op.f("fk_vendor_supply_group_supply_group_code"),
        ),
        sa.ForeignKeyConstraint(
            ["vendor_id"], ["vendor.vendor_id"], name=op.f("fk_vendor_supply_group_vendor_id")
        ),
        sa.PrimaryKeyConstraint("vendor_id", "supply_group_code", name=op.f("pk_vendor_supply_group")),
    )
    op.create_table(
        "ledger",
        sa.Column("meter", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["meter", "request_id"],
            ["sale.meter", "sale.request_id"],
            name=op.f("fk_ledger_meter_request_id"),
        ),
        sa.PrimaryKeyConstraint("meter", "request_id", "position", name=op.f("pk_ledger")),
    )
    op.create_table(
        "token",
        sa.Column("meter", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("base_date", sa.Integer(), nullable=False),
        sa.Column("token_id", sa.Integer(), nullable=True),
        sa.Column("units", sa.Integer(), nullable=False),
        sa.Column("digits", sa.Text(), nullable=True),
        sa.Column("counter", sa.BigInteger(), nullable=True),
        sa.Column("tokenised_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "(state = 'TOKENISED') = (digits IS NOT NULL) AND (digits IS NULL) = (counter IS NULL) "
            "AND state IN ('RESERVED', 'TOKENISED', 'VOID')",
            name=op.f("ck_token_digits_of_state"),
        ),
        sa.ForeignKeyConstraint(
            ["meter", "request_id"], ["sale.meter", "sale.request_id"], name=op.f("fk_token_meter_request_id")
        ),
        sa.PrimaryKeyConstraint("meter", "request_id", "part", name=op.f("pk_token")),
        sa.UniqueConstraint("counter", "part", name=op.f("uq_token_counter_part")),
        sa.UniqueConstraint("meter", "base_date", "token_id", name=op.f("uq_token_meter_base_date_token_id")),
    )
    op.create_index(op.f("ix_token_digits"), "token", ["digits"], unique=False)
    op.create_index(
        "ix_token_reserved",
        "token",
        ["request_id"],
        unique=False,
        sqlite_where=sa.text("state = 'RESERVED'"),
        postgresql_where=sa.text("state = 'RESERVED'"),
    )

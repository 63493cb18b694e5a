"""Alembic's migrations of the shop; `joy311.vending.store.database` runs them on its own connection."""

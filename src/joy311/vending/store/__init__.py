"""The shop's memory: tables, migrations and statements on SQLite, written so that PostgreSQL can follow."""

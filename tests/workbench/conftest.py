"""What the browser tests share: patience, so that a busy machine is not taken for a fault."""

from __future__ import annotations

from playwright.sync_api import expect

PATIENCE_MS = 30_000

expect.set_options(timeout=PATIENCE_MS)

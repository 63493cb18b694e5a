"""The shop over HTTP: a Litestar application under ``/api``, for this machine only.

It has no authentication yet, so whoever serves it must bind it to the loopback address.
"""

from joy311.vending.api.app import create_api

__all__ = ["create_api"]

"""The security module: it holds vending keys, gives out tokens, and never a key."""

from joy311.vending.security_module.journal import DiskFile, JournalFile
from joy311.vending.security_module.protocol import (
    CreditRequest,
    IssuedToken,
    RandomSource,
    SecurityModule,
    VendingKeyAttributes,
)
from joy311.vending.security_module.software import SoftwareSecurityModule

__all__ = [
    "CreditRequest",
    "DiskFile",
    "IssuedToken",
    "JournalFile",
    "RandomSource",
    "SecurityModule",
    "SoftwareSecurityModule",
    "VendingKeyAttributes",
]

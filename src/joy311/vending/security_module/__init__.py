"""The security module: it holds vending keys, gives out tokens, and never a key."""

from joy311.vending.security_module.journal import DiskFile, JournalFile
from joy311.vending.security_module.protocol import (
    LARGEST_BATCH,
    CreditRequest,
    EngineeringRequest,
    IssuedToken,
    IssuedTokens,
    KeyChangeRequest,
    ModuleStatus,
    RandomSource,
    SecurityModule,
    TokenReading,
    TokenRequest,
    VendingKeyAttributes,
    WholeSecurityModule,
)
from joy311.vending.security_module.software import SoftwareSecurityModule

__all__ = [
    "LARGEST_BATCH",
    "CreditRequest",
    "DiskFile",
    "EngineeringRequest",
    "IssuedToken",
    "IssuedTokens",
    "JournalFile",
    "KeyChangeRequest",
    "ModuleStatus",
    "RandomSource",
    "SecurityModule",
    "SoftwareSecurityModule",
    "TokenReading",
    "TokenRequest",
    "VendingKeyAttributes",
    "WholeSecurityModule",
]

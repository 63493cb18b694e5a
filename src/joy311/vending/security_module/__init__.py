"""The security module: it holds vending keys, gives out tokens, and never a key."""

from joy311.vending.security_module.client import SecurityModuleClient
from joy311.vending.security_module.journal import DiskFile, JournalFile
from joy311.vending.security_module.key_limits import NO_LIMITS, KeyLimits
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
    "NO_LIMITS",
    "CreditRequest",
    "DiskFile",
    "EngineeringRequest",
    "IssuedToken",
    "IssuedTokens",
    "JournalFile",
    "KeyChangeRequest",
    "KeyLimits",
    "ModuleStatus",
    "RandomSource",
    "SecurityModule",
    "SecurityModuleClient",
    "SoftwareSecurityModule",
    "TokenReading",
    "TokenRequest",
    "VendingKeyAttributes",
    "WholeSecurityModule",
]

"""Who may do what at the port: four levels, two proofs, and a lock-out that makes guessing hopeless."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from joy311.errors import InvalidInput
from joy311.instant import DAY_NS, HOUR_NS, SECOND_NS

WRONG_PROOFS_ALLOWED = 3
"""Wrong proofs from which the lock-out begins."""

FIRST_LOCKOUT_NS = 60 * SECOND_NS
LONGEST_LOCKOUT_NS = HOUR_NS
FORGIVEN_AFTER_NS = DAY_NS
"""Quiet time after which wrong proofs are forgotten: two guesses a day are no attack [ns]."""

RESPONSE_DIGITS = 16
LONGEST_PASSWORD = 32


class Level(IntEnum):
    """What a session may do; each level may do what those below it may."""

    OPEN = 0
    READER = 1
    UTILITY = 2
    FACTORY = 3


@dataclass(frozen=True, slots=True, repr=False)
class Password:
    """A password that came with P1, as it was typed; its text stays out of every message."""

    text: str

    def __repr__(self) -> str:
        return "Password(...)"


@dataclass(frozen=True, slots=True)
class ChallengeResponse:
    """An answer to the seed of P0 that came with P2.

    Parameters
    ----------
    seed : str
        The seed as it was sent.
    response : str
        Sixteen hexadecimal digits: `challenge_response`.
    """

    seed: str
    response: str


Proof = Password | ChallengeResponse


def challenge_response(key: bytes, seed: str) -> str:
    """Return what P2 must carry: the first eight bytes of HMAC-SHA-256 over the `seed` as it was sent.

    Raises
    ------
    InvalidInput
        If the key is shorter than 16 bytes.
    """
    if len(key) < 16:
        raise InvalidInput(f"a challenge key of {len(key)} bytes; the least is 16", field="key")
    return hmac.new(key, seed.encode("ascii"), hashlib.sha256).hexdigest()[:RESPONSE_DIGITS].upper()


def admitted_level(proof: Proof, passwords: Mapping[Level, str], factory_key: bytes | None) -> Level | None:
    """Return the level that `proof` opens, the highest where several passwords are alike, or None.

    Every password is compared, whichever is right, and each in a time that tells nothing.

    Parameters
    ----------
    proof : Proof
        What the session showed.
    passwords : Mapping of Level to str
        The passwords by the level that each opens.
    factory_key : bytes or None
        The key of the challenge, None where the factory's level is shut for good.
    """
    level: Level | None = None
    match proof:
        case Password(text):
            for rung in sorted(passwords):
                if hmac.compare_digest(passwords[rung].encode(), text.encode()):
                    level = rung
        case ChallengeResponse(seed, response):
            if (
                factory_key is not None
                and seed
                and hmac.compare_digest(challenge_response(factory_key, seed), response.upper())
            ):
                level = Level.FACTORY
    return level


@dataclass(frozen=True, slots=True)
class AccessState:
    """Wrong proofs so far and the lock-out that they earned; it outlives connections and power cuts.

    Parameters
    ----------
    wrong_proofs : int
        Wrong proofs that are not forgiven yet.
    last_wrong_ns : int
        Instant of the last one [ns].
    """

    wrong_proofs: int = 0
    last_wrong_ns: int = 0

    @property
    def lockout_ns(self) -> int:
        """Length of the lock-out that begins with the last wrong proof, 0 for none [ns]."""
        over = self.wrong_proofs - WRONG_PROOFS_ALLOWED
        if over < 0:
            return 0
        # Six doublings reach the longest; the shift stays small whatever was counted.
        return min(FIRST_LOCKOUT_NS << min(over, 6), LONGEST_LOCKOUT_NS)

    def remaining_ns(self, now: int) -> int:
        """Return how long proofs are still refused at `now`, never longer than the lock-out [ns].

        A clock that was set back must not lock the port for years.
        """
        return min(max(0, self.last_wrong_ns + self.lockout_ns - now), self.lockout_ns)

    def failed(self, now: int) -> AccessState:
        """Return the state after a wrong proof at `now`."""
        forgiven = now - self.last_wrong_ns >= FORGIVEN_AFTER_NS
        return AccessState(1 if forgiven else self.wrong_proofs + 1, now)

    def passed(self, level: Level) -> AccessState:
        """Return the state after a right proof for `level`.

        The reader's password is no secret to many, and must not wash away guesses at a higher one.
        """
        return AccessState() if level > Level.READER else self

    def restarted(self, now: int) -> AccessState:
        """Return the state after a power cut: a lock-out that was running begins again in full."""
        return AccessState(self.wrong_proofs, now) if self.remaining_ns(now) else self

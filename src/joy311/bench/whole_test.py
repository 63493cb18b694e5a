"""Type tests of the whole meter: which standard is examined how."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from joy311.bench.devices.token_device import TokenDevice
from joy311.bench.examination import examine
from joy311.bench.examinations import GENERAL, PAYMENT, TOKEN_JUDGING
from joy311.bench.examinations.token_judging import TokenBench
from joy311.bench.issuer import Issuer
from joy311.bench.limits import WHOLE_METER_EDITIONS
from joy311.bench.type_test import METROLOGICAL, TypeTest
from joy311.bench.whole_meter import WholeMeter
from joy311.errors import InvalidInput

TOKEN_JUDGING_STANDARD = "62055-41"

EXAMINED = {"62055-31": PAYMENT, "62052-11": GENERAL}
"""Examinations of the virtual meter, by standard."""

STANDARDS = (METROLOGICAL, *WHOLE_METER_EDITIONS)
"""Every standard that the bench tests by."""


def clauses_of(standard: str) -> tuple[str, ...]:
    """Return the keys of the clauses that the whole meter is examined by.

    Raises
    ------
    InvalidInput
        If the whole meter is not examined by `standard`.
    """
    if standard == TOKEN_JUDGING_STANDARD:
        return tuple(TOKEN_JUDGING)
    if standard not in EXAMINED:
        raise InvalidInput(
            f"standard {standard!r} is none of {', '.join(WHOLE_METER_EDITIONS)}", field="standard"
        )
    return tuple(EXAMINED[standard])


def run_whole_test(
    standard: str,
    subject: WholeMeter,
    *,
    keys: Iterable[str] | None = None,
    tell_progress: Callable[[float, float], None] | None = None,
) -> TypeTest:
    """Test our meter by one of the standards on the whole meter.

    Parameters
    ----------
    standard : str
        One of `WHOLE_METER_EDITIONS`.
    subject : WholeMeter
        The meter.
    keys : iterable of str, optional
        Clauses to examine; all by default.
    tell_progress : callable, optional
        Told the clauses done and to do.

    Raises
    ------
    InvalidInput
        If the standard is none of them, or a key names no clause of it.
    """
    if standard == TOKEN_JUDGING_STANDARD:
        specimen = subject.commission()
        bench = TokenBench(subject.port(specimen.meter), specimen.issuer)
        return _judge_tokens(bench, subject, keys, tell_progress)
    clauses_of(standard)
    return examine(
        standard,
        subject,
        EXAMINED[standard],
        subject.ratings,
        name=subject.name,
        configuration=subject.described(),
        seed=subject.seed,
        keys=keys,
        tell_progress=tell_progress,
    )


def run_token_test(
    device: TokenDevice,
    issuer: Issuer,
    subject: WholeMeter,
    *,
    keys: Iterable[str] | None = None,
    tell_progress: Callable[[float, float], None] | None = None,
) -> TypeTest:
    """Test anybody's device by IEC 62055-41, with tokens of an issuer that knows its keys.

    At the end the device has its first key again, and its memory of identifiers is empty: it should be one
    for tests only.

    Parameters
    ----------
    device : TokenDevice
        The device.
    issuer : Issuer
        Of its vending key and attributes.
    subject : WholeMeter
        Gives the ratings and the seed of the report.
    keys : iterable of str, optional
        Clauses to examine; all by default.
    tell_progress : callable, optional
        Told the clauses done and to do.

    Raises
    ------
    InvalidInput
        If a key names no clause, or the device does not answer.
    """
    return _judge_tokens(TokenBench(device, issuer), subject, keys, tell_progress)


def _judge_tokens(
    bench: TokenBench,
    subject: WholeMeter,
    keys: Iterable[str] | None,
    tell_progress: Callable[[float, float], None] | None,
) -> TypeTest:
    first = bench.issuer
    attributes = first.attributes
    done = examine(
        TOKEN_JUDGING_STANDARD,
        bench,
        TOKEN_JUDGING,
        subject.ratings,
        name=bench.device.name,
        configuration={
            "meter_pan": attributes.meter_pan.digits,
            "key_type": attributes.key_type.name,
            "encryption_algorithm": attributes.encryption_algorithm.name,
            "key_derivation": attributes.key_derivation.name,
        },
        seed=subject.seed,
        keys=keys,
        tell_progress=tell_progress,
    )
    bench.give_back(first)
    return done

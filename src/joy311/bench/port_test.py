"""The type test of a local port by IEC 62056-21: ours in simulated time, or anybody's on a real line."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from joy311.bench.devices.port_device import PortUnderTest
from joy311.bench.examination import examine
from joy311.bench.examinations.local_port import LOCAL_PORT, clauses_for, shown_register
from joy311.bench.ratings import Ratings
from joy311.bench.type_test import TypeTest
from joy311.errors import InvalidInput

PORT_STANDARD = "62056-21"


def run_port_test(
    subject: PortUnderTest,
    seed: int,
    *,
    ratings: Ratings | None = None,
    keys: Iterable[str] | None = None,
    tell_progress: Callable[[float, float], None] | None = None,
) -> TypeTest:
    """Test a local port by every clause that it can be tested by.

    Parameters
    ----------
    subject : PortUnderTest
        The port.
    seed : int
        Where all chance came from.
    ratings : Ratings, optional
        What stands on the meter's label, for the report.
    keys : iterable of str, optional
        Clauses to examine; all that the subject allows by default.
    tell_progress : callable, optional
        Told the clauses done and to do.

    Raises
    ------
    InvalidInput
        If a key names no clause that the subject allows.
    Refused
        If the meter cannot be read at all.
    StorageError
        If nobody answers.
    """
    allowed = clauses_for(subject)
    chosen = allowed if keys is None else tuple(keys)
    for key in chosen:
        if key not in allowed:
            raise InvalidInput(f"{key!r} is no clause that this port can be examined by", field="keys")
    if not subject.register:
        subject = replace(subject, register=shown_register(subject))
    return examine(
        PORT_STANDARD,
        subject,
        LOCAL_PORT,
        ratings or Ratings(),
        name=subject.name,
        configuration={
            "address": subject.address,
            "register": subject.register,
            "writes": subject.written is not None,
            "waits_for_silence": subject.patient,
            "tries_the_lock_out": subject.locks_out,
        },
        seed=seed,
        keys=chosen,
        tell_progress=tell_progress,
    )

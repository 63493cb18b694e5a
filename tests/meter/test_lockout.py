from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joy311.errors import InvalidInput
from joy311.instant import HOUR_NS, SECOND_NS
from joy311.meter import ClockSet, CodeReceived, Door, EventCode, PasswordTried
from joy311.meter.lockout import Lockout, LockoutParameters
from joy311.sts import InitiateMeterTest, TokenResult, encode
from tests.meter.board import Board
from tests.meters import START, credit_token, factory

WRONG = "1" * 20


def locked(failures: int) -> Board:
    """A board at which so many wrong tokens were entered, each as soon as it was taken."""
    board = Board.commission(factory(), START)
    for _ in range(failures):
        board.pass_time(board.meter.readout(board.now).lockout_ns)
        board.pass_time(SECOND_NS)
        assert board.enter(WRONG) is TokenResult.CRC_ERROR
    return board


@pytest.mark.parametrize(
    ("failures", "length_s"),
    [(1, 0), (2, 0), (3, 10), (4, 20), (5, 40), (6, 80), (9, 640), (10, 1280), (11, 1280), (14, 1280)],
)
def test_the_third_wrong_token_locks_and_each_further_one_doubles_it(failures: int, length_s: int) -> None:
    board = locked(failures)
    assert board.meter.readout(board.now).lockout_ns == length_s * SECOND_NS
    good = credit_token(5)
    if length_s:
        board.pass_time(length_s * SECOND_NS - 1)
        assert board.enter(good) is TokenResult.LOCKOUT
        board.pass_time(1)
    assert board.enter(good) is TokenResult.ACCEPT
    assert board.meter.record(board.now).entry_failures == 0


def test_nothing_shortens_a_lock_out() -> None:
    board = locked(6)
    board.pass_time(10 * SECOND_NS)
    for hours in (-1000, 1000, 30_000):
        board.handle(ClockSet(board.now + hours * HOUR_NS))
        assert board.meter.readout(board.now).lockout_ns == 70 * SECOND_NS
    for _ in range(3):
        # Each restart begins it again in full.
        board = board.restarted().start()
        assert board.meter.readout(board.now).lockout_ns == 80 * SECOND_NS
        board.pass_time(79 * SECOND_NS)
    for door in Door:
        board.pass_time(SECOND_NS // 1000)
        assert board.enter(credit_token(5), door) in {TokenResult.LOCKOUT, TokenResult.NOT_READY}
    board.pass_time(SECOND_NS)
    assert board.enter(credit_token(5)) is TokenResult.ACCEPT


def test_the_count_outlives_a_cut_though_no_lock_out_runs() -> None:
    board = locked(2).restarted().start()
    assert board.enter(WRONG) is TokenResult.CRC_ERROR
    assert board.meter.readout(board.now).lockout_ns == 10 * SECOND_NS


def test_class_1_and_short_codes_work_under_a_lock_out_and_do_not_end_it() -> None:
    board = locked(5)
    board.pass_time(SECOND_NS)
    test = encode(InitiateMeterTest(0, 1 << 4), None).digits
    assert board.enter(test) is TokenResult.ACCEPT
    board.handle(CodeReceived("801"))
    assert board.meter.readout(board.now).lockout_ns == 39 * SECOND_NS


@pytest.mark.parametrize("text", ["", "123", "9" * 20, "x" * 20])
def test_what_is_no_token_counts_before_a_lock_out_and_is_refused_under_it(text: str) -> None:
    board = Board.commission(factory(), START)
    assert [board.enter(text) for _ in range(3)] == [TokenResult.FORMAT_ERROR] * 3
    assert board.enter(text) is TokenResult.LOCKOUT
    assert board.meter.record(board.now).entry_failures == 3


def test_a_genuine_token_that_is_refused_is_no_guess_and_ends_nothing() -> None:
    board = Board.commission(factory(), START)
    board.enter(credit_token(5))
    board.enter(WRONG)
    for _ in range(5):
        assert board.enter(credit_token(5)) is TokenResult.USED_ERROR
    assert board.meter.record(board.now).entry_failures == 1


def test_passwords_have_a_lock_out_of_their_own() -> None:
    board = Board.commission(factory(), START)
    for _ in range(3):
        board.handle(PasswordTried(2, False))
    assert board.meter.access_lockout_ns == 60 * SECOND_NS
    assert board.enter(credit_token(5)) is TokenResult.ACCEPT
    board = board.restarted().start()
    assert board.meter.access_lockout_ns == 60 * SECOND_NS
    board.handle(PasswordTried(2, True))
    assert board.meter.access_lockout_ns == 0
    assert board.meter.event_counters.count(EventCode.ACCESS_LOCKOUT) == 1


@given(st.integers(1, 10), st.integers(1, 100), st.integers(0, 5000), st.lists(st.booleans(), max_size=60))
def test_a_lock_out_never_exceeds_its_longest_and_grows(
    failures: int, first_s: int, more_s: int, rights: list[bool]
) -> None:
    lockout = Lockout(LockoutParameters(failures, first_s, first_s + more_s))
    previous_ns = 0
    for right in rights:
        if right:
            lockout.clear()
            previous_ns = 0
            assert lockout.length_ns == 0
        else:
            lockout.fail(0)
            assert previous_ns <= lockout.length_ns <= (first_s + more_s) * SECOND_NS
            previous_ns = lockout.length_ns


@pytest.mark.parametrize("values", [(0, 10, 20), (3, 0, 20), (3, 30, 20)])
def test_a_lock_out_that_never_comes_or_shrinks_is_refused(values: tuple[int, int, int]) -> None:
    with pytest.raises(InvalidInput):
        LockoutParameters(*values)

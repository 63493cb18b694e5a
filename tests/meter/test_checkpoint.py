from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joy311.energy import EnergyRegister
from joy311.errors import StorageError
from joy311.instant import SECOND_NS
from joy311.meter import CHECKPOINT_QUANTUM_WH, Checkpoint, Meter, MeterRecord, SaveCheckpoint, Show
from joy311.meter.actions import Action
from joy311.meter.token_execution import SUPPORTED_TESTS
from joy311.sts import METER_TESTS, InitiateMeterTest, TokenResult, encode
from tests.meter.board import Board
from tests.meters import START, credit_token, factory

QUANTA = 1 << 32
NOTHING = EnergyRegister()
registers = st.builds(EnergyRegister, st.integers(0, 1 << 40), st.integers(0, QUANTA - 1))
triples = st.tuples(registers, registers, registers)
checkpoints = st.builds(
    Checkpoint,
    st.integers(0, 1 << 40),
    st.integers(-(1 << 40), 1 << 40),
    st.integers(0, 1 << 40),
    registers,
    triples,
    triples,
    st.integers(0, (1 << 32) - 1),
    st.integers(0, 1 << 60),
)


@given(checkpoints)
def test_a_checkpoint_comes_back_as_it_went(checkpoint: Checkpoint) -> None:
    assert Checkpoint.from_bytes(checkpoint.to_bytes()) == checkpoint


@given(checkpoints)
def test_only_a_checkpoint_of_the_records_own_generation_counts(checkpoint: Checkpoint) -> None:
    other = MeterRecord(factory(), generation=checkpoint.generation + 1, credit_wh=77)
    assert other.with_checkpoint(checkpoint) == other
    own = MeterRecord(factory(), generation=checkpoint.generation, credit_wh=77)
    restored = Meter.restore(own.to_bytes(), checkpoint.to_bytes())
    assert restored.credit_wh == checkpoint.credit_wh
    assert restored.readout().total == checkpoint.total


def test_a_checkpoint_made_before_a_token_does_not_take_the_token_away() -> None:
    board = Board.commission(factory(), START)
    board.enter(credit_token(10))
    board.burn(CHECKPOINT_QUANTUM_WH * QUANTA)
    old = board.memory.read_checkpoint()
    board.enter(credit_token(10, minute=1))
    record = board.memory.read()
    assert record is not None
    assert old is not None
    assert Meter.restore(record, old).credit_wh == 2_000 - CHECKPOINT_QUANTUM_WH


def test_a_checkpoint_is_saved_at_every_quantum_and_at_no_other_time() -> None:
    board = Board.commission(factory(), START)
    board.enter(credit_token(100))
    actions: list[Action] = []
    board.actions = actions
    for _ in range(7 * CHECKPOINT_QUANTUM_WH):
        board.burn(QUANTA)
    assert sum(isinstance(action, SaveCheckpoint) for action in actions) == 7


@pytest.mark.parametrize("data", [b"", b"x", bytes(10_000)])
def test_other_bytes_are_no_checkpoint(data: bytes) -> None:
    with pytest.raises(StorageError, match="checkpoint"):
        Checkpoint.from_bytes(data)
    newer = bytearray(Checkpoint(0, 0, 0, NOTHING, (NOTHING,) * 3, (NOTHING,) * 3, 0, 0).to_bytes())
    newer[0] += 1
    with pytest.raises(StorageError, match="version"):
        Checkpoint.from_bytes(bytes(newer))


@pytest.mark.parametrize("test", sorted(METER_TESTS))
def test_each_test_of_class_1_is_answered_on_the_display(test: int) -> None:
    board = Board.commission(factory(), START)
    board.pass_time(10 * SECOND_NS)
    actions: list[Action] = []
    board.actions = actions
    result = board.enter(encode(InitiateMeterTest(0, 1 << test - 1), None).digits)
    assert result is (TokenResult.ACCEPT if test in SUPPORTED_TESTS else TokenResult.FUNCTION_ERROR)
    board.pass_time(4 * SECOND_NS)
    shown = [(action.screen.text, action.screen.index) for action in actions if isinstance(action, Show)]
    # First the result, and then what was asked for; the load switch and the keypad have nothing to show.
    assert shown[0] == (("AccEPt", "01") if test in SUPPORTED_TESTS else ("Func Err", "08"))
    assert len(shown) >= (1 if test in (1, 6) or test not in SUPPORTED_TESTS else 2)

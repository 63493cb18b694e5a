"""A meter that was restored from its record lives on like the one that never lost its supply."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from joy311.instant import HOUR_NS, SECOND_NS
from joy311.meter import (
    AppendLog,
    ClockSet,
    Commit,
    FaultReported,
    Meter,
    PasswordTried,
    SensorChanged,
    Setting,
    SettingWritten,
    Show,
    TamperKind,
)
from joy311.meter.actions import Action, SetBacklight, SetLight
from joy311.meter.diagnosis import Fault
from joy311.sts import (
    BaseDate,
    ClearCredit,
    ClearTamperCondition,
    DecoderKey,
    EncryptionAlgorithm,
    KeyChange,
    KeyType,
    SetMaximumPowerLimit,
    Token,
    TransferCredit,
    encode,
    key_change_sections,
    token_id_at,
)
from tests.meter.board import UN_MV, Board
from tests.meter.test_every_cut import copy_of
from tests.meters import KEY, START, factory

QUANTA = 1 << 32
QUIET_NS = 13 * HOUR_NS
"""What is forgotten at a loss of supply, digits half typed and beeps that were muted, is over by then."""

TOKEN_ID = token_id_at(START, BaseDate.BDT_2014)
NEW_KEY = DecoderKey.from_bytes(bytes(range(32, 48)), EncryptionAlgorithm.MISTY1)
SECTIONS = key_change_sections(KeyChange(NEW_KEY, KeyType.DUTK, 2, "07", 255, False, "654321"))
FACE = (Show, SetLight, SetBacklight)

steps = st.lists(st.tuples(st.integers(0, 11), st.integers(0, 400)), max_size=12)


def take(board: Board, step: int, number: int) -> list[Action]:
    """Take a step and return all actions that it led to."""
    actions: list[Action] = []
    board.actions = actions
    token: Token | None = None
    match step:
        case 0 | 1:
            token = TransferCredit(0, 1, TOKEN_ID + number, number % 40)
        case 2:
            token = (SetMaximumPowerLimit, ClearCredit)[number % 2](1, TOKEN_ID + number, 0)
        case 3:
            token = ClearTamperCondition(1, TOKEN_ID + number)
        case 4:
            for section in SECTIONS:
                board.enter(encode(section, KEY).digits)
        case 5:
            board.burn(number * QUANTA // 7, number % 3, exported=number % 5 == 0)
        case 6:
            board.pass_time(number * SECOND_NS)
        case 7:
            board.measure((number * 40, 0, 0), (UN_MV[0] + number % 2 * 100_000, *UN_MV[1:]))
        case 8:
            board.handle(SensorChanged(TamperKind.METER_COVER, number % 2 == 0))
        case 9:
            board.handle(FaultReported(Fault.FRONT_END_DEAD, number % 3 == 0))
        case 10:
            setting = list(Setting)[number % 6]
            board.handle(SettingWritten(setting, number % 2))
            board.handle(PasswordTried(1, number % 4 == 0))
        case _:
            board.handle(ClockSet(board.now + (number - 200) * HOUR_NS))
    if token is not None:
        board.enter(encode(token, (KEY, NEW_KEY)[number % 4 == 3]).digits)
    return actions


def told(actions: list[Action]) -> list[Action]:
    """Return the actions without the face, of which a restarted meter must show what another still shows."""
    return [action for action in actions if not isinstance(action, FACE)]


@given(before=steps, after=steps)
@settings(max_examples=150)
def test_a_restored_meter_lives_on_like_the_one_that_was_not(
    before: list[tuple[int, int]], after: list[tuple[int, int]]
) -> None:
    lasting = Board.commission(factory(), START)
    for step, number in before:
        take(lasting, step, number)
    lasting.measure((0, 0, 0))
    lasting.pass_time(QUIET_NS)
    restored = Board(copy_of(lasting.pages), lasting.now, contact_closed=lasting.contact_closed)
    record = lasting.meter.record(lasting.now).to_bytes()
    restored.meter = Meter.restore(record)
    assert restored.meter.record(lasting.now).to_bytes() == record
    for board in (lasting, restored):
        board.start()
        board.measure((0, 0, 0))
    for step, number in after:
        actions = take(lasting, step, number), take(restored, step, number)
        assert told(actions[0]) == told(actions[1])
        assert lasting.meter.record(lasting.now) == restored.meter.record(restored.now)
        assert lasting.meter.readout(lasting.now) == restored.meter.readout(restored.now)
        assert lasting.meter.next_deadline() == restored.meter.next_deadline()
        assert lasting.contact_closed == restored.contact_closed


def test_the_comparison_sees_a_record_and_an_entry() -> None:
    actions = told(take(Board.commission(factory(), START), 0, 4))
    assert {Commit, AppendLog} <= {type(action) for action in actions}

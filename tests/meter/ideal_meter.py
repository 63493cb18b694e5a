"""What a payment meter is, in as few words as it takes: no memory, no face, no hardware."""

from __future__ import annotations

from datetime import datetime, timedelta

from joy311.instant import HOUR_NS, MILLISECOND_NS, SECOND_NS
from joy311.meter import Door, Exchange, Fault, MeterRecord, OpenReason, Setting, TamperKind
from joy311.panel import Key
from joy311.quantities import Triple
from joy311.sts import (
    ClearCredit,
    ClearTamperCondition,
    DecoderKey,
    EncryptionAlgorithm,
    InitiateMeterTest,
    KeyAttributes,
    ReadExtendedControl,
    Set1stSectionDecoderKey,
    Set2ndSectionDecoderKey,
    Set3rdSectionDecoderKey,
    Set3rdSectionSupplyGroup,
    Set4thSectionDecoderKey,
    SetExtendedControl,
    SetMaximumPhasePowerUnbalanceLimit,
    SetMaximumPowerLimit,
    Token,
    Token20,
    TokenResult,
    TransferCredit,
    Undecodable,
    decode,
    is_in_range,
)

QUANTA = 1 << 32
MOST_CREDIT_WH = 999_999_990
POWER, UNBALANCE, OVER = OpenReason.POWER_LIMIT, OpenReason.UNBALANCE, OpenReason.OVER_VOLTAGE
OK, RANGE, FUNCTION = TokenResult.ACCEPT, TokenResult.RANGE_ERROR, TokenResult.FUNCTION_ERROR

# What the machine configures; odd numbers, so that no two things fall due at one instant by accident.
DELAY_NS = {POWER: 7 * SECOND_NS, UNBALANCE: 23 * SECOND_NS, OVER: 5 * SECOND_NS}
RETRY_NS, LOCKED_NS, FORGOTTEN_NS, TRIPS = 61 * SECOND_NS, 1811 * SECOND_NS, 907 * SECOND_NS, 3
DEBOUNCE_NS = {
    TamperKind.TERMINAL_COVER: 501 * MILLISECOND_NS,
    TamperKind.METER_COVER: 501 * MILLISECOND_NS,
    TamperKind.MAGNET_DC: 2003 * MILLISECOND_NS,
    TamperKind.MAGNET_AC: 2003 * MILLISECOND_NS,
}
DISCONNECTING = {TamperKind.METER_COVER, TamperKind.MAGNET_DC}
OPENING = {Fault.FRONT_END_DEAD, Fault.RECORD_LOST}
REFUSING = {Fault.MEMORY_WRITE_FAILED, Fault.RECORD_LOST}
FLAGS = {setting.value for setting in Setting if setting.value < 16}
PERMITTED = {0: {0, 1, 2}, 1: {1, 2}, 2: {1, 2}}
DRAW, CONFIRM, QUIET = ("00", "811"), "863", "813"


class IdealMeter:
    """Whole numbers, sets and a few instants."""

    def __init__(self, attributes: KeyAttributes, key: DecoderKey, low_wh: tuple[int, int], now: int) -> None:
        self.now = now
        self.algorithm, self.key = attributes.encryption_algorithm, key
        self.identity = (
            int(attributes.key_type),
            attributes.supply_group_code,
            attributes.tariff_index,
            attributes.key_revision,
            attributes.key_expiry,
            attributes.base_date.value,
        )
        self.credit_wh = self.accepted_wh = self.drawn_wh = self.cleared_wh = 0
        self.total, self.phases = 0, [0] * 6
        self.token_ids = [0] * 50
        self.staged: dict[int, Token] = {}
        self.staged_until = 0
        self.flags: set[int] = set()
        self.low_wh, self.emergency_wh, self.power_limit_w, self.unbalance_limit_w = low_wh, 0, 0, 0
        self.emergency_drawn = self.no_credit = False
        self.failures, self.locked_until, self.locked = 0, 0, False
        self.judging: tuple[Door, int] = (Door.KEYPAD, 0)
        self.keys_locked_until = 0
        self.digits, self.last_key_ns, self.backspaced_ns = "", 0, -SECOND_NS
        self.link: tuple[int, int, TokenResult | None] = (0, 0, None)
        self.faults: set[Fault] = set()
        self.raw: set[TamperKind] = set()
        self.present: set[TamperKind] = set()
        self.latched: set[TamperKind] = set()
        self.debounced: dict[TamperKind, int] = {}
        self.trips, self.supply_locked_until, self.forget_at = 0, 0, 0
        self.pending: dict[OpenReason, int] = {}
        self.tripped: dict[OpenReason, int | None] = {}
        self.line: tuple[Triple, Triple] | None = None
        self.seen_closed = self.closed = False
        self.rested_at = self.test_until = 0
        self.tested_at: int | None = None
        self.must_confirm = False
        self.clock_offset_ns, self.clock_lost = 0, False
        self.reasons = OpenReason.NO_CREDIT
        self._settle()

    # What the machine compares, and what no loss of supply may change.

    def promised(self) -> tuple[object, ...]:
        return (
            self.accepted_wh,
            self.cleared_wh,
            tuple(sorted(self.token_ids)),
            self.key,
            self.identity,
            frozenset(self.flags),
            (self.low_wh, self.emergency_wh, self.power_limit_w, self.unbalance_limit_w),
            self.failures,
            self.emergency_drawn,
            self.link,
            self.clock_offset_ns,
        )

    @property
    def lockout_ns(self) -> int:
        return max(0, self.locked_until - self.now)

    # Tokens.

    def enter(self, text: str, door: Door, exchange: Exchange | None = None) -> TokenResult:
        if exchange is not None and self.link[2] and (exchange.session, exchange.counter) == self.link[:2]:
            return self.link[2]
        if self.now < self.judging[1] and door is not self.judging[0]:
            return TokenResult.NOT_READY
        if self.faults & REFUSING:
            return TokenResult.NOT_READY
        self.judging = (door, self.now + 500 * MILLISECOND_NS)
        if door is not Door.KEYPAD:
            self.keys_locked_until = self.judging[1]
        result, own = self._judge(text)
        if result is TokenResult.LOCKOUT:
            return result
        if door is not Door.KEYPAD and result is not TokenResult.FORMAT_ERROR:
            self.digits = ""
        if result in (TokenResult.CRC_ERROR, TokenResult.FORMAT_ERROR):
            self.failures += 1
            if self.failures >= 3:
                self.locked_until = self.now + min(10 << min(self.failures - 3, 40), 1280) * SECOND_NS
                self.locked = True
        elif own and result is OK:
            self.failures, self.locked_until, self.locked = 0, 0, False
        if exchange is not None:
            self.link = (exchange.session, exchange.counter, result)
        self._settle()
        return result

    def _judge(self, text: str) -> tuple[TokenResult, bool]:
        """Return the result, and whether the meter's own key made the token."""
        if len(text) != 20 or not text.isdigit() or int(text) >= 1 << 66:
            return (TokenResult.LOCKOUT if self.lockout_ns else TokenResult.FORMAT_ERROR), False
        token20 = Token20.parse(text)
        any_meter = token20.value >> 27 & 3 == 1
        if self.lockout_ns and not any_meter:
            return TokenResult.LOCKOUT, False
        token = decode(token20, self.key)
        if isinstance(token, Undecodable):
            return token.result, False
        if isinstance(token, (InitiateMeterTest, ReadExtendedControl)):
            return self._show(token), False
        return self._obey(token), True

    def _show(self, token: InitiateMeterTest | ReadExtendedControl) -> TokenResult:
        if isinstance(token, ReadExtendedControl):
            known = token.operand in FLAGS if token.index == 63 else token.index in (1, 2, 3)
            return RANGE if not is_in_range(token) else OK if known else FUNCTION
        if token.subclass > 1:
            return TokenResult.MFR_CODE_ERROR
        if not token.is_all_tests:
            if not token.tests:
                return RANGE
            if not set(token.tests) <= {*range(1, 12), 14, 15, 16, 17, 18}:
                return FUNCTION
        rested = self.tested_at is None or self.now - self.tested_at >= 600 * SECOND_NS
        if 1 in token.tests and self.closed and not self.test_until and rested:
            self.test_until = self.now + 3 * SECOND_NS
            self.tested_at = self.now
            self._move(False)
        return OK

    def _obey(self, token: Token) -> TokenResult:
        match token:
            case TransferCredit(service=0):
                if self.identity[0] == 1:
                    return TokenResult.DDTK_ERROR
                fresh = self._freshness(token.token_id)
                if fresh is not OK:
                    return fresh
                if self.credit_wh + token.units * 100 > MOST_CREDIT_WH:
                    return TokenResult.OVERFLOW_ERROR
                self.credit_wh += token.units * 100
                self.accepted_wh += token.units * 100
                if self.credit_wh > 0:
                    self.emergency_drawn = False
                self._spend(token.token_id)
                return OK
            case (
                Set1stSectionDecoderKey()
                | Set2ndSectionDecoderKey()
                | Set3rdSectionSupplyGroup()
                | Set3rdSectionDecoderKey()
                | Set4thSectionDecoderKey()
            ):
                return self._stage(token)
            case (
                SetMaximumPowerLimit()
                | SetMaximumPhasePowerUnbalanceLimit()
                | ClearCredit()
                | ClearTamperCondition()
                | SetExtendedControl()
            ):
                fresh = self._freshness(token.token_id)
                if fresh is not OK:
                    return fresh
                result = self._manage(token)
                if result is OK:
                    self._spend(token.token_id)
                return result
        return FUNCTION

    def _freshness(self, token_id: int) -> TokenResult:
        if token_id >> 16 > int(self.identity[4]):
            return TokenResult.KEY_EXPIRED_ERROR
        if token_id < min(self.token_ids):
            return TokenResult.OLD_ERROR
        return TokenResult.USED_ERROR if token_id in self.token_ids else OK

    def _spend(self, token_id: int) -> None:
        self.token_ids.remove(min(self.token_ids))
        self.token_ids.append(token_id)

    def _manage(self, token: Token) -> TokenResult:
        match token:
            case SetMaximumPowerLimit(limit_w=limit_w):
                return self.write(Setting.POWER_LIMIT_W, limit_w)
            case SetMaximumPhasePowerUnbalanceLimit(limit_w=limit_w):
                return self.write(Setting.UNBALANCE_LIMIT_W, limit_w)
            case ClearCredit(register=register):
                if register not in (0, 0xFFFF):
                    return FUNCTION
                self.cleared_wh += self.credit_wh
                self.credit_wh, self.emergency_drawn = 0, False
            case ClearTamperCondition():
                self.latched = set(self.present)
            case SetExtendedControl(index=63, value=value):
                if value >> 1 not in FLAGS:
                    return FUNCTION
                return self.write(Setting(value >> 1), value & 1)
            case SetExtendedControl(index=index, value=value):
                if index not in (1, 2, 3):
                    return FUNCTION
                return self.write(Setting(15 + index), value * 1000)
        return OK

    def write(self, setting: Setting, value: int) -> TokenResult:
        """Write a setting, whoever has the right to; RangeError leaves it as it was."""
        first, second = self.low_wh
        match setting:
            case Setting.LOW_CREDIT_LEVEL_1_WH if value > second:
                self.low_wh = (value, second)
            case Setting.LOW_CREDIT_LEVEL_2_WH if 0 <= value < first:
                self.low_wh = (first, value)
            case Setting.EMERGENCY_CREDIT_WH:
                self.emergency_wh = value
            case Setting.POWER_LIMIT_W:
                if value != self.power_limit_w:
                    self.pending.pop(POWER, None)
                self.power_limit_w = value
            case Setting.UNBALANCE_LIMIT_W:
                if value != self.unbalance_limit_w:
                    self.pending.pop(UNBALANCE, None)
                self.unbalance_limit_w = value
            case _ if setting.value in FLAGS and value in (0, 1):
                self.flags = self.flags | {setting.value} if value else self.flags - {setting.value}
            case _:
                return RANGE
        self._settle()
        return OK

    def _stage(self, section: Token) -> TokenResult:
        if self.staged and self.now >= self.staged_until:
            self.staged.clear()
        number, needed = _place(section), {1, 2, 3, 4}
        if not self.staged:
            self.staged_until = self.now + 600 * SECOND_NS
        self.staged.pop(number, None)
        self.staged[number] = section
        first, second, third, fourth = (self.staged.get(number) for number in (1, 2, 3, 4))
        if self.algorithm is EncryptionAlgorithm.STA:
            told = isinstance(first, Set1stSectionDecoderKey) and first.three_tokens
            needed = {1, 2, 3} if told else {1, 2}
        if not needed <= set(self.staged):
            return TokenResult.FIRST_KCT if number == 1 else TokenResult.SECOND_KCT
        self.staged.clear()
        assert isinstance(first, Set1stSectionDecoderKey)
        assert isinstance(second, Set2ndSectionDecoderKey)
        words, group = [first.key_word, second.key_word], 0
        if isinstance(third, Set3rdSectionDecoderKey) and isinstance(fourth, Set4thSectionDecoderKey):
            words[1:1] = [third.key_word, fourth.key_word]
            group = fourth.supply_group_high << 12 | third.supply_group_low
        elif isinstance(third, Set3rdSectionSupplyGroup) and first.three_tokens:
            group = third.supply_group_code
        if group > 999_999:
            return RANGE
        key = DecoderKey.from_bytes(b"".join(word.to_bytes(4, "big") for word in words), self.algorithm)
        base = int(self.identity[5])
        if first.key_type not in PERMITTED[int(self.identity[0])] or (first.roll_over and key == self.key):
            return TokenResult.KEY_TYPE_ERROR
        if first.roll_over:
            base = {1993: 2014, 2014: 2035, 2035: 2035}[base]
            self.token_ids = [0] * 50
        self.key = key
        self.identity = (
            first.key_type,
            f"{group:06d}",
            f"{second.tariff_index:02d}",
            first.key_revision,
            first.key_expiry_high << 4 | second.key_expiry_low,
            base,
        )
        return OK

    @property
    def staged_numbers(self) -> tuple[int, ...]:
        return tuple(sorted(self.staged)) if self.now < self.staged_until else ()

    # Keys.

    def press(self, key: Key) -> TokenResult | None:
        if self.digits and self.now >= self.last_key_ns + 20 * SECOND_NS:
            self.digits, self.backspaced_ns = "", -SECOND_NS
        if self.now < self.keys_locked_until:
            return None
        if key is Key.ENTER:
            typed, self.digits, self.backspaced_ns = self.digits, "", -SECOND_NS
            if typed in ("", CONFIRM):
                self.confirm()
            elif typed in DRAW:
                self.draw_emergency_credit()
            elif typed == QUIET:
                self.flags ^= {Setting.QUIET_LOW_CREDIT.value}
            elif len(typed) > 11:
                return self.enter(typed, Door.KEYPAD)
            return None
        if key is Key.BACKSPACE:
            twice = self.now - self.backspaced_ns <= 400 * MILLISECOND_NS
            self.digits = "" if twice else self.digits[:-1]
            self.last_key_ns = self.backspaced_ns = self.now
            return None
        self.digits += key.value
        self.last_key_ns, self.backspaced_ns = self.now, -SECOND_NS
        if len(self.digits) < 20:
            return None
        typed, self.digits = self.digits, ""
        return self.enter(typed, Door.KEYPAD)

    def confirm(self) -> None:
        if self.reasons == OpenReason.AWAITING_CONFIRMATION:
            self.must_confirm = False
            self._settle()

    def draw_emergency_credit(self) -> None:
        allowed = Setting.EMERGENCY_CREDIT in self.flags and Setting.POST_PAYMENT not in self.flags
        if allowed and self.emergency_wh and self.credit_wh <= self.low_wh[1]:
            self.emergency_drawn = True
            self._settle()

    # Energy and line.

    def burn(self, quanta: int, phase: int, exported: bool) -> None:
        if not self.closed:
            return
        if Setting.POST_PAYMENT not in self.flags and not self.friendly and self.credit_wh > self.floor_wh:
            quanta = min(quanta, (self.credit_wh - self.floor_wh) * QUANTA - self.total % QUANTA)
        before = self.total // QUANTA
        self.total += quanta
        self.phases[phase + 3 * exported] += quanta
        if Setting.POST_PAYMENT not in self.flags:
            self.drawn_wh += self.total // QUANTA - before
            self.credit_wh -= self.total // QUANTA - before
        self._settle()

    def measure(self, power_w: Triple, voltage_mv: Triple) -> None:
        self.line = (power_w, voltage_mv)
        self.seen_closed = self.closed
        self._settle()

    @property
    def floor_wh(self) -> int:
        drawn = self.emergency_drawn and Setting.EMERGENCY_CREDIT in self.flags
        return -self.emergency_wh if drawn else 0

    @property
    def friendly(self) -> bool:
        if self.clock_lost or Setting.FRIENDLY_CREDIT not in self.flags:
            return False
        local = datetime(1970, 1, 1) + timedelta(microseconds=(self.now + self.clock_offset_ns) // 1000)
        return local.isoweekday() > 5 or not 8 <= local.hour < 18

    # Watchers.

    def sense(self, kind: TamperKind, present: bool) -> None:
        if (kind in self.raw) == present:
            return
        self.raw ^= {kind}
        if (kind in self.present) == present:
            self.debounced.pop(kind, None)
        else:
            self.debounced[kind] = self.now + DEBOUNCE_NS[kind]

    def report(self, fault: Fault, present: bool) -> None:
        self.faults = self.faults | {fault} if present else self.faults - {fault}
        self._settle()

    def set_clock(self, at_ns: int) -> None:
        self.clock_offset_ns, self.clock_lost = at_ns - self.now, False
        self._settle()

    # Time.

    def pass_time(self, duration_ns: int) -> None:
        until_ns = self.now + duration_ns
        while True:
            due = [
                *self.debounced.values(),
                *self.pending.values(),
                self.test_until,
                self.supply_locked_until,
            ]
            due += [at for at in self.tripped.values() if at is not None]
            due += [self.forget_at, self.rested_at]
            if Setting.FRIENDLY_CREDIT in self.flags:
                due.append(self.now + HOUR_NS - (self.now + self.clock_offset_ns) % HOUR_NS)
            at_ns = min((at for at in due if self.now < at <= until_ns), default=None)
            if at_ns is None:
                break
            self.now = at_ns
            for kind in [kind for kind, at in self.debounced.items() if at <= at_ns]:
                del self.debounced[kind]
                self.present ^= {kind}
                self.latched |= self.present & {kind}
            self._settle()
        self.now = until_ns
        if self.locked and self.now >= self.locked_until:
            self.locked = False

    # A loss of supply.

    def restart(self, record: MeterRecord, closed: bool, clock_lost: bool, now: int) -> None:
        """Begin again: promises stand, what waited is forgotten, what watches is what was written down.

        What was written down may be more careful than what was known, never less.
        """
        (trips, barred, bits), (present, latched) = (record.watchers[n] for n in (0, 1))
        assert barred or self.now >= self.supply_locked_until
        assert self.latched <= {kind for kind in TamperKind if latched & kind}
        # The cut may have come while the end of a lock-out was written down.
        assert record.entry_locked or not self.locked or now >= self.locked_until
        self.locked &= record.entry_locked
        self.now = now
        self.staged.clear()
        self.digits, self.judging, self.keys_locked_until = "", (Door.KEYPAD, 0), 0
        self.backspaced_ns = -SECOND_NS
        if record.entry_locked:
            self.locked = True
            self.locked_until = self.now + min(10 << min(self.failures - 3, 40), 1280) * SECOND_NS
        self.latched = {kind for kind in TamperKind if latched & kind}
        self.present = {kind for kind in TamperKind if present & kind}
        self.raw, self.debounced = set(self.present), {}
        # A start finds again what is still wrong; in this model nothing is.
        self.faults = set()
        self.trips, self.pending, self.line = trips, {}, None
        self.tripped = {reason: self.now + RETRY_NS for reason in (POWER, UNBALANCE, OVER) if bits & reason}
        self.supply_locked_until = self.now + LOCKED_NS if barred else 0
        self.forget_at = self.now + RETRY_NS + FORGOTTEN_NS if trips else 0
        self.no_credit = bool(record.open_reasons & OpenReason.NO_CREDIT)
        self.must_confirm = bool(record.open_reasons & OpenReason.AWAITING_CONFIRMATION)
        self.test_until, self.tested_at, self.clock_lost = 0, None, clock_lost
        self.closed = self.seen_closed = closed
        self.rested_at = self.now + 10 * SECOND_NS if record.switch_operations else 0
        self._settle()

    # What follows from all of it.

    def _settle(self) -> None:
        for _ in range(3):
            self._look()
            if Setting.POST_PAYMENT in self.flags or self.credit_wh > self.floor_wh:
                self.no_credit = False
            elif not self.no_credit:
                self.no_credit = not self.friendly
            reasons = OpenReason(sum(self.tripped))
            for present, reason in (
                (self.no_credit, OpenReason.NO_CREDIT),
                (self.now < self.supply_locked_until, OpenReason.OVERLOAD_LOCKOUT),
                (self.latched & DISCONNECTING, OpenReason.TAMPER),
                (self.faults & OPENING, OpenReason.FAULT),
                (Setting.SUPPLY_BARRED in self.flags, OpenReason.COMMANDED),
            ):
                if present:
                    reasons |= reason
            if reasons and Setting.CONFIRM_RECONNECTION in self.flags:
                self.must_confirm = True
            if not reasons and self.must_confirm:
                reasons = OpenReason.AWAITING_CONFIRMATION
            if reasons or self.now >= self.test_until:
                self.test_until = 0
            self.reasons = reasons
            wanted = not reasons and not self.test_until
            if wanted == self.closed or (wanted and self.now < self.rested_at):
                return
            self._move(wanted)

    def _move(self, closed: bool) -> None:
        self.closed = self.seen_closed = closed
        self.rested_at = self.now + 10 * SECOND_NS
        if self.line is None:
            # The board tells the line whenever the contacts moved.
            self.line = ((0, 0, 0), (230_000,) * 3)

    def _exceeded(self) -> set[OpenReason]:
        exceeded = set[OpenReason]()
        if self.line is not None:
            power_w, voltage_mv = self.line
            if max(voltage_mv) > 310_500:
                exceeded.add(OVER)
            if self.seen_closed and 0 < self.power_limit_w < sum(power_w):
                exceeded.add(POWER)
            if self.seen_closed and 0 < self.unbalance_limit_w < max(power_w) - min(power_w):
                exceeded.add(UNBALANCE)
        return exceeded

    def _look(self) -> None:
        exceeded, now = self._exceeded(), self.now
        for reason, until_ns in list(self.tripped.items()):
            if reason is OVER and reason in exceeded:
                self.tripped[reason] = None
            elif until_ns is None:
                self.tripped[reason] = now + RETRY_NS
            elif now >= until_ns:
                del self.tripped[reason]
        if self.forget_at and now >= self.forget_at:
            self.trips = self.forget_at = 0
        for reason in DELAY_NS:
            if reason not in exceeded or reason in self.tripped:
                self.pending.pop(reason, None)
            elif now >= self.pending.setdefault(reason, now + DELAY_NS[reason]):
                del self.pending[reason]
                self._trip(reason)

    def _trip(self, reason: OpenReason) -> None:
        self.tripped[reason] = None if reason is OVER else self.now + RETRY_NS
        if reason is OVER:
            return
        self.trips += 1
        self.forget_at = self.now + RETRY_NS + FORGOTTEN_NS
        if self.trips >= TRIPS:
            self.supply_locked_until = self.now + LOCKED_NS
            self.trips = self.forget_at = 0


def _place(section: Token) -> int:
    return {
        Set1stSectionDecoderKey: 1,
        Set2ndSectionDecoderKey: 2,
        Set3rdSectionSupplyGroup: 3,
        Set3rdSectionDecoderKey: 3,
        Set4thSectionDecoderKey: 4,
    }[type(section)]

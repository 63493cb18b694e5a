"""The meter: one `match` on what happened, and the order of actions that makes it safe.

Whoever promises, first commits. Whatever an event leads to is gathered while it is handled and handed out in
one order: the record or the checkpoint, the log, the face and its sounds, the switch, and the answer to
whoever asked.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

from joy311 import __version__
from joy311.energy import EnergyIncrement
from joy311.iec62056 import IntervalStatus
from joy311.instant import MILLISECOND_NS, MINUTE_NS, SECOND_NS
from joy311.meter.actions import (
    Action,
    AppendLog,
    AppendProfile,
    Commit,
    PlaySound,
    Report,
    SaveCheckpoint,
    SaveConfiguration,
    SetBacklight,
    SetLight,
    Show,
    SwitchLoad,
)
from joy311.meter.calendar import Calendar
from joy311.meter.configuration import Configuration
from joy311.meter.credit_warning import CREDIT_LIGHT, CreditWarning
from joy311.meter.diagnosis import FAULTS, Diagnosis, Fault
from joy311.meter.display import Display
from joy311.meter.display_items import NoticeTexts
from joy311.meter.doors import CiuLink, Door, Exchange
from joy311.meter.event_log import EventCode, EventCounters, EventLog, Finding, LogEntry
from joy311.meter.events import (
    AlarmMuted,
    CiuLinkChanged,
    CiuPaired,
    ClockDrifted,
    ClockSet,
    CodeReceived,
    CommitFailed,
    ConfigurationWritten,
    DeadlineReached,
    EnergyMeasured,
    Event,
    FaultReported,
    KeyPressed,
    PasswordTried,
    PoweredUp,
    PowerFailing,
    PowerReturned,
    QuantitiesMeasured,
    RelayReported,
    SensorChanged,
    SettingWritten,
    TokenReceived,
)
from joy311.meter.key_store import KeyStore
from joy311.meter.load_profile import IntervalRow, LoadProfile, Totals
from joy311.meter.load_switch import REASON_TEXTS, LoadSwitch, OpenReason
from joy311.meter.lockout import Lockout
from joy311.meter.phases import Phases
from joy311.meter.prepayment import CHECKPOINT_QUANTUM_WH, Prepayment
from joy311.meter.readout import Readout
from joy311.meter.record import PAST_MONTHS, Checkpoint, FactoryData, MeterRecord
from joy311.meter.registers import Registers
from joy311.meter.reverse_energy import ReverseEnergy
from joy311.meter.settings import Settings
from joy311.meter.short_codes import ShortFunction
from joy311.meter.supply_limits import SupplyLimits
from joy311.meter.tamper import TAMPER_TEXTS, Tamper, TamperKind
from joy311.meter.token_entry import (
    CodeEntered,
    EmptyEntered,
    EntryChanged,
    Ignored,
    TokenEntered,
    TokenEntry,
)
from joy311.meter.token_execution import DETAIL, Verdict, execute, is_for_any_meter
from joy311.meter.token_identifiers import TokenIdentifierStore
from joy311.panel import Icon, Key, Led, Light, Screen, Sound
from joy311.quantities import LineQuantities, Triple
from joy311.sts import (
    DecoderKey,
    EncryptionAlgorithm,
    FormatReason,
    KeyAttributes,
    KeyChangeSection,
    MeterControl,
    MeterFlag,
    ReadExtendedControl,
    Token20,
    TokenFormatError,
    TokenResult,
)
from joy311.sts.tokens import FLAG_INDEX

COMMUNICATION_NS = 2 * SECOND_NS
"""How long the communication light blinks after a token came through a port [ns]."""

PRESENT_MV = 30_000
"""Voltage from which a phase counts as present [mV]."""

EMERGENCY_ITEM = 8
"""Number of the display's item that shows the emergency credit."""

LOAD_SWITCH_TEST = 1
"""Number of the meter test that moves the load switch."""

KEY_CHANGE_TOKENS = {EncryptionAlgorithm.STA: 3, EncryptionAlgorithm.MISTY1: 4}
"""Tokens of the longest set of a key change, by the algorithm of the key."""

LINK_LIGHT = {
    CiuLink.ABSENT: Light.OFF,
    CiuLink.HEARD: Light.SLOW_BLINK,
    CiuLink.LOST: Light.OFF,
    CiuLink.SHORTED: Light.ON,
}
"""What the communication light says of the way to the customer interface unit."""

NOT_KEPT = frozenset({TokenResult.LOCKOUT, TokenResult.NOT_READY})
"""Results of tokens that were not judged, and so are not the result of the last token judged."""

COUNTED = frozenset({TokenResult.CRC_ERROR, TokenResult.FORMAT_ERROR})
"""Results that could be those of somebody who guesses, and lead to a lock-out."""

_FATAL_FAULTS = sum(fault.bit for fault in FAULTS if fault.begin.status & IntervalStatus.FATAL_ERROR)
_NO_CREDIT, _COMMANDED = OpenReason.NO_CREDIT.value, OpenReason.COMMANDED.value
_NOTICES = NoticeTexts(
    {reason.value: told.text for reason, told in REASON_TEXTS.items()},
    {kind.value: told.text for kind, told in TAMPER_TEXTS.items()},
)


class _Ledger(NamedTuple):
    """What a token can change, as it was before one."""

    credit_wh: int
    accepted_wh: int
    cleared_wh: int
    emergency_drawn: bool
    token_ids: tuple[int, ...]
    attributes: KeyAttributes
    key: DecoderKey
    staging: tuple[tuple[KeyChangeSection, ...], int | None]
    settings: Settings
    lockout: tuple[int, bool, int | None]
    last: tuple[TokenResult | None, str, int, int]
    counts: tuple[int, int]
    link: tuple[int, int, TokenResult | None, int]
    paired_ciu: int
    no_credit: bool
    latched: TamperKind
    reverse: tuple[int, ...]


class Meter:
    """A JOY311 payment meter, without its hardware.

    The same record, configuration and events give the same actions and the same record.

    Parameters
    ----------
    record : MeterRecord
        What the meter woke up with; a new meter's is ``MeterRecord(factory)``.
    configuration : Configuration, optional
        What the utility chose; the data sheet's values by default.
    """

    def __init__(self, record: MeterRecord, configuration: Configuration | None = None) -> None:
        self._configuration = configuration = configuration or Configuration()
        self._settings = record.settings
        self._registers = Registers(record.total, record.imported, record.exported)
        self._prepayment = Prepayment(
            record.credit_wh,
            record.drawn_wh,
            record.accepted_wh,
            record.cleared_wh,
            TokenIdentifierStore(record.token_ids),
            record.emergency_drawn,
        )
        self._keys = KeyStore(record.factory.attributes, record.factory.decoder_key)
        self._calendar = Calendar(configuration.calendar, record.clock_offset_ns)
        self._lockout = Lockout(configuration.lockout, record.entry_failures, record.entry_locked)
        self._access = Lockout(configuration.access_lockout, record.access_failures, record.access_locked)
        states = iter(record.watchers)
        self._limits = SupplyLimits(configuration.supply, next(states, ()))
        self._tamper = Tamper(configuration.tamper, next(states, ()))
        self._reverse = ReverseEnergy(configuration.reverse_energy, next(states, ()))
        self._phases = Phases(configuration.phases, next(states, ()))
        self._diagnosis = Diagnosis(next(states, ()))
        self._log = EventLog(next(states, ()))
        zone_ns = configuration.calendar.utc_offset_minutes * MINUTE_NS
        self._profile = LoadProfile(configuration.load_profile, zone_ns)
        self._switch = LoadSwitch(
            OpenReason(record.open_reasons), record.switch_operations, configuration.load_switch
        )
        self._warning = CreditWarning(record.settings.low_credit_wh, configuration.credit_warning)
        self._entry = TokenEntry(configuration.entry)
        self._display = Display(configuration.display, _NOTICES)
        self._quantities: LineQuantities | None = None
        self._phase_icons: frozenset[Icon] = frozenset()
        self._screen: Screen | None = None
        self._lights: dict[Led, Light] = {}
        self._backlight = False
        self._communication_until_ns: int | None = None
        self._judging: tuple[Door, int] | None = None
        self._last_result = record.last_result
        self._last_detail = ""
        self._tokens_accepted = record.tokens_accepted
        self._tokens_refused = record.tokens_refused
        self._last_units = record.last_units
        self._last_token_id = record.last_token_id
        self._link = (record.link_session, record.link_counter, record.link_result, record.link_units)
        self._paired_ciu = record.paired_ciu
        self._ciu_link = CiuLink.ABSENT
        self._power_failures = record.power_failures
        self._generation = record.generation
        self._month = record.month
        self._month_start_wh = record.month_start_wh
        self._past_month_wh = record.past_month_wh
        self._unsaved_wh = 0
        self._post_payment = record.settings.has(MeterFlag.POST_PAYMENT)
        self._no_credit = bool(record.open_reasons & OpenReason.NO_CREDIT)
        self._key_beeps = True
        self._switch_faults: frozenset[Fault] = self._switch.faults
        self._friendly = False
        self._floor_wh = 0
        self._asked: Report | None = None
        self._drove: bool | None = None
        self._opens_anyway = False
        self._deadline_ns: int | None = None
        self._turn_ns: int | None = None
        self._friendly_ends_ns: int | None = None
        self._month_ends_ns: int | None = None
        self._asked_undo: _Ledger | None = None
        self._kept_latches = self._tamper.state()[1]
        self._undo: _Ledger | None = None
        # What one event led to, until it is handed out.
        self._entries: list[LogEntry] = []
        self._rows: list[IntervalRow] = []
        self._sounds: list[Sound] = []
        self._answered: Report | None = None
        self._new_configuration: Configuration | None = None
        self._must_commit = False
        self._save_checkpoint = False
        self._changed = False
        self._now = record.committed_at_ns

    @classmethod
    def restore(
        cls, record: bytes, checkpoint: bytes | None = None, configuration: bytes | None = None
    ) -> Meter:
        """Return the meter that the memory describes.

        Parameters
        ----------
        record : bytes
            The newest record.
        checkpoint : bytes, optional
            The newest checkpoint; it counts if it was made after that very record.
        configuration : bytes, optional
            The configuration; the data sheet's without one.

        Raises
        ------
        StorageError
            If the bytes are not what they should be.
        """
        restored = MeterRecord.from_bytes(record)
        if checkpoint is not None:
            restored = restored.with_checkpoint(Checkpoint.from_bytes(checkpoint))
        return cls(restored, Configuration.from_bytes(configuration) if configuration else None)

    def record(self, now: int) -> MeterRecord:
        """Return all that must outlive a power cut at `now` [ns]."""
        self._absorb()
        registers, prepayment, keys = self._registers, self._prepayment, self._keys
        session, counter, link_result, link_units = self._link
        return MeterRecord(
            factory=FactoryData(keys.attributes, keys.key, self._settings.low_credit_wh),
            settings=self._settings,
            generation=self._generation,
            credit_wh=prepayment.credit_wh,
            drawn_wh=prepayment.drawn_wh,
            accepted_wh=prepayment.accepted_wh,
            cleared_wh=prepayment.cleared_wh,
            emergency_drawn=prepayment.emergency_drawn,
            total=registers.total,
            imported=registers.imported,
            exported=registers.exported,
            token_ids=prepayment.store.slots,
            open_reasons=int(self._switch.reasons),
            switch_operations=self._switch.operations,
            last_result=self._last_result,
            tokens_accepted=self._tokens_accepted,
            tokens_refused=self._tokens_refused,
            last_units=self._last_units,
            last_token_id=self._last_token_id,
            entry_failures=self._lockout.failures,
            entry_locked=self._lockout.locked,
            access_failures=self._access.failures,
            access_locked=self._access.locked,
            link_session=session,
            link_counter=counter,
            link_result=link_result,
            link_units=link_units,
            paired_ciu=self._paired_ciu,
            clock_offset_ns=self._calendar.offset_ns,
            month=self._month,
            month_start_wh=self._month_start_wh,
            past_month_wh=self._past_month_wh,
            power_failures=self._power_failures,
            committed_at_ns=now,
            watchers=(
                self._limits.state(),
                self._tamper.state(),
                self._reverse.state(),
                self._phases.state(),
                self._diagnosis.state(),
                self._log.state(),
            ),
        )

    def next_deadline(self, *, watched: bool = False) -> int | None:
        """Return when `DeadlineReached` is due [ns], None while nothing waits for a time.

        Parameters
        ----------
        watched : bool
            Whether somebody looks at the display, so that its automatic scroll must come on time too.
        """
        deadline_ns = self._deadline_ns
        interval_ns = self._profile.deadline_ns
        if interval_ns is not None and (deadline_ns is None or interval_ns < deadline_ns):
            deadline_ns = interval_ns
        if watched and self._turn_ns is not None:
            return self._turn_ns if deadline_ns is None else min(deadline_ns, self._turn_ns)
        return deadline_ns

    def energy_horizon(self) -> int:
        """Return the energy after which the meter must decide something, at least 1 [2**-32 Wh].

        A shell that ends its step there cuts the supply, warns and checkpoints at the very watt-hour.
        """
        self._absorb()
        return self._registers.quanta_to_advance(self._wh_to_decision())

    def handle(self, event: Event, now: int) -> list[Action]:
        """Take `event` at `now` [ns] and return what must be done, in this order."""
        if type(event) is EnergyMeasured:
            # By far the most frequent event, and most of them only add up.
            if not self._registers.add(event.increment):
                return []
            self._now = now
            if self._only_counts_on(event.increment):
                return self._count_on(now)
            self._meter_energy(event.increment, now)
            return self._conclude(now)
        if type(event) is DeadlineReached and self._only_interval_ends(now):
            # Every quarter of an hour of a life, and nothing else is to be decided then.
            row = self._profile.reach(self._totals(), self._calendar.clock_ns(now), now, self._standing())
            return [] if row is None else [AppendProfile(row.to_bytes())]
        self._now = now
        self._absorb()
        match event:
            case QuantitiesMeasured(quantities):
                self._measure(quantities, now)
            case KeyPressed(key, door):
                self._press(key, door, now)
            case TokenReceived(text, door, exchange):
                self._communicate(now)
                self._receive(text, door, exchange, now)
            case CodeReceived(code):
                self._communicate(now)
                self._display.touch(now)
                if code:
                    self._short_code(code, now)
                else:
                    self._enter(now)
            case AlarmMuted():
                self._warning.mute(now)
            case CiuPaired(ciu):
                self._undo = self._ledger()
                self._paired_ciu = ciu
                self._must_commit = True
                self._answered = Report(TokenResult.ACCEPT, "paired", Door.CIU)
            case CiuLinkChanged(link):
                self._ciu_link = link
                self._changed = True
            case RelayReported(auxiliary_closed, coil_intact, load_side_live):
                self._note(self._switch.report(auxiliary_closed, now, coil_intact, load_side_live), now)
                self._changed = True
            case SensorChanged(kind, present):
                self._note(self._tamper.observe(kind, present, now), now)
            case FaultReported(fault, present):
                self._note(self._diagnosis.report(fault, present, now), now)
            case ClockDrifted(gained_ns):
                self._calendar.offset_ns += gained_ns
                self._watch_month(now)
                if self._friendly_ends_ns is not None:
                    self._rule(now)
            case ClockSet(at_ns):
                self._set_clock(at_ns, now)
            case SettingWritten(setting, value):
                self._apply(self._settings.written(setting, value), now)
            case ConfigurationWritten(configuration):
                self._new_configuration = configuration
                self._tell(EventCode.CONFIGURATION_CHANGED, now)
                clock_ns = self._calendar.clock_ns(now)
                self._keep(
                    self._profile.change(
                        configuration.load_profile, self._totals(), clock_ns, now, self._standing()
                    )
                )
            case PasswordTried(level, right):
                self._try_password(level, right, now)
            case DeadlineReached():
                self._expire(now)
            case PoweredUp():
                self._power_up(event, now)
            case PowerFailing():
                self._fail_power(now)
            case PowerReturned():
                self._tell(EventCode.VOLTAGE_DIP, now)
                self._profile.mark(IntervalStatus.POWER_RETURNED)
                self._profile.begin(self._totals(), self._calendar.clock_ns(now), now)
            case CommitFailed():
                self._take_back(now)
        return self._conclude(now)

    def _power_up(self, event: PoweredUp, now: int) -> None:
        self._log.sequence = event.log_sequence
        self._calendar.lost = event.clock_lost
        self._switch.power_up(event.contact_closed, now)
        for part in (self._lockout, self._access, self._limits, self._diagnosis):
            part.power_up(now)
        self._tell(EventCode.UPSET_RESET if event.upset else EventCode.POWER_UP, now)
        if event.upset:
            self._note(self._diagnosis.report(Fault.UPSET, True, now), now)
        found = {*event.faults, *([Fault.CLOCK_LOST] if event.clock_lost else [])}
        for fault in self._diagnosis.present:
            # What the start does not find is over, or is found again when it next shows.
            if fault not in found and not fault.hold_s:
                self._note(self._diagnosis.report(fault, False, now), now)
        for fault in sorted(found):
            self._note(self._diagnosis.report(fault, True, now), now)
        if event.opened_while_off:
            self._note(self._tamper.opened_while_off(event.opened_while_off, now), now)
        self._rule(now)
        self._watch_month(now)
        self._watch_credit(now)
        self._display.power_up(now)
        self._profile.begin(self._totals(), self._calendar.clock_ns(now), now)
        self._changed = True

    def _fail_power(self, now: int) -> None:
        self._power_failures += 1
        # Counters and the last result are in the record only, and the capacitor pays for it.
        self._must_commit = True
        self._entries += self._log.flush()
        self._tell(EventCode.POWER_DOWN, now)
        self._keep(self._profile.cut(self._totals(), self._calendar.clock_ns(now), now, self._standing()))

    def _only_interval_ends(self, now: int) -> bool:
        interval_ns, others_ns, turn_ns = self._profile.deadline_ns, self._deadline_ns, self._turn_ns
        return (
            interval_ns is not None
            and interval_ns <= now
            and (others_ns is None or now < others_ns)
            and (turn_ns is None or now < turn_ns)
        )

    def _totals(self) -> Totals:
        registers = self._registers
        return Totals(registers.imported_wh, registers.exported_wh, registers.total_wh)

    def _standing(self) -> int:
        """Return the status bits of what lasts beyond an interval of the load profile."""
        fatal = IntervalStatus.FATAL_ERROR if self._diagnosis.error_register() & _FATAL_FAULTS else 0
        return fatal | (IntervalStatus.CLOCK_RESERVE_EXHAUSTED if self._calendar.lost else 0)

    def _keep(self, row: IntervalRow | None) -> None:
        if row is not None:
            self._rows.append(row)

    def _only_counts_on(self, increment: EnergyIncrement) -> bool:
        """Draw what was metered and return whether that moves figures, and decides nothing."""
        self._absorb()
        credit_wh, warning = self._prepayment.credit_wh, self._warning
        return (
            (self._post_payment or credit_wh > self._floor_wh)
            and warning.state_of(credit_wh) is warning.state
            and self._display.until_ns is None
            and not any(increment.export_quanta)
        )

    def _count_on(self, now: int) -> list[Action]:
        """Keep what was drawn, once it is enough, and show it."""
        actions: list[Action] = []
        self._save_consumption(actions, now)
        self._refresh(actions, now)
        self._turn_ns = self._display.deadline_ns
        self._plan_energy()
        return actions

    def _meter_energy(self, increment: EnergyIncrement, now: int) -> None:
        exported = increment.export_quanta
        if any(exported):
            self._note(self._reverse.add(exported, now), now)
        self._absorb()
        self._watch_credit(now)

    def _absorb(self) -> None:
        """Draw from the credit what the total register advanced; this decides nothing."""
        advance_wh = self._registers.take()
        if advance_wh:
            self._unsaved_wh += advance_wh
            if not self._post_payment:
                self._prepayment.draw(advance_wh)

    def _wh_to_decision(self) -> int:
        """Return the energy after which something must be decided [Wh], at least 1."""
        energy_wh = CHECKPOINT_QUANTUM_WH - self._unsaved_wh
        if not self._post_payment:
            level_wh = self._warning.wh_to_next_level(self._prepayment.credit_wh)
            if level_wh is not None and level_wh < energy_wh:
                energy_wh = level_wh
        return energy_wh if energy_wh > 1 else 1

    def _emergency_wh(self) -> int:
        """Return the emergency credit that the utility allows [Wh]."""
        settings = self._settings
        return settings.emergency_wh if settings.has(MeterFlag.EMERGENCY_CREDIT) else 0

    def _watch_credit(self, now: int) -> None:
        """Warn of low credit and decide whether its lack is a reason to be open."""
        warning = self._warning
        credit_wh = self._prepayment.credit_wh
        before = warning.state
        if warning.watch(credit_wh, now):
            self._sounds.append(Sound.LOW_CREDIT)
        if warning.state is not before:
            self._changed = True
        was = self._no_credit
        if self._post_payment or credit_wh > self._floor_wh:
            self._no_credit = False
        elif not was:
            # Friendly hours keep a supply on; they do not bring one back.
            self._no_credit = not self._friendly
        if self._no_credit != was:
            self._tell(EventCode.CREDIT_EXHAUSTED if self._no_credit else EventCode.CREDIT_RESTORED, now)

    def _rule(self, now: int) -> None:
        """Let settings, mode and hour rule what depends on them."""
        settings, prepayment = self._settings, self._prepayment
        self._post_payment = settings.has(MeterFlag.POST_PAYMENT)
        self._friendly = settings.has(MeterFlag.FRIENDLY_CREDIT) and self._calendar.is_friendly(now)
        drawn_wh = self._emergency_wh() if prepayment.emergency_drawn else 0
        self._floor_wh = -drawn_wh
        self._note(self._limits.set_power_limit(settings.power_limit_w, now), now)
        self._note(self._limits.set_unbalance_limit(settings.unbalance_limit_w, now), now)
        self._switch.require_confirmation(settings.has(MeterFlag.CONFIRM_RECONNECTION))
        self._warning.set_levels(settings.low_credit_wh)
        self._warning.allow(emergency_wh=drawn_wh, friendly=self._friendly, suspended=self._post_payment)
        self._warning.quiet = settings.has(MeterFlag.QUIET_LOW_CREDIT)
        self._friendly_ends_ns = (
            self._calendar.friendly_ends_ns(now) if settings.has(MeterFlag.FRIENDLY_CREDIT) else None
        )

    def _communicate(self, now: int) -> None:
        self._communication_until_ns = now + COMMUNICATION_NS
        self._changed = True

    def _press(self, key: Key, door: Door, now: int) -> None:
        stuck = self._entry.stuck
        outcome = self._entry.press(key, now)
        if self._entry.stuck != stuck:
            self._note(self._diagnosis.report(Fault.KEYPAD_STUCK, self._entry.stuck, now), now)
        if isinstance(outcome, Ignored):
            return
        self._display.touch(now)
        self._warning.mute(now)
        self._changed = True
        if self._key_beeps:
            self._sounds.append(Sound.KEY)
        match outcome:
            case EntryChanged():
                self._display.home(now)
            case EmptyEntered():
                self._enter(now)
            case CodeEntered(code):
                self._short_code(code, now)
            case TokenEntered(digits):
                self._receive(digits, door, None, now)

    def _enter(self, now: int) -> None:
        """Do what the enter key does with nothing typed."""
        if self._switch.waits_for_confirmation:
            self._note(self._switch.confirm(now), now)
        else:
            self._display.page(now)

    def _short_code(self, code: str, now: int) -> None:
        """Show or do what a short code means; an unknown one changes nothing and is no wrong token."""
        meaning = self._configuration.codes.meanings.get(code)
        self._changed = True
        match meaning:
            case None:
                self._display.say_result(
                    TokenResult.FORMAT_ERROR, now, reason=FormatReason.LENGTH, digits_seen=len(code)
                )
                self._sounds.append(Sound.REJECT)
            case ShortFunction.DRAW_EMERGENCY_CREDIT:
                self._draw_emergency_credit(now)
            case ShortFunction.MUTE_ALARM:
                self._warning.mute(now)
            case ShortFunction.TOGGLE_LOW_CREDIT_BEEPS:
                quiet = not self._settings.has(MeterFlag.QUIET_LOW_CREDIT)
                self._apply(self._settings.with_flag(MeterFlag.QUIET_LOW_CREDIT, quiet), now)
            case ShortFunction.TOGGLE_KEY_BEEPS:
                self._key_beeps = not self._key_beeps
            case ShortFunction.CONFIRM_RECONNECTION:
                self._note(self._switch.confirm(now), now)
            case ShortFunction.TEST_DISPLAY:
                self._display.test(now)
            case ShortFunction.CYCLE_ITEMS:
                self._display.cycle(now)
            case int():
                self._display.show_items([meaning], now)

    def _draw_emergency_credit(self, now: int) -> None:
        """Give the customer the emergency credit, once until it is paid back."""
        prepayment = self._prepayment
        granted = (
            self._emergency_wh() > 0
            and not self._post_payment
            and not prepayment.emergency_drawn
            and prepayment.credit_wh <= self._settings.low_credit_wh[1]
        )
        if not granted:
            self._display.say_value("no", EMERGENCY_ITEM, now)
            self._sounds.append(Sound.REJECT)
            return
        self._undo = self._ledger()
        prepayment.emergency_drawn = True
        self._must_commit = True
        self._tell(EventCode.EMERGENCY_CREDIT_DRAWN, now, value=self._emergency_wh())
        self._display.show_items([EMERGENCY_ITEM], now)
        self._sounds.append(Sound.ACCEPT)
        self._rule(now)
        self._watch_credit(now)

    def _receive(self, text: str, door: Door, exchange: Exchange | None, now: int) -> None:
        """Let one token at a time be judged, whichever door it came through."""
        self._changed = True
        if exchange is not None:
            session, counter, result, _ = self._link
            if result is not None and (exchange.session, exchange.counter) == (session, counter):
                # The answer was lost on the wire; the token is not judged again.
                self._answered = Report(result, DETAIL.get(result, "accepted"), door, exchange)
                return
        if self._judging is not None and now < self._judging[1] and door is not self._judging[0]:
            self._answered = Report(TokenResult.NOT_READY, DETAIL[TokenResult.NOT_READY], door, exchange)
            return
        if self._diagnosis.refuses_tokens:
            verdict = Verdict(TokenResult.NOT_READY, "the meter could not keep what a token brings")
            self._answer(verdict, door, exchange, now)
            # Where nothing else is ever written, this is what finds out that the memory works again.
            self._must_commit |= not self._diagnosis.error_register() & Fault.RECORD_LOST.bit
            return
        until_ns = now + self._configuration.tokens.judging_ms * MILLISECOND_NS
        self._judging = (door, until_ns)
        if door is not Door.KEYPAD:
            self._entry.lock(until_ns)
        self._undo = self._ledger()
        self._judge(text, door, exchange, now)

    def _judge(self, text: str, door: Door, exchange: Exchange | None, now: int) -> None:
        try:
            token = Token20.parse(text)
        except TokenFormatError as error:
            verdict = (
                Verdict(TokenResult.LOCKOUT, DETAIL[TokenResult.LOCKOUT])
                if self._lockout.remaining_ns(now)
                else Verdict(TokenResult.FORMAT_ERROR, str(error))
            )
            self._answer(verdict, door, exchange, now, error.reason, error.digits_seen)
            return
        if self._lockout.remaining_ns(now) and not is_for_any_meter(token):
            self._answer(Verdict(TokenResult.LOCKOUT, DETAIL[TokenResult.LOCKOUT]), door, exchange, now)
            return
        # The result of a token must be seen, so digits half typed on the keypad give way to it.
        self._entry.finish()
        verdict = execute(token, self._keys, self._prepayment, self._settings, now)
        self._answer(verdict, door, exchange, now)

    def _answer(
        self,
        verdict: Verdict,
        door: Door,
        exchange: Exchange | None,
        now: int,
        reason: FormatReason | None = None,
        digits_seen: int = 20,
    ) -> None:
        """Do what a verdict leads to, and say it on the face and to whoever asked."""
        result = verdict.result
        if result not in NOT_KEPT:
            self._last_result, self._last_detail = result, verdict.detail
            if verdict.accepted:
                self._tokens_accepted += 1
            else:
                self._tokens_refused += 1
            self._count_guess(verdict, now)
            if exchange is not None:
                units = verdict.credited_units or 0
                self._link = (exchange.session, exchange.counter, result, units)
                self._must_commit = True
            # What can be typed again without end, such as a test, must not wash the log out.
            if not verdict.accepted:
                self._tell(EventCode.TOKEN_REFUSED, now, value=int(result))
            elif verdict.spent:
                amount = verdict.credited_units
                self._tell(EventCode.TOKEN_ACCEPTED, now, value=int(result) if amount is None else amount)
        if verdict.accepted:
            self._carry_out(verdict, now)
            self._sounds.append(Sound.ACCEPT)
        else:
            self._display.say_result(result, now, reason, digits_seen)
            self._sounds.append(Sound.REJECT)
        self._answered = Report(result, verdict.detail, door, exchange)

    def _count_guess(self, verdict: Verdict, now: int) -> None:
        if verdict.result in COUNTED:
            if self._lockout.fail(now):
                self._tell(EventCode.ENTRY_LOCKOUT, now, value=self._lockout.failures)
            self._must_commit = True
        elif verdict.spent:
            # Only what cannot be typed again proves more than patience.
            self._must_commit |= self._lockout.clear()

    def _carry_out(self, verdict: Verdict, now: int) -> None:
        display, prepayment = self._display, self._prepayment
        if verdict.credited_units is not None:
            self._last_units = verdict.credited_units
            self._last_token_id = verdict.token_id
            self._rule(now)
            self._watch_credit(now)
            display.say_credit(verdict.credited_units, prepayment.credit_wh, now)
            self._must_commit = True
        elif verdict.section is not None:
            display.say_staged(verdict.section, self._keys.missing, now)
        elif verdict.tests:
            self._perform_tests(verdict.tests, now)
        elif verdict.control is not None:
            self._show_control(verdict.control, now)
        else:
            self._must_commit = True
            display.say_result(TokenResult.ACCEPT, now)
            if self._undo is not None and prepayment.cleared_wh != self._undo.cleared_wh:
                cleared_wh = prepayment.cleared_wh - self._undo.cleared_wh
                self._tell(EventCode.CREDIT_CLEARED, now, value=cleared_wh)
            if verdict.key_changed:
                self._tell(EventCode.KEY_CHANGED, now, value=self._keys.attributes.key_revision)
            if verdict.clear_tamper:
                self._note(self._tamper.clear(now), now)
                self._note(self._reverse.clear(now), now)
            if verdict.settings is not None:
                self._apply(verdict.settings, now)
            self._rule(now)
            self._watch_credit(now)

    def _perform_tests(self, tests: tuple[int, ...], now: int) -> None:
        self._display.show_tests(tests, now)
        if LOAD_SWITCH_TEST in tests:
            self._note(self._switch.test(now), now)

    def _show_control(self, control: ReadExtendedControl, now: int) -> None:
        settings = self._settings
        if control.index == FLAG_INDEX:
            value = int(settings.has(MeterFlag(control.operand)))
        else:
            value = settings.control(MeterControl(control.index))
        self._display.say_value(str(value), min(control.index, 99), now)

    def _apply(self, settings: Settings, now: int) -> None:
        """Let new settings rule from now on."""
        before = self._settings
        if settings == before:
            return
        self._undo = self._undo or self._ledger()
        self._settings = settings
        self._must_commit = True
        self._changed = True
        mode = settings.has(MeterFlag.POST_PAYMENT)
        if mode != before.has(MeterFlag.POST_PAYMENT):
            self._tell(EventCode.PAYMENT_MODE_CHANGED, now, value=int(mode))
        else:
            self._tell(EventCode.PARAMETERS_CHANGED, now)
        self._rule(now)
        self._watch_credit(now)

    def _set_clock(self, at_ns: int, now: int) -> None:
        before_ns = self._calendar.clock_ns(now)
        self._calendar.set(at_ns, now)
        self._must_commit = True
        self._changed = True
        self._tell(EventCode.CLOCK_SET, now)
        self._keep(self._profile.jump(self._totals(), before_ns, at_ns, now, self._standing()))
        self._note(self._diagnosis.report(Fault.CLOCK_LOST, False, now), now)
        self._watch_month(now)
        self._rule(now)
        self._watch_credit(now)

    def _try_password(self, level: int, right: bool, now: int) -> None:
        if right:
            self._must_commit |= self._access.clear()
            return
        if self._access.fail(now):
            self._tell(EventCode.ACCESS_LOCKOUT, now, value=level)
        self._must_commit = True

    def _watch_month(self, now: int) -> None:
        """Close the month's consumption when the local calendar turned its page."""
        month = self._calendar.month(now)
        self._month_ends_ns = self._calendar.month_ends_ns(now)
        gone = month - self._month
        if gone in (0, -1):
            # A clock that was set back a little finds the month that it left still closed.
            return
        if gone > 0 and self._month:
            used_wh = self._registers.total_wh - self._month_start_wh
            dark = (0,) * min(gone - 1, PAST_MONTHS)
            self._past_month_wh = (*dark, used_wh, *self._past_month_wh)[:PAST_MONTHS]
        self._month = month
        self._month_start_wh = self._registers.total_wh
        self._must_commit = True

    def _measure(self, quantities: LineQuantities, now: int) -> None:
        before = self._phase_icons
        self._quantities = quantities
        self._phase_icons = _phase_icons(quantities)
        switch = self._switch
        switch.observe(quantities, now)
        findings = (
            *self._limits.observe(quantities, switch.contact_closed, now),
            *self._reverse.observe(quantities.power_w, now),
            *self._phases.observe(quantities, now),
            *self._tamper.observe_imbalance(quantities, now),
        )
        if findings:
            self._note(findings, now)
            self._see_reverse(now)
        if self._phase_icons != before or self._display.shows_quantities:
            self._changed = True

    def _see_reverse(self, now: int) -> None:
        """Let the tamper watch know whether energy flows back significantly."""
        self._note(self._tamper.observe(TamperKind.REVERSE, self._reverse.present, now), now)

    def _expire(self, now: int) -> None:
        self._entry.expire(now)
        if not self._entry.stuck:
            self._note(self._diagnosis.report(Fault.KEYPAD_STUCK, False, now), now)
        self._display.expire(now)
        if self._communication_until_ns is not None and now >= self._communication_until_ns:
            self._communication_until_ns = None
        if self._warning.remind(now):
            self._sounds.append(Sound.LOW_CREDIT)
        if self._lockout.expire(now):
            self._tell(EventCode.ENTRY_LOCKOUT_ENDED, now)
            self._must_commit = True
        if self._access.expire(now):
            self._tell(EventCode.ACCESS_LOCKOUT_ENDED, now)
            self._must_commit = True
        self._keys.expire(now)
        for part in (self._limits, self._tamper, self._reverse, self._phases, self._diagnosis, self._switch):
            self._note(part.expire(now), now)
        self._see_reverse(now)
        self._entries += self._log.expire(now)
        clock_ns = self._calendar.clock_ns(now)
        self._keep(self._profile.reach(self._totals(), clock_ns, now, self._standing()))
        self._watch_month(now)
        if self._friendly_ends_ns is not None and now >= self._friendly_ends_ns:
            self._rule(now)
        self._watch_credit(now)
        self._changed = True

    def _take_back(self, now: int) -> None:
        """Undo what the record that could not be written would have promised.

        The token that asked for it stays usable, the switch was not driven, and the fault is told.
        """
        self._generation -= 1
        if self._drove is False and self._asked_undo is None:
            # What protects is done though it cannot be counted; only closing needs the record.
            self._opens_anyway = True
        else:
            self._switch.withdraw(now)
        # What was to be shown after the record was not, so the face is drawn anew.
        self._screen = None
        self._lights.clear()
        self._changed = True
        self._note(self._diagnosis.report(Fault.MEMORY_WRITE_FAILED, True, now), now)
        self._must_commit = False
        self._kept_latches = 0
        asked, self._asked = self._asked, None
        undo, self._asked_undo = self._asked_undo, None
        if undo is not None:
            self._restore(undo, now)
        if asked is None:
            return
        self._display.say_result(TokenResult.NOT_READY, now)
        self._sounds.append(Sound.REJECT)
        self._answered = Report(
            TokenResult.NOT_READY,
            "the meter could not keep what the token brings",
            asked.door,
            asked.exchange,
        )

    def _ledger(self) -> _Ledger:
        """Return what a token can change, to be put back if the memory refuses it."""
        prepayment, keys = self._prepayment, self._keys
        return _Ledger(
            prepayment.credit_wh,
            prepayment.accepted_wh,
            prepayment.cleared_wh,
            prepayment.emergency_drawn,
            prepayment.store.slots,
            keys.attributes,
            keys.key,
            keys.staging,
            self._settings,
            (self._lockout.failures, self._lockout.locked, self._lockout.until_ns),
            (self._last_result, self._last_detail, self._last_units, self._last_token_id),
            (self._tokens_accepted, self._tokens_refused),
            self._link,
            self._paired_ciu,
            self._no_credit,
            self._tamper.latched,
            self._reverse.state(),
        )

    def _restore(self, ledger: _Ledger, now: int) -> None:
        prepayment, keys, lockout = self._prepayment, self._keys, self._lockout
        prepayment.credit_wh = ledger.credit_wh
        prepayment.accepted_wh = ledger.accepted_wh
        prepayment.cleared_wh = ledger.cleared_wh
        prepayment.emergency_drawn = ledger.emergency_drawn
        prepayment.store = TokenIdentifierStore(ledger.token_ids)
        keys.attributes, keys.key, keys.staging = ledger.attributes, ledger.key, ledger.staging
        self._settings = ledger.settings
        lockout.failures, lockout.locked, lockout.until_ns = ledger.lockout
        self._last_result, self._last_detail, self._last_units, self._last_token_id = ledger.last
        self._tokens_accepted, self._tokens_refused = ledger.counts
        self._link = ledger.link
        self._paired_ciu = ledger.paired_ciu
        self._no_credit = ledger.no_credit
        self._tamper.put_back(ledger.latched)
        self._reverse.put_back(ledger.reverse)
        self._rule(now)

    def _reasons(self) -> int:
        """Return every reason for an open switch, as bits of `OpenReason`."""
        reasons = int(
            self._limits.reasons
            | self._tamper.reasons
            | self._reverse.reasons
            | self._phases.reasons
            | self._diagnosis.reasons
        )
        if self._no_credit:
            reasons |= _NO_CREDIT
        if self._settings.has(MeterFlag.SUPPLY_BARRED):
            reasons |= _COMMANDED
        return reasons

    def _tell(self, event: EventCode, now: int, phase: int = 0, value: int = 0) -> None:
        self._note((Finding(event, phase, value),), now)

    def _note(self, findings: Iterable[Finding], now: int) -> None:
        """Log and count what was found."""
        if findings:
            for finding in findings:
                self._profile.mark(finding.event.status)
            self._entries += self._log.note(findings, self._calendar.clock_ns(now), now)
            if self._tamper.state()[1] & ~self._kept_latches:
                # Who tampers may cut the supply next; and until it is cleared a latch comes only once.
                self._must_commit = True
            self._changed = True

    def _conclude(self, now: int) -> list[Action]:
        """Hand out what the event led to, in the order that keeps every promise."""
        actions: list[Action] = []
        switch = self._switch
        if switch.decide(self._reasons(), now):
            self._changed = True
        faults = switch.faults
        if faults is not self._switch_faults:
            for fault in switch.FAULTS:
                self._note(self._diagnosis.report(fault, fault in faults, now), now)
            self._switch_faults = faults
        drive = switch.take_drive(now)
        if drive is not None or self._must_commit:
            self._generation += 1
            self._unsaved_wh = 0
            actions.append(Commit(self.record(now).to_bytes()))
            self._kept_latches = self._tamper.state()[1]
            self._asked, self._asked_undo = self._answered, self._undo
        else:
            self._save_consumption(actions, now)
        if self._new_configuration is not None:
            actions.append(SaveConfiguration(self._new_configuration.to_bytes()))
            self._new_configuration = None
        if self._entries:
            actions += [AppendLog(entry.to_bytes()) for entry in self._entries]
            self._entries.clear()
        if self._rows:
            actions += [AppendProfile(row.to_bytes()) for row in self._rows]
            self._rows.clear()
        self._refresh(actions, now)
        if self._sounds:
            actions += map(PlaySound, self._sounds)
            self._sounds.clear()
        if drive is not None or self._opens_anyway:
            actions.append(SwitchLoad(bool(drive)))
            self._opens_anyway = False
        self._drove = drive
        if self._answered is not None:
            actions.append(self._answered)
            self._answered = None
        self._must_commit = self._save_checkpoint = False
        self._undo = None
        self._plan()
        return actions

    def _save_consumption(self, actions: list[Action], now: int) -> None:
        if self._save_checkpoint or self._unsaved_wh >= CHECKPOINT_QUANTUM_WH:
            self._unsaved_wh = 0
            actions.append(SaveCheckpoint(self.checkpoint(now).to_bytes()))

    def _plan(self) -> None:
        """Work out when something must be decided next, by time and by energy."""
        deadline_ns: int | None = None
        for at_ns in (
            self._entry.deadline_ns,
            self._display.until_ns,
            self._warning.beep_at_ns,
            self._communication_until_ns,
            self._lockout.until_ns,
            self._access.until_ns,
            self._keys.deadline_ns,
            self._limits.deadline_ns,
            self._tamper.deadline_ns,
            self._reverse.deadline_ns,
            self._phases.deadline_ns,
            self._diagnosis.deadline_ns,
            self._switch.deadline_ns,
            self._log.deadline_ns,
            self._month_ends_ns,
            self._friendly_ends_ns,
        ):
            if at_ns is not None and (deadline_ns is None or at_ns < deadline_ns):
                deadline_ns = at_ns
        self._deadline_ns = deadline_ns
        self._turn_ns = self._display.deadline_ns
        self._plan_energy()

    def _plan_energy(self) -> None:
        """Work out after which energy something must be decided, or a figure shown anew."""
        decision_wh = self._wh_to_decision()
        shown_wh = 10 - self._shown_wh() % 10 if self._display.at_home else 1
        self._registers.decide_after(min(decision_wh, shown_wh))

    def _shown_wh(self) -> int:
        """Return how far into its last digit the figure at rest is [Wh], rising with consumption."""
        return self._registers.total_wh if self._post_payment else -self._prepayment.credit_wh

    def checkpoint(self, now: int) -> Checkpoint:
        """Return what consumption moved since the last record, as at `now` [ns]."""
        self._absorb()
        registers = self._registers
        return Checkpoint(
            self._generation,
            self._prepayment.credit_wh,
            self._prepayment.drawn_wh,
            registers.total,
            registers.imported,
            registers.exported,
            self._power_failures,
            now,
        )

    def _refresh(self, actions: list[Action], now: int) -> None:
        """Add what must change on the face: the screen and the lights that differ from what is shown."""
        screen = self._display.screen(self._entry.digits, self, self._icons(), now)
        if screen is not self._screen and screen != self._screen:
            actions.append(Show(screen))
        self._screen = screen
        if not self._changed:
            return
        self._changed = False
        communication = (
            LINK_LIGHT[self._ciu_link] if self._communication_until_ns is None else Light.FAST_BLINK
        )
        for led, light in (
            (Led.CREDIT, CREDIT_LIGHT[self._warning.state]),
            (Led.COMMUNICATION, communication),
        ):
            if self._lights.get(led) is not light:
                self._lights[led] = light
                actions.append(SetLight(led, light))
        backlight = self._display.backlight(self, now)
        if backlight is not self._backlight:
            self._backlight = backlight
            actions.append(SetBacklight(backlight))

    def _icons(self) -> frozenset[Icon]:
        return _state_icons(
            self._phase_icons,
            self._warning.icons,
            self._switch.contact_closed,
            self._communication_until_ns is not None,
            self._post_payment,
        )

    # What the display's items read; each is worked out only when it is shown.

    @property
    def credit_wh(self) -> int:
        """Credit left [Wh]."""
        self._absorb()
        return self._prepayment.credit_wh

    @property
    def emergency_wh(self) -> int:
        """How far the credit may run below zero [Wh]."""
        return self._emergency_wh()

    @property
    def low_credit_wh(self) -> tuple[int, int]:
        """The two levels of the low credit warning [Wh]."""
        return self._settings.low_credit_wh

    @property
    def last_units(self) -> int:
        """Amount of the last accepted credit token [0.1 kWh]."""
        return self._last_units

    @property
    def payment_mode(self) -> int:
        """0 for prepayment, 1 for post-payment."""
        return int(self._post_payment)

    @property
    def total_wh(self) -> int:
        """The register that debits credit [Wh]."""
        return self._registers.total_wh

    @property
    def imported_wh(self) -> Triple:
        """Imported energy of each phase [Wh]."""
        a, b, c = self._registers.imported
        return a.wh, b.wh, c.wh

    @property
    def exported_wh(self) -> Triple:
        """Exported energy of each phase [Wh]."""
        a, b, c = self._registers.exported
        return a.wh, b.wh, c.wh

    @property
    def export_total_wh(self) -> int:
        """Exported energy of all phases [Wh]."""
        return self._registers.exported_wh

    @property
    def month_wh(self) -> int:
        """Consumption of this month so far [Wh]."""
        return self._registers.total_wh - self._month_start_wh

    @property
    def past_month_wh(self) -> tuple[int, ...]:
        """Consumption of the last months, the latest first [Wh]."""
        return self._past_month_wh

    @property
    def power_w(self) -> int:
        """Total active power [W]."""
        return sum(self.phase_power_w)

    @property
    def phase_power_w(self) -> Triple:
        """Active power of each phase [W]."""
        return self._quantities.power_w if self._quantities else (0, 0, 0)

    @property
    def voltage_mv(self) -> Triple:
        """Voltage of each phase [mV]."""
        return self._quantities.voltage_mv if self._quantities else (0, 0, 0)

    @property
    def current_ma(self) -> Triple:
        """Current of each phase [mA]."""
        return self._quantities.current_ma if self._quantities else (0, 0, 0)

    @property
    def power_factor_permil(self) -> Triple:
        """Power factor of each phase times 1000."""
        return self._quantities.power_factor_permil if self._quantities else (0, 0, 0)

    @property
    def frequency_mhz(self) -> int:
        """Mains frequency in millihertz [mHz]."""
        return self._quantities.frequency_mhz if self._quantities else 0

    @property
    def power_limit_w(self) -> int:
        """Total active power above which the switch opens, 0 for none [W]."""
        return self._settings.power_limit_w

    @property
    def unbalance_limit_w(self) -> int:
        """Difference between two phases above which the switch opens, 0 for none [W]."""
        return self._settings.unbalance_limit_w

    @property
    def drn(self) -> str:
        """Decoder reference number."""
        return self._keys.attributes.meter_pan.drn

    @property
    def supply_group_code(self) -> str:
        """Supply group code, six digits."""
        return self._keys.attributes.supply_group_code

    @property
    def tariff_index(self) -> str:
        """Tariff index, two digits."""
        return self._keys.attributes.tariff_index

    @property
    def key_revision(self) -> int:
        """Key revision number."""
        return self._keys.attributes.key_revision

    @property
    def key_type(self) -> int:
        """Key type."""
        return int(self._keys.attributes.key_type)

    @property
    def key_expiry(self) -> int:
        """Key expiry number."""
        return self._keys.attributes.key_expiry

    @property
    def encryption_algorithm(self) -> int:
        """Number of the encryption algorithm."""
        return int(self._keys.attributes.encryption_algorithm)

    @property
    def key_change_tokens(self) -> int:
        """Number of key change tokens that the meter supports."""
        return KEY_CHANGE_TOKENS[self._keys.attributes.encryption_algorithm]

    @property
    def last_token_id(self) -> int:
        """Identifier of the last accepted token."""
        return self._last_token_id

    @property
    def token_ids(self) -> tuple[int, ...]:
        """The identifiers in memory, in rising order."""
        return self._prepayment.store.slots

    @property
    def last_result(self) -> TokenResult | None:
        """Result of the last token."""
        return self._last_result

    @property
    def result_detail(self) -> str:
        """One sentence about the last result, for a person at a port."""
        return self._last_detail

    @property
    def tokens_accepted(self) -> int:
        """Tokens accepted, ever."""
        return self._tokens_accepted

    @property
    def tokens_refused(self) -> int:
        """Tokens refused, ever."""
        return self._tokens_refused

    @property
    def clock(self) -> tuple[int, int, int, int, int, int]:
        """Year, month, day, hour, minute and second of the local time."""
        local = self._calendar.local(self._now)
        return local.year, local.month, local.day, local.hour, local.minute, local.second

    @property
    def clock_offset_ns(self) -> int:
        """What the meter's clock shows less the true time [ns]."""
        return self._calendar.offset_ns

    @property
    def profile_period_min(self) -> int:
        """Length of an interval of the load profile, 0 for none [min]."""
        return self._profile.period_min

    @property
    def last_interval(self) -> IntervalRow | None:
        """The newest row of the load profile since power-up."""
        return self._profile.last

    @property
    def open_reasons(self) -> int:
        """Why the switch is open, as a set of bits."""
        return int(self._switch.reasons)

    @property
    def tampers(self) -> int:
        """Tamper conditions that are latched, as a set of bits."""
        return int(self._tamper.latched)

    @property
    def fault_codes(self) -> tuple[int, ...]:
        """Faults that are present, by number."""
        return self._diagnosis.fault_codes

    @property
    def error_register(self) -> int:
        """The 32 bits of the error register F.F."""
        return self._diagnosis.error_register()

    @property
    def lockout_ns(self) -> int:
        """Time for which no token is taken any more [ns]."""
        return self._lockout.remaining_ns(self._now)

    @property
    def access_lockout_ns(self) -> int:
        """Time for which no password is taken any more at the port [ns]."""
        return self._access.remaining_ns(self._now)

    @property
    def switch_operations(self) -> int:
        """Times the load switch was driven."""
        return self._switch.operations

    @property
    def power_failures(self) -> int:
        """Announced power failures."""
        return self._power_failures

    @property
    def software_version(self) -> str:
        """Version of the program."""
        return __version__

    @property
    def configuration(self) -> Configuration:
        """The configuration in use."""
        return self._configuration

    @property
    def settings(self) -> Settings:
        """What tokens and the port set."""
        return self._settings

    @property
    def event_counters(self) -> EventCounters:
        """How often each event came."""
        return self._log.counters

    @property
    def last_exchange(self) -> tuple[int, int, TokenResult | None, int]:
        """Session, counter, result and amount [0.1 kWh] of the last token from a customer interface unit."""
        return self._link

    @property
    def paired_ciu(self) -> int:
        """Number of the customer interface unit that is the meter's own, 0 for none."""
        return self._paired_ciu

    @property
    def alarm_calls(self) -> bool:
        """Whether the low credit alarm is on and nobody has silenced it."""
        return self._warning.calls(self._now)

    def readout(self, now: int | None = None) -> Readout:
        """Return the registers and states as a reader sees them.

        Parameters
        ----------
        now : int, optional
            The instant, for the clock and what counts down [ns]; that of the last event by default.
        """
        if now is not None:
            self._now = now
        self._absorb()
        prepayment, registers, switch = self._prepayment, self._registers, self._switch
        return Readout(
            drn=self.drn,
            attributes=self._keys.attributes,
            credit_wh=prepayment.credit_wh,
            drawn_wh=prepayment.drawn_wh,
            accepted_wh=prepayment.accepted_wh,
            cleared_wh=prepayment.cleared_wh,
            total=registers.total,
            imported=registers.imported,
            exported=registers.exported,
            credit_state=self._warning.state,
            supply_on=switch.contact_closed,
            open_reasons=switch.reasons,
            switch_operations=switch.operations,
            tokens_accepted=self._tokens_accepted,
            tokens_refused=self._tokens_refused,
            last_result=self._last_result,
            last_units=self._last_units,
            last_token_id=self._last_token_id,
            token_ids=prepayment.store.slots,
            power_failures=self._power_failures,
            power_w=self.power_w,
            quantities=self._quantities,
            settings=self._settings,
            emergency_drawn=prepayment.emergency_drawn,
            tampers=self.tampers,
            fault_codes=self.fault_codes,
            error_register=self.error_register,
            lockout_ns=self.lockout_ns,
            staged_sections=self._keys.staged,
            clock_ns=self._calendar.clock_ns(self._now),
            month_wh=self.month_wh,
            past_month_wh=self._past_month_wh,
        )


@cache
def _state_icons(
    phases: frozenset[Icon], credit: frozenset[Icon], closed: bool, communicating: bool, post_payment: bool
) -> frozenset[Icon]:
    icons = {
        Icon.POST_PAYMENT if post_payment else Icon.PREPAYMENT,
        Icon.SUPPLY_ON if closed else Icon.SUPPLY_OFF,
    }
    if communicating:
        icons.add(Icon.COMMUNICATION)
    return phases | credit | icons


def _phase_icons(quantities: LineQuantities) -> frozenset[Icon]:
    a, b, c = quantities.voltage_mv
    reverse = min(quantities.power_w) < 0
    return _icons_of_phases(a >= PRESENT_MV, b >= PRESENT_MV, c >= PRESENT_MV, reverse)


@cache
def _icons_of_phases(first: bool, second: bool, third: bool, reverse: bool) -> frozenset[Icon]:
    flags = {Icon.PHASE_L1: first, Icon.PHASE_L2: second, Icon.PHASE_L3: third, Icon.REVERSE: reverse}
    return frozenset(icon for icon, lit in flags.items() if lit)

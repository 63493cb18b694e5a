"""The meter: one `match` on what happened, and the order of actions that makes it safe.

Whoever promises, first commits: a token's credit, its spent identifier and the reasons of the load switch are
one record, written before the display shows the acceptance and before the switch closes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from joy311.energy import EnergyRegister
from joy311.instant import SECOND_NS
from joy311.meter.actions import Action, Commit, PlaySound, Report, SetLight, Show, SwitchLoad
from joy311.meter.credit_warning import CREDIT_LIGHT, CreditState, CreditWarning
from joy311.meter.display import AMOUNT_NS, RESULT_NS, Display, DisplayParameters, result_text
from joy311.meter.display_items import WrittenFigures, units_text
from joy311.meter.events import (
    ContactMoved,
    DeadlineReached,
    EnergyMeasured,
    Event,
    KeyPressed,
    PoweredUp,
    PowerFailing,
    QuantitiesMeasured,
    TokenReceived,
)
from joy311.meter.load_switch import LoadSwitch, OpenReason
from joy311.meter.prepayment import Prepayment
from joy311.meter.record import MeterRecord
from joy311.meter.registers import Registers
from joy311.meter.token_entry import TokenEntry
from joy311.meter.token_identifiers import TokenIdentifierStore
from joy311.panel import Icon, Key, Led, Light, Screen, Sound
from joy311.quantities import LineQuantities
from joy311.sts import (
    FormatReason,
    Token20,
    TokenFormatError,
    TokenResult,
    TransferCredit,
    Undecodable,
    decode,
)

COMMUNICATION_NS = 2 * SECOND_NS
"""How long the communication light blinks after a token came through a port [ns]."""

PRESENT_MV = 30_000
"""Voltage from which a phase counts as present [mV]."""

_DETAIL = {
    TokenResult.OVERFLOW_ERROR: "the credit would exceed what the meter can hold; the token stays usable",
    TokenResult.FUNCTION_ERROR: "this meter does not carry out this kind of token",
    TokenResult.OLD_ERROR: "the token is older than the oldest that the meter remembers",
    TokenResult.USED_ERROR: "the token has been used on this meter",
    TokenResult.KEY_EXPIRED_ERROR: "the token was issued after the key expired",
    TokenResult.DDTK_ERROR: "a default key may not carry credit",
    TokenResult.CRC_ERROR: "the digits are wrong, or the token is for another meter or key",
    TokenResult.MFR_CODE_ERROR: "the token is for another manufacturer",
}


@dataclass(frozen=True, slots=True)
class Readout:
    """What the meter tells a reader.

    Parameters
    ----------
    drn : str
        Decoder reference number.
    credit_wh, drawn_wh, accepted_wh : int
        Credit left, drawn ever and accepted ever [Wh].
    total : EnergyRegister
        The register that debits credit.
    imported, exported : tuple of EnergyRegister
        Per phase L1..L3.
    credit_state : CreditState
        What the low credit warning says.
    supply_on : bool
        Where the contacts are.
    open_reasons : OpenReason
        Why the switch is open.
    switch_operations : int
        Times the switch was driven.
    tokens_accepted, tokens_refused : int
        Tokens judged, ever.
    last_result : TokenResult or None
        Result of the last token.
    last_units : int
        Amount of the last accepted credit token [0.1 kWh].
    power_failures : int
        Announced power failures.
    power_w : int
        Total active power now [W].
    """

    drn: str
    credit_wh: int
    drawn_wh: int
    accepted_wh: int
    total: EnergyRegister
    imported: tuple[EnergyRegister, EnergyRegister, EnergyRegister]
    exported: tuple[EnergyRegister, EnergyRegister, EnergyRegister]
    credit_state: CreditState
    supply_on: bool
    open_reasons: OpenReason
    switch_operations: int
    tokens_accepted: int
    tokens_refused: int
    last_result: TokenResult | None
    last_units: int
    power_failures: int
    power_w: int


class Meter:
    """A JOY311 payment meter, without its hardware.

    The same record and the same events give the same actions and the same record.

    Parameters
    ----------
    record : MeterRecord
        What the meter woke up with; a new meter's is ``MeterRecord(factory)``.
    """

    def __init__(self, record: MeterRecord) -> None:
        self._factory = record.factory
        self._registers = Registers(record.total, record.imported, record.exported)
        self._prepayment = Prepayment(
            record.credit_wh, record.drawn_wh, record.accepted_wh, TokenIdentifierStore(record.token_ids)
        )
        self._load_switch = LoadSwitch(OpenReason(record.open_reasons), record.switch_operations)
        self._warning = CreditWarning(record.factory.low_credit_wh)
        self._entry = TokenEntry()
        self._display = Display(DisplayParameters(paged_items=(1, 2, 3, 4), scrolled_items=()))
        self._quantities: LineQuantities | None = None
        self._phase_icons: frozenset[Icon] = frozenset()
        self._screen: Screen | None = None
        self._lights: dict[Led, Light] = {}
        self._communication_until_ns: int | None = None
        self._last_result = record.last_result
        self._tokens_accepted = record.tokens_accepted
        self._tokens_refused = record.tokens_refused
        self._last_units = record.last_units
        self._power_failures = record.power_failures

    @classmethod
    def restore(cls, record: bytes) -> Meter:
        """Return the meter that `record` describes.

        Raises
        ------
        StorageError
            If the bytes are not a record.
        """
        return cls(MeterRecord.from_bytes(record))

    def record(self, now: int) -> MeterRecord:
        """Return all that must outlive a power cut at `now` [ns]."""
        registers, prepayment = self._registers, self._prepayment
        return MeterRecord(
            factory=self._factory,
            credit_wh=prepayment.credit_wh,
            drawn_wh=prepayment.drawn_wh,
            accepted_wh=prepayment.accepted_wh,
            total=registers.total,
            imported=registers.imported,
            exported=registers.exported,
            token_ids=prepayment.store.slots,
            open_reasons=int(self._load_switch.reasons),
            switch_operations=self._load_switch.operations,
            last_result=self._last_result,
            tokens_accepted=self._tokens_accepted,
            tokens_refused=self._tokens_refused,
            last_units=self._last_units,
            power_failures=self._power_failures,
            committed_at_ns=now,
        )

    @property
    def credit_wh(self) -> int:
        """Credit left [Wh]."""
        return self._prepayment.credit_wh

    def readout(self) -> Readout:
        """Return the registers and states as a reader sees them."""
        prepayment = self._prepayment
        return Readout(
            drn=self._factory.attributes.meter_pan.drn,
            credit_wh=prepayment.credit_wh,
            drawn_wh=prepayment.drawn_wh,
            accepted_wh=prepayment.accepted_wh,
            total=self._registers.total,
            imported=self._registers.imported,
            exported=self._registers.exported,
            credit_state=self._warning.state,
            supply_on=self._load_switch.contact_closed,
            open_reasons=self._load_switch.reasons,
            switch_operations=self._load_switch.operations,
            tokens_accepted=self._tokens_accepted,
            tokens_refused=self._tokens_refused,
            last_result=self._last_result,
            last_units=self._last_units,
            power_failures=self._power_failures,
            power_w=self._power_w(),
        )

    def next_deadline(self) -> int | None:
        """Return when `DeadlineReached` is due [ns], None while nothing waits for a time."""
        waiting = [
            deadline
            for deadline in (
                self._entry.deadline_ns,
                self._display.until_ns,
                self._warning.beep_at_ns,
                self._communication_until_ns,
            )
            if deadline is not None
        ]
        return min(waiting) if waiting else None

    def energy_horizon(self) -> int:
        """Return the energy after which the meter must decide something, at least 1 [2**-32 Wh].

        A shell that ends its step there cuts the supply, warns and checkpoints at the very watt-hour.
        """
        prepayment = self._prepayment
        energy_wh = prepayment.wh_to_checkpoint()
        level_wh = self._warning.wh_to_next_level(prepayment.credit_wh)
        if level_wh is not None and level_wh < energy_wh:
            energy_wh = level_wh
        return self._registers.quanta_to_advance(energy_wh)

    def handle(self, event: Event, now: int) -> list[Action]:
        """Take `event` at `now` [ns] and return what must be done, in this order."""
        match event:
            case EnergyMeasured(increment):
                advance_wh = self._registers.add(increment)
                if not advance_wh:
                    return []
                return self._draw(advance_wh, now)
            case QuantitiesMeasured(quantities):
                before = self._phase_icons
                self._quantities = quantities
                self._phase_icons = _phase_icons(quantities)
                unseen = self._phase_icons == before and not self._display.shows_quantities
                return [] if unseen else self._refresh(now)
            case KeyPressed(key):
                return self._press(key, now)
            case TokenReceived(text):
                # The result must be seen, so digits half typed on the keypad give way.
                self._entry.finish()
                self._communication_until_ns = now + COMMUNICATION_NS
                return self._judge(text, now)
            case ContactMoved(closed):
                self._load_switch.contact_closed = closed
                return self._refresh(now)
            case DeadlineReached():
                return self._deadline(now)
            case PoweredUp(contact_closed):
                return self._power_up(contact_closed, now)
            case PowerFailing():
                self._power_failures += 1
                return [self._commit(now)]

    def _power_up(self, contact_closed: bool, now: int) -> list[Action]:
        credit_wh = self._prepayment.credit_wh
        self._load_switch.contact_closed = contact_closed
        self._load_switch.set(OpenReason.NO_CREDIT, credit_wh <= 0)
        moves = self._load_switch.wanted_closed != contact_closed
        actions: list[Action] = self._commit_switching(now) if moves else []
        if self._warning.watch(credit_wh, now):
            actions.append(PlaySound(Sound.LOW_CREDIT))
        actions += self._refresh(now)
        return [*actions, SwitchLoad(self._load_switch.wanted_closed)] if moves else actions

    def _draw(self, energy_wh: int, now: int) -> list[Action]:
        prepayment = self._prepayment
        shown = prepayment.credit_wh // 10
        checkpoint = energy_wh >= prepayment.wh_to_checkpoint()
        prepayment.draw(energy_wh)
        credit_wh = prepayment.credit_wh
        actions: list[Action] = []
        moves = self._load_switch.set(OpenReason.NO_CREDIT, credit_wh <= 0)
        if moves:
            actions += self._commit_switching(now)
        elif checkpoint:
            actions.append(self._commit(now))
        warned = self._warning.watch(credit_wh, now)
        if warned:
            actions.append(PlaySound(Sound.LOW_CREDIT))
        if warned or moves or credit_wh // 10 != shown or not self._display.at_home:
            actions += self._refresh(now)
        if moves:
            actions.append(SwitchLoad(self._load_switch.wanted_closed))
        return actions

    def _commit_switching(self, now: int) -> list[Action]:
        """Count an operation of the switch and commit it, with its reasons, before the contacts move."""
        self._load_switch.operations += 1
        return [self._commit(now)]

    def _press(self, key: Key, now: int) -> list[Action]:
        self._warning.mute(now)
        beep: list[Action] = [PlaySound(Sound.KEY)]
        if key.is_digit:
            self._display.home(now)
            token = self._entry.type(key.value, now)
            return beep + (self._refresh(now) if token is None else self._judge(token, now))
        if key is Key.BACKSPACE:
            self._entry.backspace(now)
        elif self._entry.digits:
            return beep + self._judge(self._entry.finish(), now)
        else:
            self._display.page(now)
        return beep + self._refresh(now)

    def _judge(self, text: str, now: int) -> list[Action]:
        """Judge a token from any door; only an accepted one changes credit and identifiers."""
        try:
            token20 = Token20.parse(text)
        except TokenFormatError as error:
            return self._refuse(TokenResult.FORMAT_ERROR, now, str(error), error.reason, error.digits_seen)
        token = decode(token20, self._factory.decoder_key)
        match token:
            case Undecodable(result):
                return self._refuse(result, now)
            case TransferCredit():
                attributes = self._factory.attributes
                result = self._prepayment.judge(token, attributes.key_type, attributes.key_expiry)
                if result is not TokenResult.ACCEPT:
                    return self._refuse(result, now)
                return self._accept(token, now)
            case _:
                return self._refuse(TokenResult.FUNCTION_ERROR, now)

    def _accept(self, token: TransferCredit, now: int) -> list[Action]:
        prepayment = self._prepayment
        prepayment.accept(token)
        self._tokens_accepted += 1
        self._last_result = TokenResult.ACCEPT
        self._last_units = token.units
        moved = self._load_switch.set(OpenReason.NO_CREDIT, prepayment.credit_wh <= 0)
        if moved:
            self._load_switch.operations += 1
        self._warning.watch(prepayment.credit_wh, now)
        accepted = frozenset({Icon.ACCEPTED})
        self._display.say(
            [
                (result_text(TokenResult.ACCEPT, None, 20), f"{TokenResult.ACCEPT:02d}", accepted, RESULT_NS),
                (units_text(token.units), "04", accepted | {Icon.CREDIT, Icon.KWH}, AMOUNT_NS),
            ],
            now,
        )
        actions: list[Action] = [self._commit(now), *self._refresh(now), PlaySound(Sound.ACCEPT)]
        if moved:
            actions.append(SwitchLoad(self._load_switch.wanted_closed))
        actions.append(Report(TokenResult.ACCEPT, f"{units_text(token.units)} kWh added"))
        return actions

    def _refuse(
        self,
        result: TokenResult,
        now: int,
        detail: str | None = None,
        reason: FormatReason | None = None,
        digits_seen: int = 20,
    ) -> list[Action]:
        self._tokens_refused += 1
        self._last_result = result
        text = result_text(result, reason, digits_seen)
        self._display.say([(text, f"{result:02d}", frozenset({Icon.REJECTED}), RESULT_NS)], now)
        return [*self._refresh(now), PlaySound(Sound.REJECT), Report(result, detail or _DETAIL[result])]

    def _deadline(self, now: int) -> list[Action]:
        actions: list[Action] = []
        if self._entry.deadline_ns is not None and now >= self._entry.deadline_ns:
            self._entry.finish()
        self._display.expire(now)
        if self._communication_until_ns is not None and now >= self._communication_until_ns:
            self._communication_until_ns = None
        if self._warning.remind(now):
            actions.append(PlaySound(Sound.LOW_CREDIT))
        return actions + self._refresh(now)

    def _commit(self, now: int) -> Commit:
        self._prepayment.uncommitted_wh = 0
        return Commit(self.record(now).to_bytes())

    def _power_w(self) -> int:
        return sum(self._quantities.power_w) if self._quantities else 0

    def _refresh(self, now: int) -> list[Action]:
        """Return what must change on the face: the screen and the lights that differ from what is shown."""
        actions: list[Action] = []
        figures = WrittenFigures(
            credit_wh=self._prepayment.credit_wh,
            total_wh=self._registers.total_wh,
            power_w=self._power_w(),
            last_units=self._last_units,
        )
        screen = self._display.screen(self._entry.digits, figures, self._icons(), now)
        if screen != self._screen:
            self._screen = screen
            actions.append(Show(screen))
        communication = Light.OFF if self._communication_until_ns is None else Light.FAST_BLINK
        for led, light in (
            (Led.CREDIT, CREDIT_LIGHT[self._warning.state]),
            (Led.COMMUNICATION, communication),
        ):
            if self._lights.get(led) is not light:
                self._lights[led] = light
                actions.append(SetLight(led, light))
        return actions

    def _icons(self) -> frozenset[Icon]:
        return self._phase_icons | _state_icons(
            self._load_switch.contact_closed,
            self._warning.state is not CreditState.GOOD,
            self._communication_until_ns is not None,
        )


@cache
def _state_icons(contact_closed: bool, low_credit: bool, communicating: bool) -> frozenset[Icon]:
    icons = {Icon.PREPAYMENT, Icon.SUPPLY_ON if contact_closed else Icon.SUPPLY_OFF}
    if low_credit:
        icons.add(Icon.LOW_CREDIT)
    if communicating:
        icons.add(Icon.COMMUNICATION)
    return frozenset(icons)


def _phase_icons(quantities: LineQuantities) -> frozenset[Icon]:
    a, b, c = quantities.voltage_mv
    reverse = min(quantities.power_w) < 0
    return _icons_of_phases(a >= PRESENT_MV, b >= PRESENT_MV, c >= PRESENT_MV, reverse)


@cache
def _icons_of_phases(first: bool, second: bool, third: bool, reverse: bool) -> frozenset[Icon]:
    flags = {Icon.PHASE_L1: first, Icon.PHASE_L2: second, Icon.PHASE_L3: third, Icon.REVERSE: reverse}
    return frozenset(icon for icon, lit in flags.items() if lit)

"""A campaign on a hostile wire: tokens over a channel that damages them, and a ledger that forgets nothing.

Ends are restarted at random in the middle of exchanges. Whatever happens, a token is judged once, its verdict
arrives once the link returns, and no damaged token is ever judged.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from random import Random

from joy311.device.link_line import Channel, Line
from joy311.device.power_line import Place, PowerLine
from joy311.device.two_wire import Cable, TwoWire
from joy311.instant import SECOND_NS
from joy311.link import (
    MEDIA,
    Answered,
    Judgement,
    LastExchange,
    Master,
    Medium,
    MediumName,
    Message,
    NotReady,
    Outcome,
    Readings,
    Request,
    Slave,
    Snapshot,
)
from joy311.panel import Screen
from joy311.quantities import LineQuantities

CIU_NUMBER = 0x10203040
METER_DRN = "12345678903"

ROUNDS = 3
"""How often an exchange that ended without an answer is taken up again before the channel is made clean."""

RESTART_SHARE = 0.02
"""Share of exchanges in which one end is restarted at a random instant."""

USED_SHARE = 0.05
"""Share of exchanges that bring a token once more."""

ACCEPTED, USED = 1, 10


class LedgerMeter:
    """The simplest meter: it accepts every token once and writes down each judgement.

    It stands in for a meter's application where only the link is of interest.

    Parameters
    ----------
    drn : str
        Its number.
    paired : tuple of int
        Numbers of the CIUs that may speak to it.
    """

    def __init__(self, drn: str = METER_DRN, paired: tuple[int, ...] = (CIU_NUMBER,)) -> None:
        self._drn = drn
        self._paired = paired
        self._last: LastExchange | None = None
        self.judged: Counter[tuple[int, int]] = Counter()
        """How often a token was judged under each sequence."""
        self.verdicts: dict[tuple[int, int], tuple[str, int]] = {}
        """Digits and result under each sequence."""
        self.spent: set[str] = set()
        """Tokens accepted."""
        self.short_codes: list[str] = []
        self.mutes = 0
        self.open_for_pairing = False
        """Whether a CIU may pair now."""
        self.ready = True
        """Whether it judges tokens now."""
        self.credit_wh = 0
        self.screen = Screen("0.00", "01")
        self.alarm = False

    def drn(self) -> str:
        """Return its number."""
        return self._drn

    def paired_ids(self) -> tuple[int, ...]:
        """Return the CIUs that may speak to it."""
        return self._paired

    def pairing_open(self, now: int) -> bool:
        """Return whether a CIU may pair."""
        del now
        return self.open_for_pairing

    def pair(self, ciu: int, now: int) -> None:
        """Pair with a CIU in the place of all others."""
        del now
        self._paired = (ciu,)

    def hear(self, ciu: int, on_battery: bool | None, now: int) -> None:
        """Take no note of who asks."""
        del ciu, on_battery, now

    def last_exchange(self) -> LastExchange | None:
        """Return the last token judged."""
        return self._last

    def enter_token(self, digits: str, session: int, counter: int, now: int) -> Judgement | NotReady:
        """Accept a token that it does not know, and write the judgement down."""
        del now
        if not self.ready:
            return NotReady()
        result = USED if digits in self.spent else ACCEPTED
        self.spent.add(digits)
        self.judged[session, counter] += 1
        self.verdicts[session, counter] = digits, result
        self._last = LastExchange(session, counter, result, 1)
        self.credit_wh += 100 * (result == ACCEPTED)
        self.screen = Screen(f"{self.credit_wh // 1000}.{self.credit_wh // 10 % 100:02d}", "01")
        return Judgement(result, 1)

    def press_short_code(self, digits: str, now: int) -> None:
        """Write a short code down."""
        del now
        self.short_codes.append(digits)

    def mute(self, now: int) -> None:
        """Silence the alarm."""
        del now
        self.mutes += 1
        self.alarm = False

    def snapshot(self, now: int) -> Snapshot:
        """Return what it shows."""
        del now
        return Snapshot(self.screen, self.credit_wh, True, self.alarm)

    def readings(self, now: int) -> Readings:
        """Return readings of a quiet house."""
        del now
        quantities = LineQuantities(
            voltage_mv=(230_100, 229_800, 231_400),
            current_ma=(4_350, 0, 1_200),
            power_w=(1_000, 0, -250),
            power_factor_permil=(1_000, 1_000, -900),
            frequency_mhz=50_010,
        )
        return Readings(quantities, 1_234_560, (1_000_000, 200_000, 30_000), (0, 0, 4_560))


class MasterStation:
    """The CIU's end of the link as a station, without a CIU around it.

    Parameters
    ----------
    medium : Medium
        What the wire is.
    chance : Random
        Gives the waiting times.
    address : str
        The meter's address.
    ciu : int
        Number of the CIU.
    """

    def __init__(self, medium: Medium, chance: Random, address: str, ciu: int = CIU_NUMBER) -> None:
        self._medium = medium
        self._chance = chance
        self._address = address
        self._ciu = ciu
        self.outcomes: list[tuple[int, Outcome]] = []
        """Instants [ns] and outcomes so far."""
        self.sent = 0
        """Requests sent by all of its starts."""
        self.restart()

    def restart(self) -> None:
        """Forget everything that no memory keeps."""
        self.master = Master(self._medium, self._ciu, self._address)

    def start(self, request: Request, now: int) -> bytes:
        """Begin an exchange and return what must be sent."""
        least, most = self._medium.backoff_ns
        waits = [self._chance.randint(least, most) for _ in range(self._medium.tries - 1)]
        self.sent += 1
        return self.master.start(request, now, waits)

    def receive(self, data: bytes, now: int) -> None:
        """Take what was heard."""
        self.outcomes += [(now, outcome) for outcome in self.master.receive(data, now)]

    def next_deadline(self) -> int | None:
        """Return when `expire` is due [ns]."""
        return self.master.next_deadline()

    def expire(self, now: int) -> bytes:
        """Return what must be sent again."""
        again, outcomes = self.master.expire(now)
        self.outcomes += [(now, outcome) for outcome in outcomes]
        self.sent += bool(again)
        return again


@dataclass(frozen=True, slots=True)
class CampaignResult:
    """What became of all exchanges.

    Parameters
    ----------
    exchanges : int
        Tokens brought to the link.
    first_time : int
        Exchanges answered within the bounded tries of their first start.
    resumed : int
        Exchanges that ended as a link error and got their verdict under the same sequence later.
    clean_needed : int
        Of the resumed, those that got it only after the channel was made clean.
    sent : int
        Requests sent, again and again.
    restarts : int
        Ends restarted in the middle.
    judged_twice, unknown, wrong : int
        Sequences judged more than once; exchanges without a verdict in the end; verdicts or tokens that are
        not those that the meter wrote down. All must be 0.
    """

    exchanges: int
    first_time: int
    resumed: int
    clean_needed: int
    sent: int
    restarts: int
    judged_twice: int
    unknown: int
    wrong: int


def channel_for(medium: MediumName, seed: int | str, bit_error_rate: float | None) -> TwoWire | PowerLine:
    """Return a channel between a meter (station 0) and its CIU (station 1) at a given bit error rate."""
    match medium:
        case MediumName.TWO_WIRE:
            return TwoWire(Cable(50.0), seed, bit_error_rate=bit_error_rate)
        case MediumName.PLC:
            return PowerLine([Place(0.0), Place(20.0)], seed, bit_error_rate=bit_error_rate)


def run_campaign(
    medium: MediumName, bit_error_rate: float, exchanges: int, seed: int | str
) -> CampaignResult:
    """Bring tokens over a hostile channel on virtual time and account for every one.

    Parameters
    ----------
    medium : MediumName
        Two wires or the power line.
    bit_error_rate : float
        Raw bit errors of the channel.
    exchanges : int
        Tokens to bring.
    seed : int or str
        Seed of all chance.
    """
    chance = Random(f"{seed}/campaign/{medium}/{bit_error_rate}")
    channel = channel_for(medium, seed, bit_error_rate)
    meter = LedgerMeter()
    line = Line(channel, 0)
    slave = Slave(MEDIA[medium], meter)
    line.attach(slave)
    station = MasterStation(MEDIA[medium], chance, slave.address)
    line.attach(station)
    session, counter, restarts = chance.getrandbits(32), 0, 0
    first_time = resumed = clean_needed = unknown = wrong = 0
    brought: list[str] = []
    for _ in range(exchanges):
        counter = (counter + 1) & 0xFFFF
        again = brought and chance.random() < USED_SHARE
        digits = chance.choice(brought) if again else f"{chance.randrange(10**20):020d}"
        brought = [*brought[-99:], digits]
        request = Request(Message.TOKEN, {"session": session, "counter": counter, "digits": digits})
        restarts_here = chance.random() < RESTART_SHARE
        answer: Answered | None = None
        for start in range(ROUNDS + 1):
            channel.bit_error_rate = bit_error_rate if start < ROUNDS else 0.0
            restart_at = line.now + chance.randrange(SECOND_NS) if restarts_here and not start else None
            restarts += restart_at is not None
            answer = _exchange(line, station, request, restart_at, meter, MEDIA[medium], chance)
            if answer is not None:
                first_time += start == 0
                resumed += start > 0
                clean_needed += start == ROUNDS
                break
        if answer is None:
            unknown += 1
            continue
        expected = digits, answer.values["result"]
        wrong += meter.verdicts.get((session, counter)) != expected
        if chance.random() < RESTART_SHARE:
            # Without a token on its way a CIU that restarts begins another session.
            station.restart()
            line.restart(1, station)
            session, counter = chance.getrandbits(32), 0
    twice = sum(count > 1 for count in meter.judged.values())
    wrong += sum(meter.judged.values()) != exchanges
    return CampaignResult(
        exchanges, first_time, resumed, clean_needed, station.sent, restarts, twice, unknown, wrong
    )


def _exchange(
    line: Line,
    station: MasterStation,
    request: Request,
    restart_at_ns: int | None,
    meter: LedgerMeter,
    medium: Medium,
    chance: Random,
) -> Answered | None:
    """Run one exchange to its end; return the answer, None if it ended without one or was cut off."""
    station.outcomes.clear()
    line.send(1, station.start(request, line.now))
    while not station.outcomes:
        due = line.next_event()
        if restart_at_ns is not None and (due is None or due > restart_at_ns):
            line.advance(restart_at_ns)
            restart_at_ns = None
            if chance.random() < 0.5:
                line.restart(0, Slave(medium, meter))
                continue
            station.restart()
            line.restart(1, station)
            return None
        if due is None:
            return None
        line.step(due)
    _, outcome = station.outcomes[0]
    return outcome if isinstance(outcome, Answered) else None


def measure_latency(channel: Channel, medium: MediumName, queries: int, seed: int | str) -> list[int]:
    """Return how long each of `queries` polls took until its answer [ns], sorted; one lost counts as 60 s."""
    chance = Random(f"{seed}/latency")
    line = Line(channel, 0)
    slave = Slave(MEDIA[medium], LedgerMeter())
    line.attach(slave)
    station = MasterStation(MEDIA[medium], chance, slave.address)
    line.attach(station)
    took: list[int] = []
    for _ in range(queries):
        # Queries come at any phase of the mains.
        line.advance(line.now + chance.randrange(SECOND_NS))
        begun = line.now
        station.outcomes.clear()
        line.send(1, station.start(Request(Message.SNAPSHOT, {"state": 0}), begun))
        while not station.outcomes:
            line.step(line.next_event() or line.now)
        ended, outcome = station.outcomes[0]
        took.append(ended - begun if isinstance(outcome, Answered) else 60 * SECOND_NS)
    return sorted(took)


@dataclass(frozen=True, slots=True)
class Delivery:
    """Shares of polls that were answered.

    Parameters
    ----------
    at_once, answered : float
        At the first try, and within all tries, 0 to 1.
    """

    at_once: float
    answered: float


def deliver_over_distance(distance_m: float, polls: int, seed: int | str, *, other_phase: bool) -> Delivery:
    """Return which share of polls a street's noise lets through over so much cable.

    Parameters
    ----------
    distance_m : float
        Cable between meter and CIU [m].
    polls : int
        How many to send.
    seed : int or str
        Seed of all chance.
    other_phase : bool
        Whether the CIU is on another phase than the meter's coupler.
    """
    chance = Random(f"{seed}/distance/{distance_m}/{other_phase}")
    places = [Place(0.0), Place(distance_m, phase=int(other_phase))]
    medium = MEDIA[MediumName.PLC]
    line = Line(PowerLine(places, chance.getrandbits(64)), 0)
    slave = Slave(medium, LedgerMeter())
    line.attach(slave)
    station = MasterStation(medium, chance, slave.address)
    line.attach(station)
    at_once = answered = 0
    for _ in range(polls):
        line.advance(line.now + chance.randrange(SECOND_NS))
        station.outcomes.clear()
        sent_before = station.sent
        line.send(1, station.start(Request(Message.SNAPSHOT, {"state": 0}), line.now))
        while not station.outcomes:
            line.step(line.next_event() or line.now)
        is_answered = isinstance(station.outcomes[0][1], Answered)
        answered += is_answered
        at_once += is_answered and station.sent == sent_before + 1
    return Delivery(at_once / polls, answered / polls)

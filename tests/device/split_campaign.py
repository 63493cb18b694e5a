"""Tokens that credit, over a hostile channel, to a meter whose supply goes in the middle of its writes."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from joy311.device import PhaseLoad, RamPages, VirtualMeter
from joy311.device.ciu_application import MeterEnd
from joy311.device.link_campaign import CIU_NUMBER, RESTART_SHARE, USED_SHARE, MasterStation, channel_for
from joy311.device.link_line import Line
from joy311.device.memory import MEMORY_PAGES, MeterMemory
from joy311.instant import SECOND_NS
from joy311.link import MEDIA, Answered, MediumName, Message, Request
from joy311.meter import CiuPaired
from joy311.sts import TokenResult
from tests.device.power_cut import CuttableStorage, PowerCut
from tests.meters import PATIENT, credit_token, new_meter

ADDRESS = "012345678903"
ROUNDS = 3
UNITS = 1
NO_LOAD = PhaseLoad()
SPACING_NS = 2 * SECOND_NS


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of all tokens."""

    exchanges: int
    first_time: int
    resumed: int
    power_cuts: int
    ciu_restarts: int
    unknown: int
    wrong: int


class Campaign:
    """One meter, one channel and one CIU's end; a ledger of what each token must have become."""

    def __init__(self, medium: MediumName, bit_error_rate: float, seed: int | str) -> None:
        self.chance = Random(f"{seed}/split/{medium}/{bit_error_rate}")
        self.medium = MEDIA[medium]
        self.rate = bit_error_rate
        self.channel = channel_for(medium, seed, bit_error_rate)
        # What was written long ago no longer matters, so the chip may be as small as its layout.
        self.durable = RamPages(MEMORY_PAGES)
        self.storage = CuttableStorage(self.durable, self.chance, garbage=False)
        self.meter = new_meter(MeterMemory(self.storage), configuration=PATIENT)
        self.meter.handle(CiuPaired(CIU_NUMBER))
        self.line = Line(self.channel, self.meter.now)
        self.line.attach(MeterEnd(self.meter, self.medium, self.meter.now))
        self.station = MasterStation(self.medium, self.chance, ADDRESS)
        self.line.attach(self.station)
        self.power_cuts = self.ciu_restarts = 0
        self.session, self.counter = self.chance.getrandbits(32), 0

    def cut_power(self) -> None:
        """Let the meter come back from what its memory holds."""
        self.power_cuts += 1
        self.storage = CuttableStorage(self.durable, self.chance, garbage=False)
        self.meter = VirtualMeter.power_up(
            MeterMemory(self.storage), self.line.now, relay=self.meter.relay, seed=str(self.power_cuts)
        )
        self.line.restart(0, MeterEnd(self.meter, self.medium, self.line.now))

    def restart_ciu(self) -> None:
        self.ciu_restarts += 1
        self.station.restart()
        self.line.restart(1, self.station)

    def step(self, due_ns: int) -> None:
        try:
            if self.meter.now < due_ns:
                self.meter.advance(NO_LOAD, due_ns)
            self.line.step(due_ns)
        except PowerCut:
            self.cut_power()

    def exchange(self, request: Request, restart_at_ns: int | None) -> Answered | None:
        station = self.station
        station.outcomes.clear()
        self.line.send(1, station.start(request, self.line.now))
        while not station.outcomes:
            due_ns = self.line.next_event()
            if restart_at_ns is not None and (due_ns is None or due_ns > restart_at_ns):
                self.step(restart_at_ns)
                restart_at_ns = None
                if self.chance.random() < 0.5:
                    self.storage.cut()
                    self.cut_power()
                    continue
                self.restart_ciu()
                return None
            assert due_ns is not None
            self.step(due_ns)
        outcome = station.outcomes[0][1]
        return outcome if isinstance(outcome, Answered) else None

    def bring(self, digits: str) -> tuple[int | None, int]:
        """Bring a token until it has its result; return that and the starts it took."""
        chance = self.chance
        self.counter = (self.counter + 1) & 0xFFFF
        values: dict[str, int | str] = {
            "session": self.session,
            "counter": self.counter,
            "digits": digits,
        }
        disturbed = chance.random() < RESTART_SHARE
        restart_at_ns = None
        if disturbed and chance.random() < 0.5:
            restart_at_ns = self.line.now + chance.randrange(SECOND_NS)
        elif disturbed:
            # A commit is some six writes and syncs; the supply goes at one of them.
            self.storage.cut_after(chance.randrange(8))
        for start in range(ROUNDS + 1):
            self.channel.bit_error_rate = self.rate if start < ROUNDS else 0.0
            answer = self.exchange(Request(Message.TOKEN, values), None if start else restart_at_ns)
            if answer is not None:
                return int(answer.values["result"]), start
        return None, ROUNDS

    def run(self, exchanges: int) -> Outcome:
        first_time = resumed = unknown = wrong = credited = 0
        brought: list[str] = []
        for number in range(exchanges):
            again = bool(brought) and self.chance.random() < USED_SHARE
            digits = self.chance.choice(brought) if again else credit_token(UNITS, minute=number)
            if not again:
                # The meter tells a used token from an old one for as long as it remembers fifty.
                brought = [*brought[-40:], digits]
            expected = TokenResult.USED_ERROR if again else TokenResult.ACCEPT
            result, starts = self.bring(digits)
            credited += not again
            first_time += starts == 0
            resumed += starts > 0
            unknown += result is None
            wrong += result != expected or self.meter.credit_wh != 100 * UNITS * credited
            if self.chance.random() < RESTART_SHARE:
                self.restart_ciu()
                self.session, self.counter = self.chance.getrandbits(32), 0
        readout = self.meter.readout()
        wrong += readout.tokens_accepted != credited
        wrong += readout.tokens_accepted + readout.tokens_refused != exchanges
        return Outcome(
            exchanges, first_time, resumed, self.power_cuts, self.ciu_restarts, unknown, int(wrong)
        )

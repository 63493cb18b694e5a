"""IEC 62056-21 on a meter's local port: protocol mode C as a reader of any make meets it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from joy311.bench.devices.port_device import PortLine, PortUnderTest
from joy311.bench.examination import Examination, Measured, expect
from joy311.bench.limits import Requirement
from joy311.bench.ratings import Ratings
from joy311.errors import InvalidInput, Refused
from joy311.iec62056 import Command, DataSet, Request, Speed, parse_data_sets
from joy311.iec62056.characters import block_check, without_parity
from joy311.iec62056.messages import ACKNOWLEDGE_BYTES, BREAK, NEGOTIATED, REPEAT_BYTES, OptionSelect
from joy311.instant import MILLISECOND_NS, SECOND_NS

ANSWER_NS = 3 * SECOND_NS
"""How long an answer is waited for: twice the slowest reaction [ns]."""

END_OF_MESSAGE_NS = 2 * SECOND_NS
"""Silence from which an answer is over, whether it was whole or not [ns]."""

OPTION_WAIT_NS = 4 * SECOND_NS
"""Silence after the identification in which the meter gives up waiting, and its slowest reaction [ns]."""

SHORT_PAUSE_NS = SECOND_NS
LONG_PAUSE_NS = 2 * SECOND_NS
ALIVE_NS = 55 * SECOND_NS
OVER_NS = 125 * SECOND_NS
LONGEST_ANSWER = 1 << 20
GUESSES = 5

_STX, _ETX, _EOT, _SOH, _ACK, _NAK = 0x02, 0x03, 0x04, 0x01, 0x06, 0x15
_IDENTIFICATION = re.compile(rb"/([A-Z]{2}[A-Za-z])([0-6])((?:\\[ -~])*)([ -.0-~]{0,16})\r\n")
_BEGINNING = re.compile(rb"/[A-Z]{2}([A-Za-z])([ -~])((?:\\[ -~])*)")
_ERROR = re.compile(r"\(([^()*/!\x00-\x1f]*)\)")
_READ_OUT_END = b"!\r\n\x03"
_PLAIN = Ratings()


@dataclass(frozen=True, slots=True)
class Answer:
    """What a meter answered.

    Parameters
    ----------
    raw : bytes
        Its characters, without parity; empty for silence.
    reaction_ns : int
        From the end of the question to the first character [ns].
    gap_ns : int
        The longest pause inside [ns].
    """

    raw: bytes
    reaction_ns: int = 0
    gap_ns: int = 0

    @property
    def text(self) -> str | None:
        """What stands in a block of data whose block check is right, None where it is no such block."""
        return self._body(_STX)

    @property
    def command(self) -> str | None:
        """Name and data of a command whose block check is right, None where it is none."""
        return self._body(_SOH)

    def _body(self, start: int) -> str | None:
        raw = self.raw
        if len(raw) < 3 or raw[0] != start or raw[-2] not in (_ETX, _EOT):
            return None
        return raw[1:-2].decode("ascii") if block_check(raw[1:-1]) == raw[-1] else None

    @property
    def is_read_out(self) -> bool:
        """Whether it is a read-out, whatever its block check says."""
        return self.raw[:1] == bytes([_STX]) and self.raw[:-1].endswith(_READ_OUT_END)

    @property
    def is_challenge(self) -> bool:
        """Whether it opens programming mode."""
        command = self.command
        return command is not None and command.startswith("P0")

    @property
    def is_break(self) -> bool:
        """Whether the meter signs off."""
        return self.command == "B0"

    @property
    def error(self) -> str | None:
        """The text of an error message, None where it is none."""
        found = _ERROR.fullmatch(self.text or "")
        return found[1] if found is not None else None

    @property
    def values(self) -> tuple[DataSet, ...]:
        """The data sets of a register that was read, none for an error."""
        if self.text is None or self.error is not None:
            return ()
        try:
            return parse_data_sets(self.text.strip())
        except InvalidInput:
            return ()


class Examiner:
    """Asks a meter one thing after the other, and measures how it answers.

    Parameters
    ----------
    line : PortLine
        The line to the meter.
    """

    def __init__(self, line: PortLine) -> None:
        self._line = line
        self._pause_ns = 200 * MILLISECOND_NS
        self.speed = ""
        """The character by which the meter offers a speed."""
        self.enhanced = False
        """Whether the meter offers another protocol too."""

    def say(self, data: bytes) -> None:
        """Send `data` after the pause that a reader must keep."""
        self._line.wait(self._pause_ns)
        self._line.send(data)

    def wait(self, duration_ns: int) -> None:
        """Let time pass without a word [ns]."""
        self._line.wait(duration_ns)

    def set_speed(self, speed: Speed) -> None:
        """Go to another speed."""
        self._line.set_speed(speed.bd)

    def ask(self, data: bytes, longest_ns: int = ANSWER_NS) -> Answer:
        """Send `data` and return the answer."""
        self.say(data)
        return self.answer(longest_ns)

    def answer(self, longest_ns: int = ANSWER_NS) -> Answer:
        """Return what comes now, as soon as it is a whole message."""
        asked_ns = heard_ns = self._line.now()
        raw, reaction_ns, gap_ns = b"", 0, 0
        while len(raw) < LONGEST_ANSWER and not _is_whole(raw):
            piece = self._line.receive(END_OF_MESSAGE_NS if raw else longest_ns)
            if not piece:
                break
            now = self._line.now()
            if raw:
                gap_ns = max(gap_ns, now - heard_ns)
            else:
                reaction_ns = now - asked_ns
            heard_ns = now
            raw += without_parity(piece)
        return Answer(raw, reaction_ns, gap_ns)

    def sign_on(self, address: str = "") -> Answer:
        """Call a meter at 300 Bd and return its identification."""
        self.set_speed(Speed.BD_300)
        answer = self.ask(Request(address).to_bytes())
        # What is wrong with the rest of it is for its own examination.
        found = _BEGINNING.match(answer.raw)
        if found is not None:
            self.speed = found[2].decode("ascii")
            self.enhanced = b"\\2" in found[3]
            if found[1].islower():
                self._pause_ns = 20 * MILLISECOND_NS
        return answer

    def select(self, protocol: str, speed: str, mode: str) -> Answer:
        """Choose protocol, speed and mode, follow to the speed, and return what comes.

        Raises
        ------
        Refused
            If the meter has not offered a speed of mode C.
        """
        if self.speed not in NEGOTIATED:
            raise Refused("NoOffer", f"the meter offers {self.speed!r}, which is no speed of mode C")
        self.say(OptionSelect(protocol, speed, mode).to_bytes())
        if protocol == "0" and speed == self.speed:
            self.set_speed(NEGOTIATED[speed])
        return self.answer()

    def read_out(self) -> Answer:
        """Sign on and return the read-out at the speed that was offered."""
        self.sign_on()
        return self.select("0", self.speed, "0")

    def program(self, password: str | None = None) -> Answer:
        """Sign on, enter programming mode, show a password if there is one, and return the last answer."""
        self.sign_on()
        answer = self.select("0", self.speed, "1")
        return answer if password is None else self.obey("P1", f"({password})")

    def obey(self, name: str, data: str | None) -> Answer:
        """Send a command and return the answer."""
        return self.ask(Command(name, data).to_bytes())

    def is_silent(self) -> bool:
        """Say whether nothing comes."""
        return not self.answer().raw


def sign_on(subject: PortUnderTest, _: Requirement) -> list[Measured]:
    """Return what each kind of address is answered."""
    calls = {"an empty address is answered": "", "another address is met with silence": "Z9Z9Z9Z9"}
    if subject.address:
        calls["its own address is answered"] = subject.address
        calls["zeros in front do not count"] = f"00{subject.address}"
    expected = {}
    for what, address in calls.items():
        with _session(subject) as meter:
            expected[what] = bool(meter.sign_on(address).raw) is (address != "Z9Z9Z9Z9")
    with _session(subject) as meter:
        meter.say(bytes(20))
        expected["a sign-on behind NULs is heard"] = bool(meter.sign_on().raw)
    return [expect("addresses", expected)]


def identification(subject: PortUnderTest, _: Requirement) -> list[Measured]:
    """Return what is wrong with the identification message."""
    with _session(subject) as meter:
        raw = meter.sign_on().raw
    return [
        expect(
            "identification",
            {
                "it begins with / and three letters": re.match(rb"/[A-Z]{2}[A-Za-z]", raw) is not None,
                "it ends with CR LF": raw.endswith(b"\r\n"),
                "it has a speed of mode C and at most 16 characters": _IDENTIFICATION.fullmatch(raw)
                is not None,
            },
        )
    ]


def option_select(subject: PortUnderTest, _: Requirement) -> list[Measured]:
    """Return what each option leads to, at no speed in particular."""
    expected = {}
    with _session(subject) as meter:
        expected["read-out at the speed offered"] = meter.read_out().is_read_out
    with _session(subject) as meter:
        expected["programming mode"] = meter.program().is_challenge
    with _session(subject) as meter:
        meter.sign_on()
        expected["read-out at 300 Bd"] = meter.select("0", "0", "0").is_read_out
    with _session(subject) as meter:
        meter.sign_on()
        other = "9" if meter.speed != "9" else "8"
        expected["a speed that nobody offered ends in a read-out"] = meter.select("0", other, "0").is_read_out
    with _session(subject) as meter:
        meter.sign_on()
        if not meter.enhanced:
            refused = meter.select("2", meter.speed, "2").is_read_out
            expected["a protocol that the meter does not have ends in a read-out"] = refused
    with _session(subject) as meter:
        meter.sign_on()
        expected["silence ends in a read-out"] = meter.answer(OPTION_WAIT_NS).is_read_out
    return [expect("options", expected)]


def read_out(subject: PortUnderTest, requirement: Requirement) -> list[Measured]:
    """Return the form of the read-out, and the longest of each of its parts."""
    with _session(subject) as meter:
        answer = meter.read_out()
    text = _unchecked(answer)
    lines = text.split("\r\n")
    sets, readable = _sets(lines[:-2])
    items = [item for data_set in sets for item in data_set.items]

    def longest(what: str, name: str, lengths: list[int]) -> Measured:
        limit = requirement.figure(name, _PLAIN)
        return Measured(f"longest {what}", float(max(lengths, default=0)), (0.0, limit))

    return [
        expect(
            "form",
            {
                "the block check is right": answer.text is not None,
                "it ends with an exclamation mark and CR LF": lines[-2:] == ["!", ""],
                "every line is made of data sets": readable,
                "there are data sets": bool(sets),
                "the code of the first is there": bool(sets) and bool(sets[0].code),
            },
        ),
        longest("line", "line_characters", [len(line) for line in lines]),
        longest("code", "code_characters", [len(data_set.code) for data_set in sets]),
        longest("value", "value_characters", [len(item.text) for item in items]),
        longest("unit", "unit_characters", [len(item.unit) for item in items]),
    ]


def read_out_repeat(subject: PortUnderTest, _: Requirement) -> list[Measured]:
    """Return whether a read-out is repeated, and over once it is acknowledged."""
    with _session(subject) as meter:
        first = meter.read_out()
        again = meter.ask(REPEAT_BYTES)
        meter.say(ACKNOWLEDGE_BYTES)
        silent = meter.is_silent()
        back = bool(meter.sign_on().raw)
    return [
        expect(
            "NAK, then ACK",
            {
                # Values may have moved on meanwhile.
                "NAK repeats it": bool(first.raw) and _codes(_unchecked(again)) == _codes(_unchecked(first)),
                "ACK ends it": silent,
                "the next sign-on is heard": back,
            },
        )
    ]


def password(subject: PortUnderTest, _: Requirement) -> list[Measured]:
    """Return what the right password and a wrong one are answered."""
    with _session(subject) as meter:
        challenge = meter.program()
        right = meter.obey("P1", f"({subject.password})")
    with _session(subject) as meter:
        wrong = meter.program(_wrong(subject.password))
    return [
        expect(
            "P1",
            {
                "the challenge is P0 with a seed in brackets": re.fullmatch(
                    r"P0\x02\([^()]*\)", challenge.command or ""
                )
                is not None,
                "the right one is acknowledged": right.raw == ACKNOWLEDGE_BYTES,
                "a wrong one is refused": wrong.error is not None or wrong.is_break,
            },
        )
    ]


def read(subject: PortUnderTest, _: Requirement) -> list[Measured]:
    """Return whether a register reads in every form that readers use."""
    code = subject.register
    forms = {f"R1 {code}()": ("R1", f"{code}()"), f"R1 {code}(1)": ("R1", f"{code}(1)")}
    forms |= {f"R1 {code}": ("R1", code), f"R5 {code}()": ("R5", f"{code}()")}
    expected = {}
    with _session(subject) as meter:
        meter.program(subject.password)
        for what, (name, data) in forms.items():
            expected[what] = len(meter.obey(name, data).values) == 1
    return [expect("forms", expected)]


def write(subject: PortUnderTest, _: Requirement) -> list[Measured]:
    """Return whether a register can be written, and one that cannot is refused."""
    assert subject.written is not None
    code, value = subject.written
    with _session(subject) as meter:
        meter.program()
        without = meter.obey("W1", f"{code}({value})")
        meter.obey("P1", f"({subject.password})")
        expected = {
            "without password W1 is refused": without.error is not None or without.is_break,
            "W1 is acknowledged": meter.obey("W1", f"{code}({value})").raw == ACKNOWLEDGE_BYTES,
            "W5 is acknowledged": meter.obey("W5", f"{code}({value})").raw == ACKNOWLEDGE_BYTES,
            "the register reads afterwards": len(meter.obey("R1", f"{code}()").values) == 1,
        }
    return [expect("W1 and W5", expected)]


def refusals(subject: PortUnderTest, requirement: Requirement) -> list[Measured]:
    """Return how what cannot be done is refused."""
    asked = {
        "a register that is not there": ("R1", "9.99.99()"),
        "an unknown command": ("X9", "9.99.99()"),
        "a reserved command": ("R9", "0.0.0()"),
        "a data set without an end": ("R1", "0.0.0("),
    }
    expected = {}
    longest = 0
    with _session(subject) as meter:
        meter.program(subject.password)
        for what, (name, data) in asked.items():
            answer = meter.obey(name, data)
            text = answer.error
            expected[f"{what} gets an error"] = text is not None
            longest = max(longest, len(text or ""))
        expected["the session goes on"] = len(meter.obey("R1", f"{subject.register}()").values) == 1
    limit = requirement.figure("error_characters", _PLAIN)
    return [expect("errors", expected), Measured("longest error", float(longest), (0.0, limit))]


def damaged(subject: PortUnderTest, _: Requirement) -> list[Measured]:
    """Return what a command with a wrong block check is answered, and the next one."""
    command = Command("R1", f"{subject.register}()").to_bytes()
    with _session(subject) as meter:
        meter.program(subject.password)
        wrong = meter.ask(_damaged(command))
        right = meter.ask(command)
    return [
        expect(
            "wrong block check",
            {
                "it is answered by NAK": wrong.raw == REPEAT_BYTES,
                "the repetition is obeyed": len(right.values) == 1,
            },
        )
    ]


def three_damaged(subject: PortUnderTest, _: Requirement) -> list[Measured]:
    """Return whether the meter breaks off after three damaged commands in a row."""
    command = Command("R1", f"{subject.register}()").to_bytes()
    with _session(subject) as meter:
        meter.program(subject.password)
        for _first in range(2):
            meter.ask(_damaged(command))
        third = meter.ask(_damaged(command))
        after = meter.ask(command)
        back = meter.sign_on()
    return [
        expect(
            "three in a row",
            {
                "the third is answered by a break": third.is_break,
                "the session is over": not after.raw,
                "the next sign-on is heard": bool(back.raw),
            },
        )
    ]


def repeat(subject: PortUnderTest, _: Requirement) -> list[Measured]:
    """Return whether NAK repeats an answer."""
    with _session(subject) as meter:
        meter.program(subject.password)
        first = meter.obey("R1", f"{subject.register}()")
        again = meter.ask(REPEAT_BYTES)
    return [
        expect(
            "NAK",
            {
                "the answer is repeated": bool(first.raw)
                and _codes(_unchecked(again)) == _codes(_unchecked(first))
            },
        )
    ]


def reaction(subject: PortUnderTest, requirement: Requirement) -> list[Measured]:
    """Return how long the meter takes to answer each kind of message, and pauses inside."""
    with _session(subject) as meter:
        answers = {"identification": meter.sign_on()}
        quick = answers["identification"].raw[3:4].islower()
        answers["challenge"] = meter.select("0", meter.speed, "1")
        answers["password"] = meter.obey("P1", f"({subject.password})")
        answers["register"] = meter.obey("R1", f"{subject.register}()")
    with _session(subject) as meter:
        answers["read-out"] = meter.read_out()
    name = "quick_reaction_ms" if quick else "reaction_ms"
    band = next(row.by_class[0] for row in requirement.rows if row.name == name)
    assert band is not None
    gap = requirement.figure("character_gap_ms", _PLAIN)
    never = float("inf")
    points = [
        Measured(what, answer.reaction_ns / MILLISECOND_NS if answer.raw else never, band, "ms")
        for what, answer in answers.items()
    ]
    pause_ns = max(answer.gap_ns for answer in answers.values())
    return [*points, Measured("longest pause inside", pause_ns / MILLISECOND_NS, (0.0, gap), "ms")]


def half_message(subject: PortUnderTest, _: Requirement) -> list[Measured]:
    """Return what comes of messages that pause, and that break off."""
    command = Command("R1", f"{subject.register}()").to_bytes()
    half = len(command) // 2
    with _session(subject) as meter:
        meter.program(subject.password)
        meter.say(command[:half])
        meter.wait(SHORT_PAUSE_NS)
        paused = meter.ask(command[half:])
        meter.say(command[:half])
        meter.wait(LONG_PAUSE_NS)
        broken = meter.answer()
        whole = meter.ask(command)
    with _session(subject) as meter:
        meter.say(b"/?")
        meter.wait(LONG_PAUSE_NS)
        called = meter.sign_on()
    return [
        expect(
            "pauses",
            {
                "a pause of a second is waited for": len(paused.values) == 1,
                "half a command is not obeyed": not broken.values,
                "a whole command afterwards is obeyed": len(whole.values) == 1,
                "a whole sign-on after half of one is heard": bool(called.raw),
            },
        )
    ]


def sign_off(subject: PortUnderTest, _: Requirement) -> list[Measured]:
    """Return whether a break ends the session, wherever it stands."""
    command = Command("R1", f"{subject.register}()").to_bytes()
    expected = {}
    with _session(subject) as meter:
        meter.program(subject.password)
        meter.say(BREAK.to_bytes())
        expected["in programming mode it gets no answer"] = meter.is_silent()
        expected["the session is over"] = not meter.ask(command).raw
        expected["the next sign-on is heard"] = bool(meter.sign_on().raw)
        meter.say(BREAK.to_bytes())
        expected["after an identification it ends the session"] = not meter.answer(OPTION_WAIT_NS).raw
    return [expect("B0", expected)]


def inactivity(subject: PortUnderTest, _: Requirement) -> list[Measured]:
    """Return whether a silent session lasts as long as it must, and no longer."""
    command = Command("R1", f"{subject.register}()").to_bytes()
    with _session(subject) as meter:
        meter.program(subject.password)
        meter.wait(ALIVE_NS)
        alive = meter.ask(command)
        meter.wait(OVER_NS)
        over = meter.ask(command)
        back = meter.sign_on()
    return [
        expect(
            "silence",
            {
                "after 55 s the session goes on": len(alive.values) == 1,
                "after 125 s it is over": not over.raw,
                "the next sign-on is heard": bool(back.raw),
            },
        )
    ]


def speed(subject: PortUnderTest, _: Requirement) -> list[Measured]:
    """Return whether the meter speaks at the speed that was agreed."""
    expected = {}
    with _session(subject, has_speed=True) as meter:
        expected["it identifies itself at 300 Bd"] = meter.sign_on().raw.startswith(b"/")
        expected["it reads out at the speed offered"] = meter.select("0", meter.speed, "0").is_read_out
        meter.say(ACKNOWLEDGE_BYTES)
        expected["it is back at 300 Bd afterwards"] = meter.sign_on().raw.startswith(b"/")
    with _session(subject, has_speed=True) as meter:
        meter.sign_on()
        expected["it stays at 300 Bd when asked to"] = meter.select("0", "0", "0").is_read_out
    with _session(subject, has_speed=True) as meter:
        expected["it is programmed at the speed offered"] = meter.program().is_challenge
    return [expect("speed", expected)]


def lock_out(subject: PortUnderTest, _: Requirement) -> list[Measured]:
    """Return whether guesses make the right password useless for a while."""
    with _session(subject) as meter:
        meter.program()
        for _guess in range(GUESSES):
            if meter.obey("P1", f"({_wrong(subject.password)})").is_break:
                meter.program()
        locked = meter.obey("P1", f"({subject.password})")
    return [
        expect(f"{GUESSES} guesses", {"the right password is refused then": locked.raw != ACKNOWLEDGE_BYTES})
    ]


LOCAL_PORT: dict[str, Examination[PortUnderTest]] = {
    "port-sign-on": sign_on,
    "port-identification": identification,
    "port-option-select": option_select,
    "port-read-out": read_out,
    "port-read-out-repeat": read_out_repeat,
    "port-password": password,
    "port-read": read,
    "port-write": write,
    "port-refusals": refusals,
    "port-damaged": damaged,
    "port-three-damaged": three_damaged,
    "port-repeat": repeat,
    "port-reaction": reaction,
    "port-half-message": half_message,
    "port-break": sign_off,
    "port-inactivity": inactivity,
    "port-speed": speed,
    "port-lock-out": lock_out,
}
"""The examination of each clause, in the order of the report; the lock-out is last, as it may last."""


def clauses_for(subject: PortUnderTest) -> tuple[str, ...]:
    """Return the clauses that a port can be examined by, and may be."""
    left_out = {
        "port-write": subject.written is None,
        "port-inactivity": not subject.patient,
        "port-speed": not subject.has_speed,
        "port-lock-out": not subject.locks_out,
    }
    return tuple(key for key in LOCAL_PORT if not left_out.get(key))


def shown_register(subject: PortUnderTest) -> str:
    """Return the code of the first register with a unit that the read-out shows.

    Raises
    ------
    Refused
        If the meter does not answer, or shows none.
    """
    with _session(subject) as meter:
        sets, _ = _sets(_unchecked(meter.read_out()).split("\r\n"))
    for each in sets:
        if each.code and each.items[0].unit:
            return each.code
    raise Refused("NoReadOut", f"{subject.name} shows no register with a unit in its read-out")


@contextmanager
def _session(subject: PortUnderTest, *, has_speed: bool = False) -> Iterator[Examiner]:
    line = subject.connect(has_speed)
    try:
        meter = Examiner(line)
        yield meter
        # Whatever is left of a session would meet the next one.
        meter.say(BREAK.to_bytes())
    finally:
        line.close()


def _is_whole(raw: bytes) -> bool:
    if not raw:
        return False
    if raw[0] in (_ACK, _NAK):
        return True
    if raw[0] in (_STX, _SOH):
        return len(raw) > 2 and raw[-2] in (_ETX, _EOT)
    return raw.endswith(b"\r\n")


def _unchecked(answer: Answer) -> str:
    """Return what stands in a block of data, whatever its block check says."""
    return answer.raw[1:-2].decode("ascii") if len(answer.raw) > 2 else ""


def _sets(lines: list[str]) -> tuple[list[DataSet], bool]:
    """Return the data sets of lines, and whether every line is made of them."""
    sets: list[DataSet] = []
    readable = True
    for line in lines:
        try:
            sets += parse_data_sets(line)
        except InvalidInput:
            readable = False
    return sets, readable


def _codes(text: str) -> list[str]:
    return re.findall(r"^[^(\r\n]*", text, re.MULTILINE)


def _damaged(message: bytes) -> bytes:
    return message[:-1] + bytes([message[-1] ^ 0x01])


def _wrong(right: str) -> str:
    return "11111111" if right != "11111111" else "22222222"

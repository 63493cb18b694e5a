"""The meter's end, word by word."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from joy311.errors import InvalidInput
from joy311.iec62056 import (
    REGISTERS,
    Command,
    Data,
    Level,
    LogEntry,
    Mode,
    PortError,
    PortSettings,
    Request,
    Send,
    Server,
    SetSpeed,
    Speed,
    State,
    challenge_response,
)
from joy311.iec62056.characters import block_check
from joy311.iec62056.framing import Framer
from joy311.iec62056.messages import BREAK, Message
from joy311.iec62056.server import (
    CHARACTER_GAP_NS,
    INACTIVITY_NS,
    OPTION_WAIT_NS,
    TRANSITIONS,
    Heard,
)
from joy311.instant import HOUR_NS, MILLISECOND_NS, MINUTE_NS, SECOND_NS
from tests.iec62056.joined import Port, bits
from tests.iec62056.meter_in_memory import FACTORY_KEY, PASSWORDS, MeterInMemory

IDENTIFICATION = b"/JOY5JOY311-3P\r\n"
PROGRAM = b"\x06051\r\n"
SEED = "C0FFEE42"
ACK, NAK = b"\x06", b"\x15"


def messages(said: bytes) -> list[Message]:
    framer = Framer(1 << 20)
    framer.feed(said)
    found = []
    while (message := framer.next()) is not None:
        found.append(message)
    return found


def text(said: bytes) -> str:
    """Return the text of the one block of data that the meter said."""
    (block,) = messages(said)
    assert isinstance(block, Data)
    return block.text


def lines(said: bytes) -> list[str]:
    block = text(said)
    assert block.endswith("!\r\n")
    return block.removesuffix("!\r\n").splitlines()


def programming(port: Port, level: Level = Level.OPEN) -> Port:
    """Bring a session into programming mode, and up to a level."""
    assert port.hear(Request().to_bytes()) == IDENTIFICATION
    assert messages(port.hear(PROGRAM)) == [Command("P0", f"({SEED})")]
    if level is Level.FACTORY:
        assert port.hear(Command("P2", f"({challenge_response(FACTORY_KEY, SEED)})").to_bytes()) == ACK
    elif level:
        assert port.hear(Command("P1", f"({PASSWORDS[level]})").to_bytes()) == ACK
    return port


def level_of(port: Port) -> Level:
    return port.server.level


def state_of(port: Port) -> State:
    return port.server.state


def ask(port: Port, name: str, data: str | None = None) -> bytes:
    return port.hear(Command(name, data).to_bytes())


def error(said: bytes) -> PortError | None:
    for candidate in PortError:
        if said == Data(f"({candidate.text})").to_bytes():
            return candidate
    return None


def test_a_read_out_shows_every_open_register_and_ends_at_300_bd() -> None:
    port = Port()
    assert port.hear(Request().to_bytes()) == IDENTIFICATION
    shown = lines(port.hear(b"\x06050\r\n"))
    assert [line.partition("(")[0] for line in shown] == [
        code for code, register in REGISTERS.items() if register.in_readout and register.read is Level.OPEN
    ]
    assert "1.8.0(000123.456*kWh)" in shown
    assert "32.7.0(230.1*V)" in shown
    assert "19.0.0(-000001.500*kWh)" in shown
    assert "1.6.0(03.21*kW)(0261122121500)" in shown
    assert "0.0.1(C-4711)" in shown
    assert max(map(len, shown)) <= 78
    assert not any("?" in line or line[0] not in "0123456789CF" for line in shown)
    assert port.hear(ACK) == b""
    assert port.speeds == [9600, 300]
    assert port.server.state is State.IDLE


@pytest.mark.parametrize(
    ("option", "speeds", "answer"),
    [
        (b"050", [9600], "all"),
        (b"000", [], "all"),
        (b"040", [], "all"),
        (b"060", [], "all"),
        (b"051", [9600], "P0"),
        (b"001", [], "P0"),
        (b"041", [], "P0"),
        (b"056", [9600], "short"),
        (b"057", [9600], "all"),
        (b"059", [9600], "all"),
        (b"252", [], "all"),
        (b"052", [], "all"),
        (b"150", [], "all"),
        (b"053", [], "all"),
    ],
)
def test_every_option_leads_where_the_table_says(option: bytes, speeds: list[int], answer: str) -> None:
    port = Port()
    port.hear(Request().to_bytes())
    said = port.hear(b"\x06" + option + b"\r\n")
    if answer == "P0":
        assert messages(said) == [Command("P0", f"({SEED})")]
    else:
        codes = {line.partition("(")[0] for line in lines(said)}
        assert ("1.8.0" in codes) is (answer == "all")
        assert {"19.0.0", "19.40.0", "96.3.10"} <= codes
    assert port.speeds == speeds


def test_a_lower_speed_is_taken_where_that_is_allowed() -> None:
    port = Port(settings=PortSettings(accepts_lower_speed=True))
    port.hear(Request().to_bytes())
    lines(port.hear(b"\x06030\r\n"))
    assert port.speeds == [2400]


@pytest.mark.parametrize("said", [b"", b"\x06x", b"\x06051\n\n"])
def test_silence_or_rubbish_after_the_identification_brings_the_read_out_at_300_bd(said: bytes) -> None:
    port = Port()
    port.hear(Request().to_bytes())
    answer = port.hear(said) + port.wait(OPTION_WAIT_NS)
    assert len(lines(answer)) > 20
    assert port.speeds == []
    port.wait(OPTION_WAIT_NS)
    assert port.server.state is State.IDLE


def test_a_break_after_the_identification_ends_the_session_without_a_read_out() -> None:
    port = Port()
    port.hear(Request().to_bytes())
    assert port.hear(BREAK.to_bytes()) + port.wait(HOUR_NS) == b""


def test_a_read_out_is_repeated_three_times_and_no_more() -> None:
    port = Port()
    port.hear(Request().to_bytes())
    first = port.hear(b"\x06050\r\n")
    assert [port.hear(NAK) == first for _ in range(4)] == [True, True, True, False]
    assert port.server.state is State.IDLE


def test_the_reaction_time_passes_before_every_answer() -> None:
    port = Port(settings=PortSettings(reaction_ns=250 * MILLISECOND_NS))
    (identify,) = port.server.receive(Request().to_bytes(), port.now)
    assert identify == Send(IDENTIFICATION, port.now + 250 * MILLISECOND_NS)
    port.server.sent(port.now)
    change, challenge = port.server.receive(PROGRAM, port.now)
    assert change == SetSpeed(9600)
    assert isinstance(challenge, Send)
    assert challenge.not_before_ns == port.now + 250 * MILLISECOND_NS


def test_a_meter_that_is_not_meant_is_silent_until_it_is() -> None:
    port = Port(MeterInMemory(address="0000777"))
    for said in (
        Request("778").to_bytes(),
        b"\x06051\r\n",
        BREAK.to_bytes(),
        Command("R1", "0.9.1()").to_bytes(),
    ):
        assert port.hear(said) + port.wait(HOUR_NS) == b""
    assert port.hear(Request("777").to_bytes()) == IDENTIFICATION
    assert port.hear(Request("778").to_bytes()) + port.wait(HOUR_NS) == b""
    assert port.server.state is State.IDLE


@pytest.mark.parametrize(
    "data", ["1.8.0()", "1.8.0(1)", "1.8.0", "1-0:1.8.0()", "1-0:1.8.0*255()", "1.8.0*255"]
)
@pytest.mark.parametrize("name", ["R1", "R3", "R5", "R6"])
def test_a_register_reads_in_every_spelling(data: str, name: str) -> None:
    port = programming(Port())
    code = data.partition("(")[0]
    assert text(ask(port, name, data)) == f"{code}(000123.456*kWh)"


def test_an_earlier_billing_period_reads_behind_a_star() -> None:
    port = programming(Port())
    assert text(ask(port, "R5", "1.8.0*01()")) == "1.8.0*01(000124.456*kWh)"
    assert error(ask(port, "R5", "1.8.0*03()")) is PortError.UNKNOWN_REGISTER


@pytest.mark.parametrize(
    ("name", "data", "answer"),
    [
        ("R1", "99.9.9()", PortError.UNKNOWN_REGISTER),
        ("R1", "()", PortError.UNKNOWN_REGISTER),
        ("R1", None, PortError.UNKNOWN_REGISTER),
        ("R1", "1.8.0(", PortError.BAD_VALUE),
        ("R1", "1.8.0()2.8.0()", PortError.BAD_VALUE),
        ("R1", "P.01()", PortError.NOT_AUTHORISED),
        ("W1", "1.8.0(1)", PortError.READ_ONLY),
        ("W1", "0.9.1(121500)", PortError.NOT_AUTHORISED),
        ("W1", "19.40.0(12345678901234567890)", PortError.NOT_AUTHORISED),
        ("W1", "99.9.9(1)", PortError.UNKNOWN_REGISTER),
        ("R2", "1.8.0()", PortError.UNKNOWN_COMMAND),
        ("R4", "1.8.0()", PortError.UNKNOWN_COMMAND),
        ("W3", "1.8.0()", PortError.UNKNOWN_COMMAND),
        ("E2", "x()", PortError.UNKNOWN_COMMAND),
        ("P7", "(1)", PortError.UNKNOWN_COMMAND),
        ("P1", "(a)(b)", PortError.BAD_VALUE),
        ("P1", "", PortError.BAD_VALUE),
    ],
)
def test_what_the_meter_does_not_do_it_says(name: str, data: str | None, answer: PortError) -> None:
    port = programming(Port())
    before = port.meter.everything()
    assert error(ask(port, name, data)) is answer
    assert port.meter.everything() == before
    assert port.server.state is State.PROGRAMMING


def test_a_block_that_is_no_command_is_answered_with_an_error() -> None:
    port = programming(Port())
    body = b"read\x03"
    assert error(port.hear(b"\x01" + body + bytes([block_check(body)]))) is PortError.UNKNOWN_COMMAND


@pytest.mark.parametrize(
    ("level", "data", "kept"),
    [
        (Level.READER, "19.40.0(12345678901234567890)", ("19.40.0", "12345678901234567890", Level.READER)),
        (Level.UTILITY, "0.0.1(ACME 12)", ("0.0.1", "ACME 12", Level.UTILITY)),
        (Level.UTILITY, "17.0.0(05.5*kW)", ("17.0.0", 5500, Level.UTILITY)),
        (Level.UTILITY, "0.8.4(30)", ("0.8.4", 30, Level.UTILITY)),
        (Level.FACTORY, "C.1.0(20261234)", ("C.1.0", "20261234", Level.FACTORY)),
    ],
)
def test_a_write_with_authority_is_acknowledged_and_done(
    level: Level, data: str, kept: tuple[str, int | str, Level]
) -> None:
    port = programming(Port(), level)
    assert ask(port, "W1", data) == ACK
    assert port.meter.writes == [kept]
    assert ask(port, "W5", data) == ACK


@pytest.mark.parametrize(
    "data",
    [
        "0.9.1(250000)",
        "0.9.1(noon)",
        "0.9.2(261322)",
        "0.9.1()",
        "0.9.1",
        "0.9.1(121500)(1)",
        "17.0.0(5*V)",
        "17.0.0(1e3)",
        "17.0.0(555.5)",
        "17.0.0(0.0001)",
        "0.0.1(what?)",
        "0.0.1(" + "x" * 33 + ")",
        "19.40.0(1234)",
        "19.40.0(1234567890123456789x)",
    ],
)
def test_a_value_that_does_not_fit_changes_nothing(data: str) -> None:
    port = programming(Port(), Level.UTILITY)
    assert error(ask(port, "W1", data)) is PortError.BAD_VALUE
    assert port.meter.writes == []


def test_setting_time_and_date_keeps_the_other_half_of_the_clock() -> None:
    port = programming(Port(), Level.UTILITY)
    assert ask(port, "W5", "0.9.2(27-01-31)") == ACK
    assert text(ask(port, "R5", "0.9.2()")) == "0.9.2(27-01-31)"
    assert text(ask(port, "R5", "0.9.1()")).startswith("0.9.1(12:15")
    assert ask(port, "W5", "0.9.1(235900)") == ACK
    assert text(ask(port, "R5", "0.9.1()")).startswith("0.9.1(23:59:0")
    assert text(ask(port, "R5", "0.9.2()")) == "0.9.2(27-01-31)"
    assert ask(port, "W5", "0.9.4(2280229000000)") == ACK
    assert text(ask(port, "R5", "0.9.4()")).startswith("0.9.4(02802290000")


def test_a_token_is_entered_and_its_result_read_back_but_never_the_token() -> None:
    port = programming(Port(), Level.READER)
    token = "12345678901234567890"
    assert text(ask(port, "R1", "19.40.0()")) == "19.40.0(00)"
    assert ask(port, "W1", f"19.40.0({token})") == ACK
    assert port.meter.tokens == [token]
    assert text(ask(port, "R1", "19.40.0()")) == "19.40.0(01)"
    ask(port, "B0")
    port.hear(Request().to_bytes())
    assert token.encode() not in port.hear(b"\x06050\r\n")


def test_a_repeated_answer_does_not_repeat_the_deed() -> None:
    port = programming(Port(), Level.READER)
    assert ask(port, "W1", "19.40.0(12345678901234567890)") == ACK
    assert port.hear(NAK) == ACK
    assert len(port.meter.tokens) == 1


def test_levels_fall_away_with_the_session() -> None:
    ends: dict[str, Callable[[Port], object]] = {
        "B0": lambda port: ask(port, "B0"),
        "B1": lambda port: ask(port, "B1"),
        "silence": lambda port: port.wait(INACTIVITY_NS),
        "sign-on": lambda port: port.hear(Request().to_bytes()),
        "other": lambda port: port.hear(Request("4711").to_bytes()),
        "hang-up": lambda port: port.do(port.server.hang_up(port.now)),
        "wrong": lambda port: ask(port, "P1", "(wrong)"),
    }
    for name, end in ends.items():
        port = programming(Port(), Level.UTILITY)
        assert level_of(port) is Level.UTILITY
        end(port)
        assert level_of(port) is Level.OPEN, name
        if name != "wrong":
            assert port.speeds[-1] == 300, name


def test_a_session_lives_as_long_as_something_is_said() -> None:
    for word in (ACK, NAK, Command("R1", "0.9.1()").to_bytes()):
        port = programming(Port())
        for _ in range(5):
            port.wait(INACTIVITY_NS - SECOND_NS)
            port.hear(word)
        assert state_of(port) is State.PROGRAMMING
        assert port.wait(INACTIVITY_NS) == b""
        assert state_of(port) is State.IDLE


def test_three_damaged_commands_in_a_row_end_the_session() -> None:
    damaged = Command("R1", "0.9.1()").to_bytes()[:-1] + b"\x00"
    port = programming(Port(), Level.UTILITY)
    assert [port.hear(damaged) for _ in range(2)] == [NAK, NAK]
    text(ask(port, "R1", "1.8.0()"))
    assert [port.hear(damaged) for _ in range(3)] == [NAK, NAK, BREAK.to_bytes()]
    assert port.server.state is State.IDLE
    assert port.server.level is Level.OPEN
    assert port.speeds[-1] == 300


def test_a_command_that_breaks_off_counts_as_damaged() -> None:
    port = programming(Port())
    assert port.hear(Command("R1", "0.9.1()").to_bytes()[:-4]) == b""
    assert port.wait(CHARACTER_GAP_NS - 1) == b""
    assert port.wait(1) == NAK
    assert text(ask(port, "R1", "1.8.0()")) == "1.8.0(000123.456*kWh)"


def test_a_challenge_opens_the_factory_level_once_and_only_with_its_own_seed() -> None:
    port = programming(Port(), Level.FACTORY)
    assert level_of(port) is Level.FACTORY
    answer = f"({challenge_response(FACTORY_KEY, SEED)})"
    assert error(ask(port, "P2", answer)) is PortError.WRONG_PASSWORD
    assert level_of(port) is Level.OPEN
    port = programming(Port())
    assert (
        error(ask(port, "P2", f"({challenge_response(FACTORY_KEY, '00000000')})")) is PortError.WRONG_PASSWORD
    )
    assert error(ask(port, "P2", "()")) is PortError.WRONG_PASSWORD


def test_without_challenges_p0_is_empty_and_p2_opens_nothing() -> None:
    port = Port(settings=PortSettings(challenges=False))
    port.hear(Request().to_bytes())
    assert messages(port.hear(PROGRAM)) == [Command("P0", "()")]
    assert error(ask(port, "P2", f"({challenge_response(FACTORY_KEY, '')})")) is PortError.WRONG_PASSWORD
    assert ask(port, "P1", "(73915246)") == ACK


def test_passwords_are_locked_after_three_wrong_ones_and_longer_each_time() -> None:
    port = programming(Port())
    wrong, right = "(12345678)", "(73915246)"
    assert [error(ask(port, "P1", wrong)) for _ in range(4)] == [
        *[PortError.WRONG_PASSWORD] * 3,
        PortError.LOCKED,
    ]
    assert error(ask(port, "P1", right)) is PortError.LOCKED
    locked_until_ns = port.meter.access_state.last_wrong_ns + 60 * SECOND_NS
    assert port.meter.access_state.remaining_ns(port.now) == locked_until_ns - port.now
    lengths = []
    for _ in range(8):
        port.now += port.meter.access_state.remaining_ns(port.now)
        programming(port)
        assert error(ask(port, "P1", wrong)) is PortError.WRONG_PASSWORD
        lengths.append(port.meter.access_state.lockout_ns // MINUTE_NS)
    assert lengths == [2, 4, 8, 16, 32, 60, 60, 60]
    port.now += HOUR_NS
    programming(port, Level.UTILITY)
    assert port.meter.access_state.wrong_proofs == 0


def test_the_lock_out_outlives_connection_and_restart() -> None:
    port = programming(Port())
    for _ in range(3):
        ask(port, "P1", "(guess)")
    port.do(port.server.hang_up(port.now))
    other = Port(port.meter)
    other.now = port.now
    programming(other)
    assert error(ask(other, "P1", "(73915246)")) is PortError.LOCKED
    restarted = MeterInMemory()
    restarted.access_state = port.meter.access_state.restarted(port.now + 50 * SECOND_NS)
    after = Port(restarted)
    after.now = port.now + 90 * SECOND_NS
    programming(after)
    assert error(ask(after, "P1", "(73915246)")) is PortError.LOCKED


def test_the_readers_password_does_not_wash_away_guesses_at_a_higher_one() -> None:
    port = programming(Port())
    answers = []
    for _ in range(3):
        answers.append(error(ask(port, "P1", "(guess)")))
        ask(port, "P1", "(00000000)")
    assert answers == [PortError.WRONG_PASSWORD] * 3
    assert error(ask(port, "P1", "(73915246)")) is PortError.LOCKED


def test_a_password_guessed_at_full_speed_takes_years() -> None:
    port = programming(Port())
    began = port.now
    tried = 0
    while port.now < began + 24 * HOUR_NS:
        if error(ask(port, "P1", f"({tried:08})")) is PortError.WRONG_PASSWORD:
            tried += 1
        port.now += 10 * SECOND_NS
    # Three, six doublings up to an hour, and then one an hour.
    assert tried <= 3 + 6 + 24


def test_modes_a_and_b_send_their_read_out_unasked_and_program_after_p0() -> None:
    for mode, speeds, letter in ((Mode.A, [], "Z"), (Mode.B, [4800], "D")):
        port = Port(settings=PortSettings(mode=mode, speed=Speed.BD_4800))
        said = port.hear(Request().to_bytes())
        identification, _, block = said.partition(b"\r\n")
        assert identification == f"/JOY{letter}JOY311-3P".encode()
        assert "1.8.0(000123.456*kWh)" in lines(block)
        assert port.speeds == speeds
        assert messages(ask(port, "P0", "()")) == [Command("P0", f"({SEED})")]
        assert ask(port, "P1", "(00000000)") == ACK
        assert ask(port, "B0") == b""
        assert port.server.state is State.IDLE


def test_mode_d_pushes_when_its_time_has_come_and_nobody_is_talking() -> None:
    port = Port(settings=PortSettings(push_period_ns=MINUTE_NS))
    said = port.wait(MINUTE_NS)
    assert said.startswith(b"/JOY3JOY311-3P\r\n\r\n")
    assert said.endswith(b"!\r\n")
    assert b"1.8.0(000123.456*kWh)\r\n" in said
    assert not set(said) & {1, 2, 3, 4}
    assert port.speeds == [2400, 300]
    programming(port)
    assert port.wait(80 * SECOND_NS) == b""
    assert port.wait(80 * SECOND_NS).startswith(b"/JOY3")


def test_a_year_of_profile_leaves_in_small_pieces() -> None:
    port = programming(Port(MeterInMemory(intervals=35_040)), Level.READER)
    effects = port.server.receive(Command("R5", "P.01(;)").to_bytes(), port.now)
    pieces = []
    while effects:
        (piece,) = effects
        assert isinstance(piece, Send)
        pieces.append(piece.data)
        effects = port.server.sent(port.now)
    assert max(map(len, pieces)) < 2048
    rows = text(b"".join(pieces)).splitlines()
    assert rows[0] == "P.01(0261122123000)(0000)(15)(2)(1.29.0)(kWh)(2.29.0)(kWh)"
    assert len(rows) == 1 + 35_040
    assert rows[-1] == "(035.040)(070.080)"


def test_partial_blocks_follow_each_acknowledgement() -> None:
    port = programming(Port(MeterInMemory(intervals=10)), Level.READER)
    said = ask(port, "R6", "P.01(;;4)")
    blocks = []
    while True:
        (block,) = messages(said)
        assert isinstance(block, Data)
        assert port.hear(NAK) == said
        blocks.append(block)
        if not block.partial:
            break
        assert port.server.state is State.PARTIAL
        said = port.hear(ACK)
    assert [len(block.text.splitlines()) for block in blocks] == [4, 4, 3]
    assert [block.partial for block in blocks] == [True, True, False]
    assert port.server.state is State.PROGRAMMING
    assert text(ask(port, "R1", "1.8.0()")) == "1.8.0(000123.456*kWh)"


def test_a_new_command_ends_a_list_of_blocks() -> None:
    port = programming(Port(), Level.READER)
    ask(port, "R6", "P.01(;;1)")
    assert text(ask(port, "R1", "1.8.0()")) == "1.8.0(000123.456*kWh)"
    assert port.hear(ACK) == b""


@pytest.mark.parametrize(
    ("data", "answer"),
    [
        ("P.01(abc;)", PortError.BAD_VALUE),
        ("P.01(0261322000000;)", PortError.BAD_VALUE),
        ("P.01(;;0)", PortError.BAD_VALUE),
        ("P.01(;)(9.9.9)", PortError.UNKNOWN_REGISTER),
        ("P.98(;)(1.29.0)", PortError.UNKNOWN_REGISTER),
    ],
)
def test_a_table_that_cannot_be_asked_for_is_refused(data: str, answer: PortError) -> None:
    assert error(ask(programming(Port(), Level.READER), "R5", data)) is answer


def test_profile_and_log_are_cut_to_the_span_and_the_channels() -> None:
    port = programming(Port(), Level.READER)
    said = text(ask(port, "R5", "P.01(0261122124500;2611221300)(2.29.0)"))
    assert said.splitlines() == [
        "P.01(0261122124500)(0000)(15)(1)(2.29.0)(kWh)",
        "(000.004)",
        "(000.006)",
    ]
    assert text(ask(port, "R5", "P.01(0300101000000;)")) == "P.01()"
    assert text(ask(port, "R5", "P.98(0261122121800;)")).splitlines() == [
        "P.98(0261122121800)(00000080)()(1)(96.11.0)()(0003)",
        "P.98(0261122121900)(00000080)()(1)(96.11.0)()(0004)",
    ]
    port.meter.entries = [LogEntry(port.meter.entries[0].at_ns, 0x20)]
    assert text(ask(port, "R5", "P.98()")) == "P.98(0261122121500)(00000020)()(0)"


def test_while_an_answer_is_on_its_way_only_a_sign_on_or_a_break_is_heard() -> None:
    port = programming(Port(MeterInMemory(intervals=1000)), Level.READER)
    server = port.server
    server.receive(Command("R5", "P.01()").to_bytes(), port.now)
    assert server.receive(Command("W1", "19.40.0(12345678901234567890)").to_bytes(), port.now) == []
    assert port.meter.tokens == []
    assert server.next_deadline() is None
    assert server.receive(BREAK.to_bytes(), port.now) == [SetSpeed(300)]
    assert server.sent(port.now) == []
    assert server.state is State.IDLE
    programming(port, Level.READER)
    server.receive(Command("R5", "P.01()").to_bytes(), port.now)
    assert port.hear(Request().to_bytes()) == IDENTIFICATION
    assert server.level is Level.OPEN


@pytest.mark.parametrize(
    "wrong", [{"reaction_ns": 10 * MILLISECOND_NS}, {"reaction_ns": 2 * SECOND_NS}, {"push_period_ns": 1}]
)
def test_settings_that_no_reader_could_follow_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(InvalidInput):
        PortSettings(**wrong)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="mode B"):
        PortSettings(mode=Mode.B, speed=Speed.BD_300)
    with pytest.raises(InvalidInput, match="300, 600"):
        Speed.of(110)


def test_every_state_listens_for_a_sign_on_and_ends_by_itself() -> None:
    for state in State:
        assert (state, Heard.REQUEST) in TRANSITIONS
        assert state is State.IDLE or (state, Heard.TIMED_OUT) in TRANSITIONS


def test_a_port_without_a_session_has_no_deadline() -> None:
    assert Server(MeterInMemory(), PortSettings(), 0, bits).next_deadline() is None

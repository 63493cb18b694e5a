"""Write the pages that say what the code knows better: ``python docs/generate.py``.

A test compares the pages with what this program makes, so a page that has fallen behind is found.
"""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass
from enum import Enum
from inspect import getdoc
from pathlib import Path
from string import Template

from joy311.ciu.app import TEXTS
from joy311.ciu.entry import LEVEL_CODES, LEVEL_DIGITS, MOST_SHORT_CODE_DIGITS, PAIRING_CODE
from joy311.device.ciu_application import PAIRING_NS
from joy311.device.virtual_meter import LINK_FAULTS
from joy311.iec62056 import REGISTERS, IntervalStatus, PortError, Register, Speed
from joy311.iec62056.access import Level
from joy311.iec62056.registers import Group, Hexadecimal, Number, PeakOf, Special, Text
from joy311.iec62056.server import TRANSITIONS, Heard, State
from joy311.iec62056.time_formats import CLOCK_FORMATS, DATE_FORMATS, STAMP_FORMATS
from joy311.instant import MILLISECOND_NS, MINUTE_NS, SECOND_NS, from_iso, to_datetime
from joy311.link import LAYOUTS as LINK_LAYOUTS
from joy311.link import MEDIA, PUBLIC_DATA, STALE
from joy311.link.container import PREAMBLE, SIZES, STRIDE, SYNC_BITS, SYNC_TOLERANCE
from joy311.link.frame import MOST_DATA
from joy311.link.message import Field as MessageField
from joy311.link.message import Layout as MessageLayout
from joy311.link.public_data import ADDRESS_IDENTIFIERS, BLOCKS
from joy311.meter.app import LINK_LIGHT
from joy311.meter.configuration import MOST_BYTES, Configuration
from joy311.meter.credit_warning import CREDIT_ICONS, CREDIT_LIGHT, CreditWarningParameters
from joy311.meter.diagnosis import FAULTS, Fault
from joy311.meter.display import (
    HOME_NS,
    ITEM_NS,
    NOTICE_NS,
    RESULT_NS,
    SEGMENT_TEST_NS,
    STAGED_TEXT,
    DisplayParameters,
    ResultProfile,
    result_text,
)
from joy311.meter.display_items import ITEMS, NoticeTexts, ShownItem, WrittenFigures
from joy311.meter.event_log import ENTRY_BYTES, EVENTS, REPEAT_NS
from joy311.meter.load_switch import REASON_TEXTS, LoadSwitchParameters
from joy311.meter.phases import PhaseParameters
from joy311.meter.reverse_energy import ReverseEnergyParameters
from joy311.meter.short_codes import CODES_000, CODES_800, LONGEST_CODE, ShortCodeTable, ShortFunction
from joy311.meter.supply_limits import SupplyLimitParameters
from joy311.meter.tamper import TAMPER_TEXTS, TamperParameters
from joy311.metrology.thresholds import CREEP_FRACTION, STARTING_CURRENT_PERMIL
from joy311.panel import SOUND_PATTERNS, UNITS, Icon
from joy311.sts import (
    LAYOUTS,
    METER_TESTS,
    BaseDate,
    EncryptionAlgorithm,
    KeyAttributes,
    KeyDerivation,
    KeyType,
    Layout,
    MeterPAN,
    Token20,
    TokenResult,
    TransferCredit,
    Undecodable,
    VendingKey,
    carried_amount,
    decode,
    derive_decoder_key,
    encode,
    encode_amount,
    meter_test,
    token_id_at,
)
from joy311.sts.amount import LARGEST_AMOUNT, LARGEST_MANTISSA, MANTISSA_BITS, OFFSETS, STEPS
from joy311.sts.carrier import extract_class
from joy311.sts.crc import block_crc
from joy311.sts.explanation import CLASS_NAMES, BitMap, decimal, explain, limits
from joy311.sts.key_derivation import data_block
from joy311.sts.layouts import SUBCLASS_SHIFT
from joy311.sts.token_codec import CURRENCY_SUBCLASSES

DOCS = Path(__file__).parent
NOTE = "<!-- Written by docs/generate.py from the code: change that program, not this page. -->"

VENDING_KEY = VendingKey.from_bytes(bytes.fromhex("ABABABABABABABAB949494949494949401234567"))
ATTRIBUTES = KeyAttributes(
    meter_pan=MeterPAN.parse("12345678903"),
    key_type=KeyType.DUTK,
    supply_group_code="201457",
    tariff_index="01",
    key_revision=1,
    base_date=BaseDate.BDT_2014,
    encryption_algorithm=EncryptionAlgorithm.MISTY1,
    key_derivation=KeyDerivation.DKGA04,
)
ISSUED = from_iso("2026-03-01T13:55:00Z")
WANTED_UNITS = 19_123
CHANCE = 5

LIFE = Template("""\
$note
# The life of a token

A customer pays, carries twenty digits home, and types them. This page follows one such token from the
till to the light, bit by bit. Every number on it was computed by this program when the page was written.
The key belongs to nobody.

The customer buys **$wanted kWh** for meter **$drn**, on $issued_text UTC.

## How much: sixteen bits of amount
A credit token counts tenths of a kilowatt-hour, so $wanted_units units are wanted. Sixteen bits have to
serve from one tenth to $largest kWh. The upper two are therefore an exponent *e*, and the lower fourteen
a mantissa *m*. Each exponent has a band of its own:

| e | first value | step | last value |
| --- | --- | --- | --- |
$bands

$wanted_units lies in the band of exponent $exponent. There, (${wanted_units} − $offset) / $step is no
whole number, and a fraction is rounded up, because whoever pays must not get less: the mantissa is
$mantissa. The token carries **$carried kWh**. The field reads `$amount_bits`, which is $amount_hex.

## When: twenty-four bits of token identifier
The identifier counts the minutes since the base date of the key, here the first of January $base_date,
00:00 UTC: **$token_id**, or $token_id_hex. The meter will remember it, and that is what makes the token
good for one use. Twenty-four bits last almost 32 years. The minute 00:01 of each day is set aside for
tokens that are meant to exclude one another; an ordinary token takes 00:02 instead.

## A little chance: four bits
Two equal purchases should not look alike, so four random bits join in; here they are $chance_bits.

## The block
Subclass 0 says *credit of electricity*. With it the block is ready but for its last sixteen bits:

```
$plain_names
$plain_bits
```

The two bits on the left are the class, 0 for credit. They are not a part of the block's 64 bits, and yet
they are protected:

## The checksum
Class and block without the last field are fifty bits. Six zero bits before them make seven bytes,
`$covered`. Their CRC-16, low byte first, is **$crc**. It takes the last sixteen bits, and the block is
`$block`.

A token in money has one more byte of 01 under its checksum, so that neither kind of credit can pass for
the other.

## The key
The till does not know the meter's key. Its security module has the vending key of supply group $group
and derives the meter's key from it whenever it is needed, by HMAC-SHA-256 over these $data_length bytes,
which name the base date, the cipher, the tariff index, the supply group, the type and the revision of
the key, and the meter:

```
$data_block
```

The first sixteen bytes of the result are the decoder key. The factory has put the same sixteen into the
meter, and its check value is $check_value: two people may compare that without showing each other the
key.

## Encryption
MISTY1 turns the block `$block` under that key into `$cipher`. Each bit of the one depends on all of the
other and of the key.

## Twenty digits
Two class bits are left over, and the meter must be able to read them before it decrypts. They take the
places 28 and 27, and what stood there moves to the very top, which makes 66 bits:

```
$sent_names
$sent_bits
```

As a decimal number of twenty digits this is **$token**. It is what the receipt shows, and 66 bits are
the most that twenty digits hold.

## On the keypad
The meter does it all backwards. It refuses a number of 2**66 or more, puts the displaced bits back, sees
class 0, decrypts, and computes the checksum again. Suppose that a finger slipped, and the digits were
$slipped. Then the decrypted block is `$slipped_block`: nothing of the credit is left. Its last field
says $slipped_found where $slipped_expected belongs, and the meter answers $slipped_result. A wrong
number passes by accident once in 65 536 tries; that is why meters make a person wait after several wrong
ones.

The right digits decrypt to the block above. Then the meter asks what no token can say by itself: may
this type of key carry credit, has the key expired, is the identifier older than all that are remembered,
has it been used? If nothing stands against it, credit and identifier are written to memory together,
then the display says so, and then the switch closes.

Whoever types the digits again is told that they have been used. They have lived.

## See it
Write the key and its attributes into a file, and let the program draw what this page has told:

```
cat > nobodys-key.json <<'END'
$key_file
END
chmod 600 nobodys-key.json
joy311 token explain "$token" --key-file nobodys-key.json
```

The same picture in colour is on the workbench, under *Token inspector*.
""")

TOKENS = Template("""\
$note
# Tokens

All layouts of `joy311.sts.LAYOUTS`, the table that encoder, decoder and this page share. A token has 66
bits: two of class and a block of 64. The block begins with four bits of subclass and ends with sixteen
of checksum; between them lie the 44 bits shown here, from left to right. Blocks of class 0 and 2 are
encrypted under the meter's key, those of class 1 are not.

$overview
$layouts
## Amounts
Credit and limits have sixteen bits, two of exponent and fourteen of mantissa. What lies between two
values is rounded up.

| exponent | first value | step | last value |
| --- | --- | --- | --- |
$bands

A currency credit has a sign, five bits of exponent and fourteen of mantissa, over bands that go on in
the same way, in units of 0.00001. Its rounding is up too: towards zero where the amount is negative.

## Tests
Bit n-1 of the control asks for test n; all bits together ask for all tests.

| test | asks for | token, 36 bits of control | token, 28 bits of control |
| --- | --- | --- | --- |
$tests

## Results
| value | name |
| --- | --- |
$results
""")

DISPLAY = Template("""\
$note
# Display, lights and sounds

Eight digits, two index digits and $icons icons on $glass. What to press is told in
[Use the keypad](../how-to/use-the-keypad.md).

## What comes first
1. The entry: the last eight digits typed, a point behind every fourth, their count in the index digits.
2. What was asked for: the result of a token, then what follows from it; an item that a key, a short
   code or a token asked for.
3. A lock-out: `Loc` and the minutes and seconds until tokens are taken again, with the lock.
4. Notices, $notice_s s each, between two rounds $home_s s of the item of rest: faults (index `FA`), why
   the supply is off (`OF`), tamper (`tA`).
5. The automatic scroll, $scroll_s s an item, once no key was pressed for $scroll_after_s s: $scrolled.
6. The item of rest: the credit, in post-payment the total energy.

After the supply returns every segment and icon is lit for $segment_s s. A result stays $result_s s, an
item that was asked for $item_s s; where an item has several pages, they take turns. A key lights the display
from behind for $backlight_s s.

## Items
The index digits show the number. *Enter* marks what the Enter key pages through, *test* the class 1 meter
test that asks for it. The short codes stand in [Short codes](short-codes.md). Between 50 and 99 stand the
other slots of token identifiers.

| index | item | unit | looks like | Enter | test |
| --- | --- | --- | --- | --- | --- |
$items

## Results of a token
The index digits show the number, the eight digits the text of the profile that the configuration names.

| number | result | in words | in numbers |
| --- | --- | --- | --- |
$results

In words, a wrong format says which: `LEn 19` for nineteen digits, `LEttEr` for something that is no digit.
An accepted credit is followed by the amount (index 04) and the new credit (index 01). A section of a key
change shows $staged, and then `nEEd` with the numbers of the sections that are
missing.

## Credit light
| credit | light | icons |
| --- | --- | --- |
$lights

At the second level and below, the buzzer reminds every $reminder_min minutes. Any key silences it for
$muted_h hours; then it returns, or at once when the credit gets worse.

The pulse light flashes once a watt-hour, the communication light blinks after a token came through a port.

## Sounds
| occasion | tones |
| --- | --- |
$sounds

## Icons
$icon_names.
""")

SHORT_CODES = Template("""\
$note
# Short codes

One to $longest digits and Enter. A short code shows an item of [the display](display.md) or does what any
customer may do; it never changes the payment mode, a limit or a key. A code that the meter does not know is
answered like a token of the wrong length. Both profiles below are in use unless the configuration says
otherwise. Codes 902 to 949 and 302 to 349 show the slots of token identifiers between the first and the last.

## Profile 800
$codes_800

## Profile 000
$codes_000

## A table of your own
A TOML or JSON file replaces the profiles. `items` gives a code the number of an item, `functions` one of
$functions.

```toml
name = "riverside"

[items]
1 = 1
2 = 2

[functions]
99 = "mute alarm"
```
""")

EVENT_PAGE = Template("""\
$note
# Events of the meter

What the meter writes into its log, from the one table `joy311.meter.event_log.EventCode`. A number never
changes its meaning.

An entry takes $entry_bytes bytes: its number in the log, the time by the meter's clock, the event, the phase
(0 for the whole meter), a value, and a checksum. Each event is also counted, with the time of the last.

What comes again within $repeat_min minutes on the same phase is counted and not logged again; when the
interval is over, its last time is logged. So a sensor that chatters writes two entries in that time at most,
and the log still ends in what is true. Events marked *always* are logged each time, for something else
bounds them. Of refused tokens the result counts as part of the event.

The value is the reasons to be open where the switch moved, the bits of the conditions that were cleared, mV,
mA or W where a limit tripped, the number of a fault, and 1 where a cover was opened without supply.

| number | event | name | ends | count and last time | status | |
| --- | --- | --- | --- | --- | --- | --- |
$events
""")

FAULT_PAGE = Template("""\
$note
# Faults of the meter

What the meter finds wrong with itself, from the one table `joy311.meter.faults.Fault`. The display shows the
code, the error register F.F has the bit, and the log the beginning and the end. F.F is eight hexadecimal
digits; 00000000 is good.

| display | F.F | fault | supply | tokens | in the log |
| --- | --- | --- | --- | --- | --- |
$faults

## What the meter does
$behaviours

A fault that is mended as soon as it is found stays on the display for a while, so that somebody sees it:
$held.
""")

CONFIGURATION_PAGE = Template("""\
$note
# Configuration

Everything about a meter that a utility may choose, as one document of sections, names and values: TOML
in a file, JSON in the meter's memory, at most $most_bytes bytes of it. What a document leaves out keeps
its default. A name that does not exist, and a value of another type or outside its range, is refused
with a message that names it, and nothing changes. A configuration that was written rules from the
meter's next start on.

An enumeration is written by its name in small letters, a set as a list. What tokens and the port change
while the meter is in use - payment mode, levels, limits - are no part of it; they stand in the record,
beside the credit.

The nominal voltage of `supply` and `phases` follows that of `variant`. Some values belong to no section.
`short_codes` is a table as [Short codes](short-codes.md) describes it, and without one both profiles are
understood. $told

| name | default |
| --- | --- |
$single

$sections
""")

SUPPLY_PAGE = Template("""\
$note
# Supply: limits, load switch, wiring and tamper

## Why the switch is open
Reasons are a set, and the switch is closed only while the set is empty.

| bit | reason | display |
| --- | --- | --- |
$reasons

Opening never waits. A closing waits until the contact interval since the last operation is over, after a
power cut too. The load-switch test of a class 1 token opens a closed switch for a moment; it never closes
one while a reason stands, and it changes none.

## Tamper conditions
| bit | condition | display | events |
| --- | --- | --- | --- |
$tampers

A condition is latched until a token clears it; one whose cause is still there is latched again at once.

## No load and starting
A phase meters once its current and its power exceed $creep of the starting values. The starting current is
$permil thousandths of the base current: $starting.

## Parameters
Every one of them is part of the configuration.

### Limits
$limits

### Load switch
$switch

### Tamper
$tamper

### Significant reverse energy
$reverse

### Wiring
$wiring
""")


LINK = Template("""\
$note
# The link between meter and CIU

The tables of `joy311.link`, which both ends and this page share. The CIU asks, the meter answers; one
exchange at a time. Frames are those of DL/T 645-2007, so a master that was not made for this meter reads
the public identifiers over two wires.

## Frame
| bytes | holds |
| --- | --- |
| up to 4 | `FE`, to wake the receiver |
| 1 | `68` |
| 6 | address: two decimals a byte, least significant first |
| 1 | `68` |
| 1 | control: function in the low five bits, bit 7 for a reply, bit 6 for a failure |
| 1 | length of the data, at most $most_data |
| ... | data, each byte plus `33` |
| 1 | sum of all bytes from the first `68`, modulo 256 |
| 1 | `16` |

The address is the last twelve digits of the meter's number; `AA` in all six bytes asks the only meter on a
line for its own.

## Media
| | $media_names |
| --- | $media_rule |
$media

## Public identifiers
Functions `11` (read) and `13` (read address). Where a sign is kept, it is the highest bit. Energy to and
from the supply together is what debits credit. Identifiers that end in `FF00` give all of a group, one
behind the other: $blocks. The address and the number of the meter stand under $addresses.

| identifier | value | unit | bytes | decimals | sign |
| --- | --- | --- | --- | --- | --- |
$public

## Private identifiers
Every request and every reply ends with a CRC-16/X-25 over address, control byte and data: an eight-bit sum
lets one damaged frame in 256 pass. What is damaged is not answered at all, so it never reaches the meter's
lock-out.

A write carries a sequence: the number of a session, which the CIU draws at random at every start, and a
counter. The meter keeps the last sequence of a token and its result in the record that holds the credit.
The same sequence again is answered from there and not judged; one that is older is refused (result $stale);
any other is new.
$messages
## Container of the power line
Frames cross the power line in a container: preamble `$preamble`, a sync word of $sync_bits bits of which
$tolerance may be wrong, then one Reed-Solomon codeword over GF(256). The sync word says how long it is, so
the header stands inside the code. Inside are: length (1), network (4, the number of the CIU), the frame,
CRC-16/X-25 (2), zeros, parity. Bits that stand $stride apart on the line are neighbours in the codeword,
because that is a half period of the mains at 2400 bits a second.

| sync word | data | parity | bytes that may be wrong | longest frame | on the line |
| --- | --- | --- | --- | --- | --- |
$sizes

## The CIU
| keys | what they do |
| --- | --- |
| twenty digits | go to the meter as a token at once |
| up to $short_digits digits, Enter | go to the meter as a short code; Enter alone pages through its display |
| `$pairing` and the meter's number, Enter | pairs; a number of zeros ends the pairing |
| `$first_level`, up to $level_digits digits of kWh, Enter | sets the first level of the CIU's own warning |
| `$second_level`, up to $level_digits digits of kWh, Enter | sets the second |
| Backspace | takes a digit back; twice at once clears the entry |

| text | when |
| --- | --- |
$texts

## The meter
A meter expects a CIU if it is split, if it is paired, or once it has heard one. A CIU that said that it lives
on its battery, or whose socket is dead behind the open load switch, may be silent. Pairing is open for
$pairing_minutes minutes after a meter without a CIU was switched on, or an installer opened it, until a CIU
has paired.

| the CIU | communication light | fault |
| --- | --- | --- |
$ciu_links
""")


def _link() -> str:
    media = list(MEDIA.values())
    rows: list[tuple[str, list[str]]] = [
        ("bits a second", [str(medium.baud) for medium in media]),
        ("bits of a byte on the line", [str(medium.bits_per_byte) for medium in media]),
        ("silence before a reply", [_milliseconds(medium.turnaround_ns) for medium in media]),
        ("waiting beyond request and reply", [_milliseconds(medium.slack_ns) for medium in media]),
        ("silence that breaks a frame off", [_milliseconds(medium.byte_gap_ns) for medium in media]),
        ("tries", [str(medium.tries) for medium in media]),
        ("wait before another try", [" to ".join(map(_milliseconds, medium.backoff_ns)) for medium in media]),
        ("coded container", ["yes" if medium.in_container else "no" for medium in media]),
        ("only paired CIUs", ["yes" if medium.needs_pairing else "no" for medium in media]),
        ("poll of an idle CIU every", [_milliseconds(medium.poll_ns) for medium in media]),
        ("link lost after", [_milliseconds(medium.loss_ns) for medium in media]),
    ]
    return LINK.substitute(
        note=NOTE,
        most_data=MOST_DATA,
        media_names=" | ".join(medium.name for medium in media),
        media_rule=" | ".join("---" for _ in media),
        media="\n".join(f"| {name} | {' | '.join(values)} |" for name, values in rows),
        blocks=", ".join(f"`{identifier:08X}`" for identifier in BLOCKS),
        addresses=" and ".join(f"`{identifier:08X}`" for identifier in ADDRESS_IDENTIFIERS),
        public="\n".join(
            f"| `{datum.identifier:08X}` | {datum.name} | {datum.unit} | {datum.size} | {datum.decimals} |"
            f" {'yes' if datum.signed else 'no'} |"
            for datum in PUBLIC_DATA.values()
        ),
        stale=STALE,
        messages="".join(_message(layout) for layout in LINK_LAYOUTS.values()),
        preamble=PREAMBLE.hex(" ").upper(),
        sync_bits=SYNC_BITS,
        tolerance=SYNC_TOLERANCE,
        stride=STRIDE,
        sizes="\n".join(
            f"| `{size.sync:08X}` | {size.data} | {size.parity} | {size.parity // 2} | {size.payload} |"
            f" {size.on_line} |"
            for size in SIZES
        ),
        short_digits=MOST_SHORT_CODE_DIGITS,
        pairing=PAIRING_CODE,
        first_level=LEVEL_CODES[0],
        second_level=LEVEL_CODES[1],
        level_digits=LEVEL_DIGITS,
        texts="\n".join(f"| `{text}` | {when} |" for when, text in TEXTS.items()),
        pairing_minutes=PAIRING_NS // MINUTE_NS,
        ciu_links="\n".join(
            f"| {link.value} | {light.value} | {Fault.CIU_LINK.text if link in LINK_FAULTS else 'none'} |"
            for link, light in LINK_LIGHT.items()
        ),
    )


def _milliseconds(duration_ns: int) -> str:
    return f"{duration_ns // MILLISECOND_NS} ms"


def _message(layout: MessageLayout) -> str:
    def row(way: str, field: MessageField) -> str:
        return f"| {way} | {field.name} | {field.size} | {field.kind} | {field.meaning} |"

    rows = [row("request", field) for field in layout.request] + [
        row("reply", field) for field in layout.reply
    ]
    return "\n".join(
        [
            "",
            f"### {layout.message.capitalize()}: `{layout.identifier:08X}`, function `{layout.function:02X}`",
            f"A request of {layout.request_bytes()} bytes, a reply of {layout.reply_bytes()}.",
            "",
            "| way | field | bytes | kind | meaning |",
            "| --- | --- | --- | --- | --- |",
            *rows,
            "",
        ]
    )


REGISTERS_PAGE = Template("""\
$note
# Registers of the local port

The table `joy311.iec62056.REGISTERS`, which the meter, the reader and this page share. How to reach it
stands under [the local port](local-port.md).

A code is asked for as `1.8.0`, `1-0:1.8.0` or `1-0:1.8.0*255`; `1.8.0*01` is the value at the end of the
last billing period. *Shown* registers are in the read-out. Levels: $levels.

$groups
## Errors
| text | name | means |
| --- | --- | --- |
$errors

## Status
Of an interval of the load profile, and the lower half of that of an entry in the log-book.

| bit | means |
| --- | --- |
$status

## Times
All of these are read, one of each kind is written. A leading `s` is the season: 0 for normal time, which the
meter keeps all year, 1 for summer time, 2 for UTC.

| kind | formats |
| --- | --- |
$times

## Speeds
| Bd | character in mode C | character in mode B |
| --- | --- | --- |
$speeds

## The session
What a meter does with what it hears; where a cell is empty it stays silent.

| heard | $states |
| --- | $rule |
$transitions
""")


def pages() -> dict[Path, str]:
    """Return the text of every page that this program writes, by its path."""
    return {
        DOCS / "explanation" / "the-life-of-a-token.md": _life(),
        DOCS / "reference" / "tokens.md": _tokens(),
        DOCS / "reference" / "registers.md": _registers(),
        DOCS / "reference" / "link.md": _link(),
        DOCS / "reference" / "display.md": _display(),
        DOCS / "reference" / "short-codes.md": _short_codes(),
        DOCS / "reference" / "meter-events.md": _events(),
        DOCS / "reference" / "faults.md": _faults(),
        DOCS / "reference" / "supply.md": _supply(),
        DOCS / "reference" / "configuration.md": _configuration(),
    }


def _registers() -> str:
    sections = []
    for group in Group:
        rows = [
            f"| `{register.code}` | {register.title} | {_form(register)} |"
            f" {'yes' if register.in_readout else ''} | {int(register.read)} |"
            f" {'' if register.write is None else int(register.write)} |"
            for register in REGISTERS.values()
            if register.group is group
        ]
        heading = "| code | register | form | shown | read | write |\n| --- | --- | --- | --- | --- | --- |"
        sections.append("\n".join([f"## {group.value}", heading, *rows, ""]))
    kinds = {"time of day": CLOCK_FORMATS, "date": DATE_FORMATS, "time stamp": STAMP_FORMATS}
    return REGISTERS_PAGE.substitute(
        note=NOTE,
        levels=", ".join(f"{int(level)} {level.name.lower()}" for level in Level),
        groups="\n".join(sections),
        errors="\n".join(f"| `{error.text}` | {error.name} | {error.meaning} |" for error in PortError),
        status="\n".join(
            f"| {int(bit):04X} | {str(bit.name).lower().replace('_', ' ')} |" for bit in IntervalStatus
        ),
        times="\n".join(
            f"| {kind} | {', '.join(f'`{form.value}`' for form in forms)} |" for kind, forms in kinds.items()
        ),
        speeds="\n".join(f"| {speed.bd} | {speed.negotiated} | {speed.announced} |" for speed in Speed),
        states=" | ".join(state.value for state in State),
        rule=" | ".join("---" for _ in State),
        transitions="\n".join(
            f"| {heard.value} | {' | '.join(_step(state, heard) for state in State)} |" for heard in Heard
        ),
    )


def _step(state: State, heard: Heard) -> str:
    step = TRANSITIONS.get((state, heard))
    return step.value if step is not None else ""


def _form(register: Register) -> str:
    match register.form:
        case Number() as number:
            return _number_form(number)
        case PeakOf(number):
            return f"{_number_form(number)} and a time stamp"
        case Text(longest):
            return f"text, at most {longest} characters"
        case Hexadecimal(digits):
            return f"{digits} hexadecimal digits"
        case Special() as special:
            return special.value


def _number_form(number: Number) -> str:
    zeros = "0" * number.digits + ("." + "0" * number.decimals if number.decimals else "")
    return f"`{zeros}*{number.unit}`" if number.unit else f"`{zeros}`"


def _life() -> str:
    key = derive_decoder_key(VENDING_KEY, ATTRIBUTES)
    credit = TransferCredit(0, CHANCE, token_id_at(ISSUED, ATTRIBUTES.base_date), WANTED_UNITS)
    token = encode(credit, key)
    _, cipher = extract_class(token)
    block = key.decrypt(cipher)
    amount = encode_amount(WANTED_UNITS)
    exponent = amount >> MANTISSA_BITS
    explanation = explain(token.digits, key)
    sent_names, sent_bits = _drawn(explanation.maps[0])
    plain_names, plain_bits = _drawn(explanation.maps[2])
    slipped = Token20.parse(token.digits[:9] + str((int(token.digits[9]) + 1) % 10) + token.digits[10:])
    slipped_class, slipped_cipher = extract_class(slipped)
    slipped_block = key.decrypt(slipped_cipher)
    verdict = decode(slipped, key)
    assert isinstance(verdict, Undecodable)
    currency = slipped_class == 0 and slipped_block >> SUBCLASS_SHIFT in CURRENCY_SUBCLASSES
    expected = block_crc(slipped_class, slipped_block, currency=currency)
    key_file = (
        f'{{"vending_key": "{VENDING_KEY.to_bytes().hex().upper()}",',
        f' "meter_pan": "{ATTRIBUTES.meter_pan}", "key_type": {int(ATTRIBUTES.key_type)},',
        f' "supply_group_code": "{ATTRIBUTES.supply_group_code}",',
        f' "tariff_index": "{ATTRIBUTES.tariff_index}", "key_revision": {ATTRIBUTES.key_revision},',
        f' "base_date": {int(ATTRIBUTES.base_date)},',
        f' "ea": {int(ATTRIBUTES.encryption_algorithm)}, "dkga": {int(ATTRIBUTES.key_derivation)}}}',
    )
    data = data_block(ATTRIBUTES)
    octets = data.hex(" ").upper().split(" ")
    return LIFE.substitute(
        note=NOTE,
        wanted=decimal(WANTED_UNITS, 1),
        wanted_units=WANTED_UNITS,
        drn=ATTRIBUTES.meter_pan.drn,
        issued_text=f"{to_datetime(ISSUED):%Y-%m-%d at %H:%M}",
        largest=decimal(LARGEST_AMOUNT, 1),
        bands=_bands(),
        exponent=exponent,
        offset=OFFSETS[exponent],
        step=STEPS[exponent],
        mantissa=amount & LARGEST_MANTISSA,
        carried=decimal(carried_amount(WANTED_UNITS), 1),
        amount_bits=f"{exponent:02b} {amount & LARGEST_MANTISSA:014b}",
        amount_hex=f"{amount:04X}h",
        base_date=int(ATTRIBUTES.base_date),
        token_id=credit.token_id,
        token_id_hex=f"{credit.token_id:06X}h",
        chance_bits=f"{CHANCE:04b}",
        plain_names=plain_names,
        # The last field is still open at that point of the story.
        plain_bits=plain_bits[:-16] + "." * 16,
        covered=(block >> 16).to_bytes(7, "big").hex(" ").upper(),
        crc=f"{block & 0xFFFF:04X}",
        block=f"{block:016X}",
        group=ATTRIBUTES.supply_group_code,
        data_length=len(data),
        data_block="\n".join(" ".join(octets[start : start + 16]) for start in range(0, len(octets), 16)),
        check_value=key.key_check_value(),
        cipher=f"{cipher:016X}",
        sent_names=sent_names,
        sent_bits=sent_bits,
        token=token.grouped(),
        slipped=slipped.grouped(),
        slipped_block=f"{slipped_block:016X}",
        slipped_found=f"{slipped_block & 0xFFFF:04X}",
        slipped_expected=f"{expected:04X}",
        slipped_result=verdict.result.standard_name,
        key_file="\n".join(key_file),
    )


def _drawn(bit_map: BitMap) -> tuple[str, str]:
    names = " ".join(field.short_name[: field.bits].ljust(field.bits) for field in bit_map.fields)
    return names.rstrip(), " ".join(field.digits for field in bit_map.fields)


def _bands() -> str:
    return "\n".join(
        f"| {exponent} | {offset} | {STEPS[exponent]} | {offset + LARGEST_MANTISSA * STEPS[exponent]} |"
        for exponent, offset in enumerate(OFFSETS)
    )


def _tokens() -> str:
    sections = []
    for token_class, name in enumerate(CLASS_NAMES[:3]):
        layouts = [layout for layout in LAYOUTS if layout.token_class == token_class]
        sections.append(f"## Class {token_class}: {name}\n")
        seen: dict[tuple[object, ...], list[Layout]] = {}
        for layout in layouts:
            seen.setdefault((layout.token, layout.fields, layout.key_bits), []).append(layout)
        sections += [_layout(alike) for alike in seen.values()]
    tests = {0: "all tests"} | METER_TESTS
    return TOKENS.substitute(
        note=NOTE,
        overview=_overview(),
        layouts="\n".join(sections),
        bands=_bands(),
        tests="\n".join(
            f"| {number} | {name} | {encode(meter_test(number, control_bits=36), None).grouped()} |"
            f" {encode(meter_test(number, control_bits=28), None).grouped()} |"
            for number, name in tests.items()
        ),
        results="\n".join(f"| {int(result)} | {result.standard_name} |" for result in TokenResult),
    )


def _overview() -> str:
    rows = [
        f"| {layout.token_class} | {layout.subclass} | {layout.title} | `{layout.token}` | {_keys(layout)} |"
        for layout in LAYOUTS
    ]
    heading = (
        "| class | subclass | does | class of `joy311.sts` | meter's key |\n| --- | --- | --- | --- | --- |"
    )
    return "\n".join([heading, *rows, ""])


def _keys(layout: Layout) -> str:
    if not layout.encrypted:
        return "none"
    return "64 or 128 bits" if layout.key_bits is None else f"{layout.key_bits} bits"


def _layout(alike: list[Layout]) -> str:
    first = alike[0]
    subclasses = ", ".join(str(layout.subclass) for layout in alike)
    titles = ", ".join(dict.fromkeys(layout.title for layout in alike))
    only = f" (keys of {first.key_bits} bits)" if first.key_bits is not None else ""
    plural = "es" if len(alike) > 1 else ""
    rows = [
        f"| {_span(shift, part.bits)} | {part.name} | {part.bits} |"
        f" {'any' if part.secret else limits(part)} | {part.meaning} |"
        for part, shift in zip(first.fields, first.shifts, strict=True)
    ]
    checksum = "CRC_C, over one more byte of 01" if first.currency else "CRC"
    return "\n".join(
        [
            f"### Subclass{plural} {subclasses}: `{first.token}`{only}",
            f"{titles[0].upper()}{titles[1:]}. Checksum: {checksum}.",
            "",
            "| bits | field | width | values | meaning |",
            "| --- | --- | --- | --- | --- |",
            *rows,
            "",
        ]
    )


def _span(lowest: int, bits: int) -> str:
    return f"{lowest + bits - 1}-{lowest}" if bits > 1 else str(lowest)


EXAMPLE_FIGURES = WrittenFigures(
    credit_wh=48_270,
    emergency_wh=5_000,
    last_units=191,
    total_wh=1_234_560,
    imported_wh=(401_200, 411_300, 422_060),
    month_wh=88_410,
    past_month_wh=(210_300, 198_750, 205_010, 189_900, 230_120, 215_640),
    power_w=2_315,
    phase_power_w=(800, 715, 800),
    voltage_mv=(229_800, 231_200, 230_400),
    current_ma=(3_520, 3_130, 3_480),
    power_factor_permil=(989, 988, 998),
    frequency_mhz=49_990,
    power_limit_w=12_000,
    drn=ATTRIBUTES.meter_pan.drn,
    supply_group_code=ATTRIBUTES.supply_group_code,
    last_token_id=546_355,
    token_ids=(0,) * 47 + (540_011, 543_000, 546_355),
    last_result=TokenResult.ACCEPT,
    tokens_accepted=3,
    tokens_refused=1,
    clock=(2026, 3, 1, 13, 55, 7),
    switch_operations=4,
    power_failures=2,
    software_version="1.0.0",
)


def _display() -> str:
    parameters = DisplayParameters()
    warning = CreditWarningParameters()
    return DISPLAY.substitute(
        note=NOTE,
        icons=len(Icon),
        glass="a glass of 87 mm x 34 mm",
        notice_s=NOTICE_NS // SECOND_NS,
        home_s=HOME_NS // SECOND_NS,
        scroll_s=parameters.scroll_s,
        scroll_after_s=parameters.scroll_after_s,
        scrolled=", ".join(ITEMS[number].title for number in parameters.scrolled_items),
        segment_s=_seconds(SEGMENT_TEST_NS),
        result_s=_seconds(RESULT_NS),
        item_s=_seconds(ITEM_NS),
        backlight_s=parameters.backlight_s,
        items="\n".join(
            f"| {item.number:02d} | {item.title} | {_unit(item)} | {_looks(item)} |"
            f" {'yes' if item.paged else ''} | {'' if item.meter_test is None else item.meter_test} |"
            for item in _told_apart()
        ),
        results="\n".join(
            f"| {int(result)} | {result.standard_name} | `{result_text(result, None, 20)}` |"
            f" `{result_text(result, None, 20, ResultProfile.NUMERIC)}` |"
            for result in TokenResult
        ),
        staged=", ".join(f"`{text}`" for text in STAGED_TEXT.values()),
        lights="\n".join(
            f"| {state.name.lower().replace('_', ' ')} | {light.value} |"
            f" {', '.join(sorted(icon.value for icon in CREDIT_ICONS[state])) or '-'} |"
            for state, light in CREDIT_LIGHT.items()
        ),
        reminder_min=warning.reminder_s // 60,
        muted_h=warning.muted_s // 3600,
        sounds="\n".join(
            f"| {sound.value} | {', '.join(f'{tone.frequency_hz} Hz {tone.on_ms} ms' for tone in tones)} |"
            for sound, tones in SOUND_PATTERNS.items()
        ),
        icon_names=", ".join(icon.value for icon in Icon),
    )


def _seconds(span_ns: int) -> str:
    return decimal(span_ns // (100 * MILLISECOND_NS), 1).removesuffix(".0")


def _told_apart() -> list[ShownItem]:
    """Return the items without the slots of token identifiers after the first and the last."""
    slots = [item for item in ITEMS.values() if item.title.startswith("identifier in slot")]
    return [item for item in ITEMS.values() if item not in slots[1:-1]]


def _unit(item: ShownItem) -> str:
    return "".join(icon.value for icon in item.icons & UNITS) or "-"


def _looks(item: ShownItem) -> str:
    return ", ".join(f"`{page}`" for page in item.pages(EXAMPLE_FIGURES, NoticeTexts()))


def _short_codes() -> str:
    return SHORT_CODES.substitute(
        note=NOTE,
        longest=LONGEST_CODE,
        codes_800=_codes(CODES_800),
        codes_000=_codes(CODES_000),
        functions=", ".join(f'`"{function}"`' for function in ShortFunction),
    )


def _codes(table: ShortCodeTable) -> str:
    told = {item.number for item in _told_apart()}
    rows = []
    for code, meaning in sorted(table.meanings.items()):
        if isinstance(meaning, ShortFunction):
            rows.append(f"| {code} | does | {meaning.value} |")
        elif meaning in told:
            rows.append(f"| {code} | item {meaning:02d} | {ITEMS[meaning].title} |")
    return "\n".join(["| code | | |", "| --- | --- | --- |", *rows])


def _events() -> str:
    return EVENT_PAGE.substitute(
        note=NOTE,
        entry_bytes=ENTRY_BYTES,
        repeat_min=REPEAT_NS // (60 * SECOND_NS),
        events="\n".join(
            f"| {event.value} | {event.title} | `{event.name}` | {event.ends or ''} |"
            f" {_two(event.register)} | {f'{event.status:04X}' if event.status else ''} |"
            f" {'always' if event.always else ''} |"
            for event in EVENTS
        ),
    )


def _two(register: str) -> str:
    head, _, last = register.rpartition(".")
    return f"{register}, {head}.{int(last) + 1}" if register else ""


def _faults() -> str:
    return FAULT_PAGE.substitute(
        note=NOTE,
        faults="\n".join(
            f"| `{fault.text}` | {fault.bit:08X} | {fault.title} | {'opens' if fault.opens else 'as it is'} |"
            f" {'NotReady' if fault.refuses_tokens else 'taken'} | {fault.begin.value}, {fault.end.value} |"
            for fault in FAULTS
        ),
        behaviours="\n\n".join(f"**`{fault.text}`, {fault.title}.** {fault.behaviour}" for fault in FAULTS),
        held=", ".join(f"`{fault.text}` for {fault.hold_s // 3600} h" for fault in FAULTS if fault.hold_s),
    )


def _supply() -> str:
    return SUPPLY_PAGE.substitute(
        note=NOTE,
        reasons="\n".join(
            f"| {reason.value} | {text.title} | `{text.text}` |" for reason, text in REASON_TEXTS.items()
        ),
        tampers="\n".join(
            f"| {kind.value} | {text.title} | `{text.text}` | {text.begin.value}, {text.end.value} |"
            for kind, text in TAMPER_TEXTS.items()
        ),
        creep=f"{CREEP_FRACTION:.0%}".replace("%", " %"),
        permil=STARTING_CURRENT_PERMIL,
        starting=" and ".join(f"{base_a * STARTING_CURRENT_PERMIL} mA for {base_a} A" for base_a in (5, 10)),
        limits=_parameters(SupplyLimitParameters),
        switch=_parameters(LoadSwitchParameters),
        tamper=_parameters(TamperParameters),
        reverse=_parameters(ReverseEnergyParameters),
        wiring=_parameters(PhaseParameters),
    )


def _configuration() -> str:
    default = Configuration()
    sections, single = [], []
    for part in fields(Configuration):
        value = getattr(default, part.name)
        if is_dataclass(value):
            kind = type(value)
            title = (getdoc(kind) or "").partition("\n")[0]
            sections.append(f"## {part.name}\n{title}\n\n{_parameters(kind, value)}")
        else:
            single.append(f"| `{part.name}` | {'none' if value is None else _default(value)} |")
    return CONFIGURATION_PAGE.substitute(
        note=NOTE,
        most_bytes=MOST_BYTES,
        told=" ".join((getdoc(Configuration) or "").partition("\n\n")[2].split()),
        single="\n".join(single),
        sections="\n\n".join(sections).replace("``", "`"),
    )


def _parameters(kind: type, default: object | None = None) -> str:
    """Return the parameters of a dataclass with their defaults and what its documentation says of them."""
    section = (getdoc(kind) or "").partition("----------\n")[2].partition("\nRaises")[0]
    told: dict[str, str] = {}
    for names, text in re.findall(r"(?m)^([a-z0-9_, ]+) : .*\n((?:    .*\n?)+)", section):
        for name in names.split(", "):
            told[name] = " ".join(text.split())
    default = default or kind()
    rows = [
        f"| `{part.name}` | {_default(getattr(default, part.name))} | {told[part.name]} |"
        for part in fields(kind)
    ]
    return "\n".join(["| name | default | meaning |", "| --- | --- | --- |", *rows])


def _default(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(map(_default, value)) or "none"
    return value.name.lower() if isinstance(value, Enum) else str(value)


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")

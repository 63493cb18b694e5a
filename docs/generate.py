"""Write the pages that say what the code knows better: ``python docs/generate.py``.

A test compares the pages with what this program makes, so a page that has fallen behind is found.
"""

from __future__ import annotations

from pathlib import Path
from string import Template

from joy311.instant import from_iso, to_datetime
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


def pages() -> dict[Path, str]:
    """Return the text of every page that this program writes, by its path."""
    return {
        DOCS / "explanation" / "the-life-of-a-token.md": _life(),
        DOCS / "reference" / "tokens.md": _tokens(),
    }


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


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joy311.errors import InvalidInput
from joy311.instant import to_iso
from joy311.sts import (
    LAYOUTS,
    BaseDate,
    DecoderKey,
    EncryptionAlgorithm,
    InitiateMeterTest,
    Layout,
    SetExtendedControl,
    SetMaximumPowerLimit,
    Token20,
    TokenFormatError,
    TokenResult,
    TransferCredit,
    TransferCurrencyCredit,
    Undecodable,
    decode,
    encode,
    is_in_range,
    sta_sample,
)
from joy311.sts.carrier import LARGEST_TOKEN, extract_class, insert_class
from joy311.sts.crc import block_crc
from joy311.sts.explanation import BitMap, Explanation, Stage, decimal, explain
from joy311.sts.remedies import SLIPS_TRIED, RemedyKind, slips

STA_KEY = DecoderKey.from_bytes(bytes.fromhex("E653341F9D5BF36F"), EncryptionAlgorithm.STA)
MISTY1_KEY = DecoderKey.from_bytes(
    bytes.fromhex("929BD3A415C9420A05EC5EE9F3CE91C3"), EncryptionAlgorithm.MISTY1
)
KEYS = {64: STA_KEY, 128: MISTY1_KEY}
PUBLISHED = "2371 6100 5011 8319 4197"
CREDIT = TransferCredit(service=0, random=5, token_id=5871715, units=1)


def joined(bit_map: BitMap) -> str:
    return "".join(field.digits for field in bit_map.fields)


def by_name(explanation: Explanation) -> dict[str, int | None]:
    return {field.name: field.value for field in explanation.maps[-1].fields}


def sealed(layout: Layout, values: tuple[int, ...], key_bits: int) -> Token20:
    """Return a token with any values and a good checksum."""
    block = layout.subclass << 60
    for shift, value in zip(layout.shifts, values, strict=True):
        block |= value << shift
    block |= block_crc(layout.token_class, block, currency=layout.currency)
    return insert_class(layout.token_class, KEYS[key_bits].encrypt(block) if layout.encrypted else block)


def resealed(token: Token20, key: DecoderKey, *, crc: int | None = None, encrypt: bool = True) -> str:
    """Return `token` with another checksum, or left in the clear."""
    token_class, block = extract_class(token)
    plain = key.decrypt(block)
    if crc is not None:
        plain = plain >> 16 << 16 | crc
    return insert_class(token_class, key.encrypt(plain) if encrypt else plain).digits


def test_the_published_credit_token_bit_by_bit() -> None:
    explanation = explain(PUBLISHED, STA_KEY)
    assert [bit_map.stage for bit_map in explanation.maps] == [*Stage]
    transmitted, transposed, plain = explanation.maps
    assert int(joined(transmitted), 2) == 0x1492083C0A67CE455
    assert int(joined(transposed), 2) == 0x492083C0AE7CE455
    assert int(joined(plain), 2) == 0x05599863000119E6
    assert [(field.name, field.high, field.bits, field.value) for field in plain.fields] == [
        ("class", 65, 2, 0),
        ("subclass", 63, 4, 0),
        ("random", 59, 4, 5),
        ("token_id", 55, 24, 5871715),
        ("amount", 31, 16, 1),
        ("crc", 15, 16, 0x19E6),
    ]
    assert explanation.failure is None
    assert explanation.title == "credit of electricity"
    assert explanation.opened_with is EncryptionAlgorithm.STA
    assert explanation.token_id is not None
    assert {base_date: to_iso(at) for base_date, at in explanation.token_id.instants} == {
        BaseDate.BDT_1993: "2004-03-01T13:55:00Z",
        BaseDate.BDT_2014: "2025-03-01T13:55:00Z",
        BaseDate.BDT_2035: "2046-03-01T13:55:00Z",
    }
    assert explanation.token_id.least_key_expiry == 0x59
    assert explanation.amount is not None
    assert explanation.amount.text == "0.1 kWh"


@pytest.mark.parametrize("key_bits", [64, 128])
def test_every_layout_is_laid_open_as_the_table_says(key_bits: int) -> None:
    chance = random.Random(f"layouts {key_bits}")
    for layout in LAYOUTS:
        if layout.key_bits not in (None, key_bits):
            continue
        values = tuple(
            chance.choice(chance.choice(part.allowed or (range(1 << part.bits),))) for part in layout.fields
        )
        explanation = explain(sealed(layout, values, key_bits).digits, KEYS[key_bits])
        secret = any(part.secret for part in layout.fields)
        assert (explanation.failure, explanation.reason, explanation.remedies) == (None, "", ())
        assert (explanation.name, explanation.title) == (layout.token, layout.title)
        assert explanation.checksum is not None
        assert explanation.checksum.right
        assert (explanation.checksum.found is None) is secret
        said = by_name(explanation)
        assert said.pop("class") == layout.token_class
        assert said.pop("subclass") == layout.subclass
        assert (said.pop("crc") is None) is secret
        assert said == {
            part.name: None if part.secret else value
            for part, value in zip(layout.fields, values, strict=True)
        }
        for bit_map in explanation.maps:
            assert sum(field.bits for field in bit_map.fields) == 66
            assert [field.short_name[: field.bits] for field in bit_map.fields if not field.short_name] == []
        highest = [field.high for field in explanation.maps[-1].fields]
        assert highest == sorted(highest, reverse=True)


def test_no_part_of_a_new_key_is_in_an_explanation() -> None:
    word = 0xDEADBEEF
    for layout in LAYOUTS:
        if not any(part.secret for part in layout.fields):
            continue
        values = tuple(word if part.secret else 1 for part in layout.fields)
        key_bits = layout.key_bits or 64
        for crc_wrong in (False, True):
            token = sealed(layout, values, key_bits)
            if crc_wrong:
                token = Token20.parse(resealed(token, KEYS[key_bits], crc=0))
            explanation = explain(token.digits, KEYS[key_bits])
            assert explanation.subclass == layout.subclass
            told = repr(explanation) + "".join(map(joined, explanation.maps))
            for form in ("x", "X", "d", "b"):
                assert format(word, form) not in told
            assert explanation.checksum is not None
            assert explanation.checksum.expected is None


def test_no_part_of_the_key_itself_is_in_an_explanation() -> None:
    for key in KEYS.values():
        told = repr(explain(PUBLISHED, key))
        assert key.to_bytes().hex() not in told.lower()
        assert str(int.from_bytes(key.to_bytes(), "big")) not in told


@given(st.integers(0, LARGEST_TOKEN))
def test_the_verdict_is_that_of_decoding(value: int) -> None:
    token = Token20(value)
    for key in KEYS.values():
        said, explanation = decode(token, key), explain(token.digits, key)
        if isinstance(said, Undecodable):
            assert explanation.failure is said.result
        else:
            assert explanation.failure is (None if is_in_range(said) else TokenResult.RANGE_ERROR)
        assert bool(explanation.reason) is (explanation.failure is not None)
        assert int(joined(explanation.maps[0]), 2) == value
        assert int(joined(explanation.maps[1]), 2) == (
            extract_class(token)[0] << 64 | extract_class(token)[1]
        )


@given(st.sampled_from([layout for layout in LAYOUTS if layout.key_bits != 128]), st.data())
def test_a_token_out_of_range_says_which_value_should_be_which(layout: Layout, data: st.DataObject) -> None:
    values = tuple(data.draw(st.integers(0, (1 << part.bits) - 1)) for part in layout.fields)
    explanation = explain(sealed(layout, values, 64).digits, STA_KEY)
    wrong = [part.name for part, value in zip(layout.fields, values, strict=True) if not part.allows(value)]
    fields = explanation.maps[-1].fields
    assert [field.name for field in fields if not field.defined] == wrong
    assert (explanation.failure is None) is (not wrong)
    if wrong and layout.token_class != 1:
        assert explanation.failure is TokenResult.RANGE_ERROR
        assert wrong[0].replace("_", " ") in explanation.reason
    elif wrong:
        assert explanation.failure is TokenResult.MFR_CODE_ERROR
        assert explanation.reason.startswith("manufacturer code")


def test_without_a_key_the_class_is_all_that_an_encrypted_token_tells() -> None:
    explanation = explain(PUBLISHED, None)
    assert explanation.needs_key
    assert explanation.token_class == 0
    assert (explanation.subclass, explanation.checksum, explanation.failure) == (None, None, None)
    assert [bit_map.stage for bit_map in explanation.maps] == [Stage.TRANSMITTED, Stage.TRANSPOSED]
    assert "decoder key is needed" in explanation.reason


@pytest.mark.parametrize("key", [None, STA_KEY, MISTY1_KEY])
def test_a_test_token_is_read_with_any_key_and_without(key: DecoderKey | None) -> None:
    explanation = explain("00000000000201328896", key)
    assert (explanation.token_class, explanation.encrypted, explanation.opened_with) == (1, False, None)
    readings = {field.name: field.reading for field in explanation.maps[-1].fields}
    assert readings["control"] == "test 3: cumulative usage registers"
    assert explanation.failure is None
    assert explain("56493153725450313471", key).maps[-1].fields[2].reading == "all tests"


def test_several_tests_none_and_a_manufacturers_are_counted() -> None:
    def control(token: InitiateMeterTest) -> str:
        return explain(encode(token, None).digits, None).maps[-1].fields[2].reading

    assert control(InitiateMeterTest(0, 0b101)) == "tests 1, 3"
    assert control(InitiateMeterTest(0, 0)) == "no test"
    assert control(InitiateMeterTest(11, 0b10, 99)) == "the manufacturer's test 2"
    assert control(InitiateMeterTest(0, 1 << 30)) == "test 31: reserved"


def test_a_flag_is_read_from_index_and_value() -> None:
    def value(token: SetExtendedControl) -> str:
        return explain(encode(token, STA_KEY).digits, STA_KEY).maps[-1].fields[-2].reading

    assert value(SetExtendedControl(0, 1000, 63, 0b101)) == "flag 2 set"
    assert value(SetExtendedControl(0, 1000, 63, 0b100)) == "flag 2 cleared"
    assert value(SetExtendedControl(0, 1000, 62, 0b101)) == ""


def test_an_amount_shows_exponent_mantissa_and_step() -> None:
    large = explain(encode(TransferCredit(1, 0, 1000, 38123), STA_KEY).digits, STA_KEY).amount
    assert large is not None
    assert (large.exponent, large.mantissa, large.step_text, large.text) == (1, 2174, "1.0 m3", "3812.4 m3")
    owed = explain(encode(TransferCurrencyCredit(0, 1000, -100_000), MISTY1_KEY).digits, MISTY1_KEY).amount
    assert owed is not None
    assert (owed.negative, owed.mantissa, owed.units, owed.text) == (
        True,
        8361,
        -99_994,
        "-0.99994 of the base currency",
    )
    limit = explain(encode(SetMaximumPowerLimit(0, 1000, 69_000), STA_KEY).digits, STA_KEY).amount
    assert limit is not None
    assert (limit.text, limit.step_text) == ("69004 W", "10 W")


def test_the_reserved_minute_is_noticed() -> None:
    special = explain(encode(TransferCredit(0, 0, 1441, 10), STA_KEY).digits, STA_KEY).token_id
    assert special is not None
    assert special.special_reserved


@pytest.mark.parametrize("key", [STA_KEY, MISTY1_KEY], ids=["STA", "MISTY1"])
def test_every_single_slip_and_every_exchange_is_found_again(key: DecoderKey) -> None:
    digits = encode(CREDIT, key).digits
    slipped = digits[:7] + str((int(digits[7]) + 3) % 10) + digits[8:]
    place = next(place for place in range(19) if digits[place] != digits[place + 1])
    swapped = digits[:place] + digits[place + 1] + digits[place] + digits[place + 2 :]
    for text, kind in ((slipped, RemedyKind.DIGIT), (swapped, RemedyKind.EXCHANGE)):
        explanation = explain(text, key)
        assert explanation.failure is TokenResult.CRC_ERROR
        assert (kind, digits) in [
            (remedy.kind, remedy.token.digits) for remedy in explanation.remedies if remedy.token is not None
        ]


def test_a_slip_that_makes_the_number_too_large_is_found_too() -> None:
    with pytest.raises(
        InvalidInput, match="0 to 73786976294838206463; it passes with digit 1 as 2 instead of 9"
    ):
        explain("9371 6100 5011 8319 4197", STA_KEY)


def test_a_test_token_with_a_slip_needs_no_key() -> None:
    explanation = explain("00000000000201328897", None)
    assert explanation.failure is TokenResult.CRC_ERROR
    assert "00000000000201328896" in [remedy.token and remedy.token.digits for remedy in explanation.remedies]


def test_as_many_neighbours_are_tried_as_is_said() -> None:
    from joy311.sts.remedies import _neighbours

    assert len(list(_neighbours("01234567890123456789"))) == SLIPS_TRIED
    assert [*slips("9" * 20, STA_KEY)] == []


def kinds(explanation: Explanation) -> set[RemedyKind]:
    assert explanation.failure is TokenResult.CRC_ERROR
    return {remedy.kind for remedy in explanation.remedies} - {RemedyKind.DIGIT, RemedyKind.EXCHANGE}


def test_a_token_made_otherwise_says_how() -> None:
    credit, currency = encode(CREDIT, STA_KEY), encode(TransferCurrencyCredit(0, 99, 5), STA_KEY)
    for token, is_currency in ((credit, False), (currency, True)):
        plain = STA_KEY.decrypt(extract_class(token)[1])
        other = block_crc(0, plain, currency=not is_currency)
        assert kinds(explain(resealed(token, STA_KEY, crc=other), STA_KEY)) == {RemedyKind.OTHER_CHECKSUM}
    right = STA_KEY.decrypt(extract_class(credit)[1]) & 0xFFFF
    exchanged = resealed(credit, STA_KEY, crc=right >> 8 | (right & 0xFF) << 8)
    assert kinds(explain(exchanged, STA_KEY)) == {RemedyKind.CHECKSUM_BYTES}
    for key in KEYS.values():
        clear = resealed(encode(CREDIT, key), key, encrypt=False)
        assert kinds(explain(clear, key)) == {RemedyKind.NOT_ENCRYPTED}
        backwards = DecoderKey.from_bytes(key.to_bytes()[::-1], key.encryption_algorithm)
        assert kinds(explain(encode(CREDIT, backwards).digits, key)) == {RemedyKind.KEY_BYTES}
        token_class, block = extract_class(Token20.parse("00000000000201328896"))
        encrypted = insert_class(token_class, key.encrypt(block))
        assert kinds(explain(encrypted.digits, key)) == {RemedyKind.ENCRYPTED}
    plain = STA_KEY.decrypt(extract_class(credit)[1])
    sample = sta_sample.encrypt(int.from_bytes(STA_KEY.to_bytes(), "big"), plain)
    assert kinds(explain(insert_class(0, sample).digits, STA_KEY)) == {RemedyKind.SAMPLE_TABLES}


def test_a_token_for_another_key_has_no_remedy_but_by_chance() -> None:
    chance = random.Random("other keys")
    by_chance = 0
    for _ in range(300):
        other = DecoderKey.from_bytes(chance.randbytes(16), EncryptionAlgorithm.MISTY1)
        explanation = explain(encode(CREDIT, other).digits, MISTY1_KEY)
        assert explanation.failure is TokenResult.CRC_ERROR
        by_chance += bool(explanation.remedies)
    assert by_chance <= 5


def test_reserved_classes_and_subclasses_are_named() -> None:
    for token_class, subclass, sentence in (
        (3, 0, "class 3 is reserved"),
        (1, 4, "subclass 4 of class 1 is reserved"),
        (0, 9, "subclass 9 of class 0 is reserved"),
    ):
        block = subclass << 60
        block |= block_crc(token_class, block, currency=False)
        explanation = explain(
            insert_class(token_class, STA_KEY.encrypt(block) if not token_class else block).digits, STA_KEY
        )
        assert (explanation.failure, explanation.reason) == (TokenResult.FUNCTION_ERROR, sentence)
        assert (explanation.title, explanation.name) == ("reserved", None)
        assert sum(field.bits for field in explanation.maps[-1].fields) == 66
    wrong = explain(insert_class(3, 0).digits, None)
    assert wrong.failure is TokenResult.CRC_ERROR
    assert wrong.reason.startswith("class 3 is reserved, and ")


@given(st.text() | st.text("0123456789 -", min_size=18, max_size=26), st.sampled_from([None, *KEYS.values()]))
def test_any_text_is_explained_or_refused(text: str, key: DecoderKey | None) -> None:
    try:
        explanation = explain(text, key)
    except InvalidInput:
        return
    assert explanation.token == Token20.parse(text)


@pytest.mark.parametrize("text", ["", "1" * 19, "1" * 21, "letters", "1" * 19 + "²"])
def test_what_is_no_token_says_why(text: str) -> None:
    with pytest.raises(TokenFormatError):
        explain(text, STA_KEY)


@given(st.integers(-(10**30), 10**30), st.integers(0, 6))
def test_decimal_numbers_lose_nothing(units: int, decimals: int) -> None:
    text = decimal(units, decimals)
    assert int(text.replace(".", "")) == units
    assert len(text.partition(".")[2]) == decimals

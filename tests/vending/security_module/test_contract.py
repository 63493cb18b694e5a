"""What every security module promises: the one in this process and the one behind a socket alike."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from joy311.errors import InvalidInput, Refused
from joy311.sts import (
    ALL_REGISTERS,
    ClearCredit,
    ClearTamperCondition,
    KeyType,
    ManagementToken,
    SetMaximumPowerLimit,
    TestToken,
    Token20,
    TokenResult,
    TransferCredit,
    Undecodable,
    VendingKey,
    assemble_key_change,
    decode,
    derive_decoder_key,
    meter_test,
)
from joy311.sts.tokens import KeyChangeSection
from joy311.vending.audit import AuditRoot, JournaledIssue, first_digest, tokens_digest
from joy311.vending.security_module import (
    LARGEST_BATCH,
    EngineeringRequest,
    IssuedTokens,
    KeyChangeRequest,
    WholeSecurityModule,
)
from tests.vending.security_module.modules import (
    DEFAULT_GROUP,
    DEFAULT_KEY_BYTES,
    GROUP,
    KEY_BYTES,
    METER,
    REQUEST,
    client_of,
    opened,
)

KEY = derive_decoder_key(VendingKey.from_bytes(KEY_BYTES), REQUEST.attributes)
DEFAULT = DEFAULT_GROUP.of_meter(METER, "01")
ROOT = AuditRoot("V1", "2026-03-01", 0, first_digest("V1", "2026-03-01"))


@pytest.fixture(params=["here", "behind a socket"])
def module(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[WholeSecurityModule]:
    with closing(opened(tmp_path / "module")) as software:
        if request.param == "here":
            yield software
            return
        with client_of(software, tmp_path / "socket") as client:
            yield client


def test_credit_comes_once_for_a_request(module: WholeSecurityModule) -> None:
    first = module.issue_credit_token("r1", REQUEST)
    assert decode(first.token, KEY) == TransferCredit(0, Random(1).getrandbits(4), 6_397_315, 172)
    assert module.issue_credit_token("r1", REQUEST) == first
    assert module.issue("r1", REQUEST) == IssuedTokens((first.token,), 1)
    assert module.find("r1") == IssuedTokens((first.token,), 1)
    assert module.find("r2") is None
    with pytest.raises(Refused) as caught:
        module.issue("r1", replace(REQUEST, units=173))
    assert caught.value.code == "RequestIdReused"
    assert module.status().counter == 1


def test_what_cannot_be_issued_is_said_before_and_after(module: WholeSecurityModule) -> None:
    unknown = replace(REQUEST, attributes=replace(REQUEST.attributes, supply_group_code="201458"))
    default = replace(REQUEST, attributes=DEFAULT)
    for request, code in ((unknown, "VendingKeyNotFound"), (default, "DDTKCredit")):
        for ask in (module.check, lambda wanted: module.issue("r", wanted)):
            with pytest.raises(Refused) as caught:
                ask(request)
            assert caught.value.code == code
    for ask in (module.check, lambda wanted: module.issue("r", wanted)):
        with pytest.raises(InvalidInput, match="18201624") as invalid:
            ask(replace(REQUEST, units=18_201_625))
        assert invalid.value.field == "units"
    module.check(REQUEST)
    for request_id in ("", "x" * 65, "ü"):
        with pytest.raises(InvalidInput):
            module.issue(request_id, REQUEST)
    assert module.status().counter == 0


def test_a_batch_answers_each_request_in_its_place(module: WholeSecurityModule) -> None:
    results = module.issue_many(
        [
            ("a", REQUEST),
            ("b", replace(REQUEST, units=-1)),
            ("c", replace(REQUEST, token_id=REQUEST.token_id + 1)),
            ("a", REQUEST),
            ("a", replace(REQUEST, units=1)),
        ]
    )
    one, bad, other, again, reused = results
    assert isinstance(one, IssuedTokens)
    assert isinstance(other, IssuedTokens)
    assert again == one
    assert (one.counter, other.counter) == (1, 2)
    assert isinstance(bad, InvalidInput)
    assert isinstance(reused, Refused)
    assert reused.code == "RequestIdReused"
    assert module.issue_many([]) == []
    with pytest.raises(InvalidInput, match=str(LARGEST_BATCH)):
        module.issue_many([("r", REQUEST)] * (LARGEST_BATCH + 1))


def test_a_full_batch_is_issued(module: WholeSecurityModule) -> None:
    wanted = [(f"r{number}", replace(REQUEST, token_id=number)) for number in range(LARGEST_BATCH)]
    results = module.issue_many(wanted)
    assert [result.counter for result in results if isinstance(result, IssuedTokens)] == list(
        range(1, LARGEST_BATCH + 1)
    )


def test_engineering_tokens_say_what_was_asked_with_the_modules_own_chance(
    module: WholeSecurityModule,
) -> None:
    wanted: tuple[TestToken | ManagementToken, ...] = (
        ClearCredit(0, 100, ALL_REGISTERS),
        ClearTamperCondition(0, 101),
        SetMaximumPowerLimit(0, 102, 5_000),
        meter_test(4, control_bits=36),
    )
    chance = Random(1)
    for counter, token in enumerate(wanted, 1):
        issued = module.issue(f"r{counter}", EngineeringRequest(REQUEST.attributes, token))
        drawn = chance.getrandbits(4)
        said = token if isinstance(token, TestToken) else replace(token, random=drawn)
        assert decode(issued.tokens[0], KEY) == said
        assert issued.counter == counter
    assert module.find("r4") == IssuedTokens((Token20.parse("18446744073843772416"),), 4)


@pytest.mark.parametrize(
    "token", [ClearCredit(3, 100, 0), ClearCredit(0, 100, 9), ClearCredit(0, 1 << 24, 0)]
)
def test_an_engineering_token_out_of_range_is_refused(
    module: WholeSecurityModule, token: ClearCredit
) -> None:
    with pytest.raises(InvalidInput):
        module.issue("r", EngineeringRequest(REQUEST.attributes, token))


def test_a_key_change_is_one_issue_of_a_whole_set(module: WholeSecurityModule) -> None:
    request = KeyChangeRequest(DEFAULT, REQUEST.attributes, tell_supply_group=True)
    module.check(request)
    issued = module.issue("k", request)
    assert module.issue("k", request) == issued
    assert (len(issued.tokens), issued.counter) == (4, 1)
    old = derive_decoder_key(VendingKey.from_bytes(DEFAULT_KEY_BYTES), DEFAULT)
    sections = [decode(token, old) for token in issued.tokens]
    assert all(isinstance(section, KeyChangeSection) for section in sections)
    change = assemble_key_change(
        [section for section in sections if isinstance(section, KeyChangeSection)],
        GROUP.encryption_algorithm,
    )
    assert not isinstance(change, Undecodable)
    assert change.new_key == KEY
    assert (change.supply_group_code, change.key_type, change.roll_over) == ("201457", KeyType.DUTK, False)
    with pytest.raises(Refused) as caught:
        module.issue("k", replace(request, new=replace(request.new, tariff_index="02")))
    assert caught.value.code == "RequestIdReused"


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (KeyType.DUTK, KeyType.DCTK, "KeyChangeNotAllowed"),
        (KeyType.DDTK, KeyType.DCTK, "KeyChangeNotAllowed"),
        (KeyType.DUTK, KeyType.DITK, "KeyChangeNotAllowed"),
        (KeyType.DITK, KeyType.DUTK, "KeyTypeNotVendable"),
    ],
)
def test_a_key_change_that_no_meter_takes_is_refused(
    module: WholeSecurityModule, old: KeyType, new: KeyType, code: str
) -> None:
    attributes = REQUEST.attributes
    request = KeyChangeRequest(
        replace(attributes, key_type=old), replace(attributes, key_type=new), tell_supply_group=True
    )
    with pytest.raises(Refused) as caught:
        module.issue("k", request)
    assert caught.value.code == code


def test_a_key_change_between_two_meters_is_refused(module: WholeSecurityModule) -> None:
    other = replace(REQUEST.attributes, meter_pan=type(METER).parse("00311000020"))
    with pytest.raises(InvalidInput):
        module.issue("k", KeyChangeRequest(DEFAULT, other, tell_supply_group=True))


def test_a_token_is_read_without_telling_any_part_of_a_key(module: WholeSecurityModule) -> None:
    credit = module.issue("r", REQUEST).tokens[0]
    reading = module.verify_token(REQUEST.attributes, credit)
    assert reading.result is TokenResult.ACCEPT
    assert (reading.token_class, reading.subclass, reading.token_id, reading.units) == (0, 0, 6_397_315, 172)
    assert module.verify_token(DEFAULT, credit).result is TokenResult.CRC_ERROR
    section = module.issue("k", KeyChangeRequest(DEFAULT, REQUEST.attributes, tell_supply_group=True))
    read = module.verify_token(DEFAULT, section.tokens[0])
    assert (read.result, read.token_class, read.subclass) == (TokenResult.ACCEPT, 2, 3)
    assert (read.token_id, read.units) == (None, None)


def test_the_journal_lists_every_issue_with_a_digest_and_no_token(module: WholeSecurityModule) -> None:
    issued = {
        f"r{number}": module.issue(f"r{number}", replace(REQUEST, token_id=number)) for number in range(4)
    }
    assert list(module.journal()) == [
        JournaledIssue(tokens.counter, name, tokens_digest(token.digits for token in tokens.tokens))
        for name, tokens in issued.items()
    ]
    assert [issue.counter for issue in module.journal(after=2)] == [3, 4]


def test_a_caller_who_knows_more_stops_the_module_for_everybody(module: WholeSecurityModule) -> None:
    first = module.issue("r1", REQUEST)
    module.synchronise(1)
    with pytest.raises(Refused, match="issue 2 is known") as caught:
        module.synchronise(2)
    assert caught.value.code == "SecurityModuleBehind"
    for refused in (
        lambda: module.issue("r2", REQUEST),
        lambda: module.check(REQUEST),
        lambda: module.synchronise(0),
    ):
        with pytest.raises(Refused) as caught:
            refused()
        assert caught.value.code == "SecurityModuleBehind"
    assert module.status().behind == 2
    assert module.status().counter == 1
    assert module.find("r1") == first


@pytest.mark.parametrize("counter", [-1, 2**53 + 1])
def test_a_counter_that_is_none_is_refused_and_stops_nothing(
    module: WholeSecurityModule, counter: int
) -> None:
    with pytest.raises(InvalidInput):
        module.synchronise(counter)
    assert module.issue("r1", REQUEST).counter == 1


def test_an_audit_root_is_signed_once_for_a_vendor_and_day(module: WholeSecurityModule) -> None:
    signature = module.sign_audit_root(ROOT)
    Ed25519PublicKey.from_public_bytes(module.audit_public_key()).verify(signature, ROOT.signed_bytes())
    assert module.sign_audit_root(ROOT) == signature
    with pytest.raises(Refused) as caught:
        module.sign_audit_root(replace(ROOT, rows=1))
    assert caught.value.code == "AuditRootSigned"
    module.sign_audit_root(replace(ROOT, vendor="V2"))
    assert module.status().counter == 0
    assert module.issue("r1", REQUEST).counter == 1


def test_the_keys_are_known_by_their_check_values_only(module: WholeSecurityModule) -> None:
    assert module.vending_keys() == {
        GROUP: VendingKey.from_bytes(KEY_BYTES).key_check_value(),
        DEFAULT_GROUP: VendingKey.from_bytes(DEFAULT_KEY_BYTES).key_check_value(),
    }
    status = module.status()
    assert (status.keys, status.sealed, status.behind) == (2, False, None)
    assert KEY_BYTES.hex() not in repr(module)


def test_threads_with_one_request_get_one_token(module: WholeSecurityModule) -> None:
    with ThreadPoolExecutor(8) as threads:
        same = set(threads.map(lambda _: module.issue("same", REQUEST), range(16)))
        others = list(
            threads.map(
                lambda number: module.issue(f"r{number}", replace(REQUEST, token_id=number)), range(40)
            )
        )
    assert len(same) == 1
    assert sorted(tokens.counter for tokens in others) == list(range(2, 42))

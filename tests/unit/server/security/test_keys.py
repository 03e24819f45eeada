import hashlib
import hmac
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vizinho.errors import SpecError
from vizinho.server.security.keys import ANYONE, VARIABLE, check_exposure, key_of, keys_from, same_origin
from vizinho.server.security.refusals import Refusal

FIRST, SECOND = "first-key-of-the-tests", "second-key-of-the-tests"


@pytest.fixture
def keys():
    return keys_from({"VIZINHO_API_KEYS": f"{FIRST}, {SECOND},"})


def test_each_key_is_a_client_of_its_own_and_is_not_named_by_itself(keys):
    names = {keys.client(FIRST), keys.client(SECOND)}
    assert len(names) == 2
    assert not any(name in FIRST or name in SECOND for name in names)


@pytest.mark.parametrize("key", [None, "", FIRST[:-1], FIRST + " ", f"{FIRST},{SECOND}", "\udc80"])
def test_anything_else_is_refused(keys, key):
    with pytest.raises(Refusal) as refused:
        keys.client(key)
    assert refused.value.status == 401


def test_without_keys_everyone_is_let_in():
    assert keys_from({}).client(None) == ANYONE


def test_a_short_key_is_named_by_its_number_not_by_itself():
    with pytest.raises(SpecError) as error:
        keys_from({"VIZINHO_API_KEYS": f"{FIRST},short"})
    assert "number 2" in str(error.value) and "short," not in str(error.value)


@pytest.mark.parametrize(
    ("header", "subprotocols", "key"),
    [
        ("Token abc", (), "abc"),
        ("Bearer abc", (), "abc"),
        ("bearer  abc ", (), "abc"),
        ("Basic abc", (), None),
        ("Token", (), None),
        (None, (), None),
        (None, ("token", "abc"), "abc"),
        ("Token abc", ("token", "other"), "abc"),
        (None, ("abc",), None),
    ],
)
def test_a_key_is_found_where_the_clients_put_it(header, subprotocols, key):
    assert key_of(header, subprotocols) == key


@pytest.mark.parametrize(
    ("host", "no_auth", "with_keys", "allowed"),
    [
        ("0.0.0.0", False, True, True),
        ("127.0.0.1", True, False, True),
        ("localhost", True, False, True),
        ("::1", True, False, True),
        ("0.0.0.0", True, False, False),
        ("192.168.0.2", True, False, False),
        ("example.org", True, False, False),
        ("127.0.0.1", False, False, False),
        ("127.0.0.1", True, True, False),
    ],
)
def test_a_server_without_keys_listens_on_this_machine_only_and_only_when_asked(
    host, no_auth, with_keys, allowed, keys
):
    given = keys if with_keys else keys_from({})
    if allowed:
        check_exposure(given, host, no_auth=no_auth)
    else:
        with pytest.raises(SpecError):
            check_exposure(given, host, no_auth=no_auth)


@pytest.mark.parametrize(
    ("origin", "host", "same"),
    [
        (None, "127.0.0.1:8080", True),
        ("http://localhost:8080", "localhost:8080", True),
        ("http://[::1]:8080", "[::1]:8080", True),
        ("http://127.0.0.1:9000", "127.0.0.1:8080", False),
        ("https://evil.example", "127.0.0.1:8080", False),
        ("http://evil.example:8080", "evil.example:8080", False),
        (None, "evil.example", False),
        (None, None, False),
        ("null", "127.0.0.1:8080", False),
    ],
)
def test_pages_of_other_sites_are_told_from_our_own(origin, host, same):
    assert same_origin(origin, host) is same


def test_a_token_stands_for_its_key_until_it_expires(monkeypatch):
    keys = keys_from({VARIABLE: "a-key-for-the-tests-only,another-key-for-the-tests"})
    token = keys.grant("another-key-for-the-tests", 60)
    assert keys.client(token) == keys.client("another-key-for-the-tests") != keys.client("a-key-for-the-tests-only")
    assert keys_from({VARIABLE: "another-key-for-the-tests"}).client(token)  # a replica
    with pytest.raises(Refusal) as refused:
        keys.grant(token, 60)
    assert refused.value.status == 403
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 62)
    with pytest.raises(Refusal) as refused:
        keys.client(token)
    assert refused.value.code == "EXPIRED_TOKEN"
    with pytest.raises(Refusal):  # its key is no longer one of the server's
        keys_from({VARIABLE: "a-key-for-the-tests-only"}).client(token)


def test_a_token_of_a_key_that_is_not_known_is_not_taken():
    keys = keys_from({VARIABLE: "a-key-for-the-tests-only"})
    for client in ("", "0" * 12):
        claim = f"{client}.{2**40}"
        for key in (b"", b"0" * 32):
            with pytest.raises(Refusal):
                keys.client(f"granted.{claim}.{hmac.new(key, claim.encode(), hashlib.sha256).hexdigest()}")


@given(st.text(max_size=80))
def test_no_invented_token_is_taken(text):
    keys = keys_from({VARIABLE: "a-key-for-the-tests-only"})
    with pytest.raises(Refusal) as refused:
        keys.client(f"granted.{text}")
    assert refused.value.status == 401

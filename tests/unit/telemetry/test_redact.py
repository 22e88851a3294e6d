import base64
import string

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from telemetry import Scrubber
from telemetry.redact import MARK, clean, scrub

word = st.text(string.ascii_letters + string.digits, min_size=24, max_size=60)
around = st.text(max_size=40)
KEYS = (
    "sk-{}",
    "sk-ant-api03-{}",
    "sk_live_{}",
    "sk-proj-{}",
    "AIza{}",
    "xoxb-{}",
    "ghp_{}",
    "github_pat_{}",
    "glpat-{}",
    "gsk_{}",
    "xai-{}",
    "hf_{}",
    "r8_{}",
    "eyJhbGciOiJIUzI1NiJ9.{}.sig",
    "Bearer {}",
    "bearer {}",
    "Authorization: Bearer {}",
    "authorization: Basic {}",
    '{{"api_key": "{}"}}',
    "{{'x-api-key': '{}'}}",
    "api-key={}",
    "?key={}",
    "client_secret={}",
    "aws_secret_access_key = {}",
    "password={}",
    "https://user:{}@host/path",
    "master_key: {}",
    "access_token={}&next=1",
)


@given(st.sampled_from(KEYS), word, around, around)
def test_no_key_stays_in_a_text(shape: str, secret: str, before: str, after: str) -> None:
    assume(secret not in before + after)
    text = f"{before} {shape.format(secret)} {after}"
    assert secret not in scrub(text)
    assert MARK in scrub(text)


names = st.sampled_from(
    ["Basic", "basic", "BEARER", "Bearer", "password=", "api_key", "token:", "Basic Basic", "secret"]
)


@given(st.lists(word, min_size=len(KEYS), max_size=len(KEYS), unique=True), around | names, st.permutations(KEYS))
def test_no_key_stays_among_others(secrets: list[str], between: str, shapes: list[str]) -> None:
    assume(not any(secret in between for secret in secrets))
    cleaned = scrub(f" {between} ".join(shape.format(secret) for shape, secret in zip(shapes, secrets, strict=True)))
    assert [secret for secret in secrets if secret in cleaned] == []


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("Basic password=hunter2Hunter2", f"Basic {MARK}"),
        ("Bearer Basic dXNlcjpwYXNzd29yZA==", f"Bearer {MARK} {MARK}"),
        ("BEARER Bearer hunter2hunter2", f"BEARER {MARK} {MARK}"),
        ("bearer master_key: hunter2", f"bearer {MARK} {MARK}"),
        ("Bearer aws_secret_access_key = hunter2", f"Bearer {MARK} = {MARK}"),
        ('{"token": "password: hunter2"}', f'{{"token": "{MARK} {MARK}"}}'),
        ("Basic dXNlcjpwYXNzd29yZA==", f"Basic {MARK}"),
        ("basic authentication", "basic authentication"),
    ],
)
def test_a_name_behind_a_name_hides_no_key(text: str, cleaned: str) -> None:
    assert scrub(text) == cleaned


@given(st.text(string.ascii_uppercase + string.digits, min_size=16, max_size=16), around)
def test_no_access_key_id_stays(secret: str, around: str) -> None:
    assert f"AKIA{secret}" not in scrub(f"{around} AKIA{secret}")


@given(word, st.text(min_size=0, max_size=20))
def test_a_configured_key_is_known_without_a_shape(secret: str, around: str) -> None:
    assert secret not in Scrubber([secret])(around + secret + around)


@given(st.lists(word, min_size=1, max_size=3), st.integers(1, 200))
def test_no_key_is_cut_to_a_shape_that_is_not_known(secrets: list[str], limit: int) -> None:
    text = "x" * max(0, limit - 10) + " ".join(f"Bearer {secret}" for secret in secrets)
    cleaned = clean(Scrubber(secrets), text, limit)
    assert len(cleaned) <= limit
    assert not any(secret[:8] in cleaned for secret in secrets)


@given(st.text())
def test_what_comes_out_can_be_sent_and_stays_the_same(text: str) -> None:
    once = scrub(text)
    once.encode()
    assert scrub(once) == once


def test_a_lone_surrogate_does_not_come_out() -> None:
    assert scrub("model \ud800") == "model ?"


def test_a_private_key_goes_whole() -> None:
    body = base64.b64encode(b"0" * 600).decode()
    text = f"-----BEGIN RSA PRIVATE KEY-----\n{body}\n-----END RSA PRIVATE KEY----- after"
    assert scrub(text) == f"{MARK} after"
    assert body[:20] not in scrub(text[:200])


@pytest.mark.parametrize(
    "text",
    [
        "risk-averse task-management-system",
        "a basic understanding of keys and tokens",
        "max_tokens: 1000, total_tokens=2000",
        "The bearer of bad news",
        "monkey: 12345",
        "https://api.openai.com/v1/chat",
        "txn_4bf92f3577b34da6a3ce929d0e0e4736",
    ],
)
def test_ordinary_words_stay(text: str) -> None:
    assert scrub(text) == text


def test_what_stands_before_a_key_stays() -> None:
    assert scrub("Authorization: Bearer sk-ant-api03-abcdefgh") == f"Authorization: Bearer {MARK}"
    assert scrub('{"api_key": "abcdefgh", "n": 1}') == f'{{"api_key": "{MARK}", "n": 1}}'
    assert scrub(r"{\"api_key\": \"abcdefgh\"}") == rf"{{\"api_key\": \"{MARK}\"}}"

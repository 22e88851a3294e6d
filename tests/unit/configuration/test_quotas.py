"""The section `gateway.quotas`: how a store is written, and that no password is shown."""

import pytest

from app.main import secrets_of
from app.quotas.state_urls import described_state, read_state_url
from tests.unit.configuration.reading import MODEL, problems, read

FORMS = "expected memory, sqlite:///FILE or redis://:PASSWORD@HOST:PORT/DATABASE"


@pytest.mark.parametrize(
    ("store", "message"),
    [
        ("disk", FORMS),
        ("state.db", f"{FORMS}; for a file write sqlite:///FILE"),
        ("sqlite:state.db", "expected sqlite:///FILE, with four slashes for an absolute path"),
        ("sqlite:///folder/", "expected a file after sqlite:///, without options"),
        ("sqlite:////nowhere/at/all/state.db", "the folder /nowhere/at/all is not there"),
        ("postgresql://u:p@db/x", f"{FORMS}; limits are kept in SQLite or in Redis"),
        (
            "redis://:p@db/names",
            "expected redis://:PASSWORD@HOST:PORT/DATABASE, with the number of a database",
        ),
        ("redis://:p@db:port", "expected redis://:PASSWORD@HOST:PORT/DATABASE"),
        ("redis://db/0?prefix=%7Ba%7D", "prefix must not be empty, and must have no braces"),
        (
            "redis://db/0?password=p",
            "password is no option: there are prefix and, for rediss://, ssl_ca_certs and others",
        ),
    ],
)
def test_a_store_that_is_none_is_refused_with_its_line(store: str, message: str) -> None:
    text = f"{MODEL}gateway:\n  quotas:\n    store: '{store}'\n"

    assert problems(text) == [f"f.yaml:4: gateway.quotas.store: {message}"]


def test_redis_needs_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.configuration.quotas.find_spec", lambda name: None)
    text = f"{MODEL}gateway: {{quotas: {{store: 'redis://db'}}}}"

    assert problems(text) == [
        "f.yaml:2: gateway.quotas.store: needs redis, which is not installed: pip install 'redis>=8.1'"
    ]


def test_a_password_is_known_as_a_secret_and_is_not_described() -> None:
    store = "rediss://gateway:p%40ss@db:6380/2?prefix=prod&ssl_ca_certs=ca.pem"
    settings = read(f"{MODEL}gateway: {{quotas: {{store: os.environ/STORE}}}}", STORE=store).settings

    assert {"p%40ss", "p@ss"} <= set(secrets_of(settings))
    assert described_state(store) == "the Redis db:6380/2"
    url = read_state_url(store)
    assert (url.address, url.prefix) == ("rediss://gateway:p%40ss@db:6380/2?ssl_ca_certs=ca.pem", "prod")

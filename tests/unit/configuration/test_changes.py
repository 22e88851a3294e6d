"""What differs between two configurations, and what of it has to wait for a restart."""

import dataclasses

import pytest
from msgspec import Struct
from msgspec.structs import fields, replace

from app.configuration import changes, in_force, parse
from app.configuration.loading import Configuration
from app.settings import Settings, Team

BEFORE = """
model_list:
  - {model_name: echo, litellm_params: {model: simulated/echo}}
  - model_name: gpt
    litellm_params: {model: openai/gpt-5, api_key: sk-provider-canary-1, api_base: 'https://a/v1'}
router_settings: {num_retries: 1, model_group_alias: {other: echo}}
environment_variables: {REGION: eu, OTEL_SERVICE_NAME: one}
gateway:
  keys:
    - {name: alice, key: key-canary-of-alice-1, team: red, expires: 2099-01-31}
    - {name: bob, key: key-canary-of-bob-0001}
  policies: [noop, {use: redact, config: {}}]
  server: {port: 8080, body_limit: 1MiB, metrics_token: token-canary-0000001}
  breakers: {upstream: {threshold: 5}}
  telemetry: {semconv: "1.41"}
"""


def read(text: str = BEFORE) -> Configuration:
    return parse(text, "config.yaml", {})


def differences(old: str, new: str) -> list[str]:
    """The changes that a replacement in the text makes; those that need a restart have a mark."""
    assert old in BEFORE
    found = changes(read(), read(BEFORE.replace(old, new)))
    return [f"{change}{' (restart)' if change.needs_restart else ''}" for change in found]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("sk-provider-canary-1", "sk-provider-canary-2", ["deployment gpt: api_key"]),
        ("simulated/echo}", "simulated/echo, weight: 3}", ["deployment echo: weight 1.0 -> 3.0"]),
        ("https://a/v1", "https://b/v1", ["deployment gpt: api_base"]),
        ("{num_retries: 1,", "{num_retries: 4,", ["router_settings.num_retries: 1 -> 4"]),
        ("{other: echo}", "{another: echo}", ["router_settings.model_group_alias changed"]),
        ("key-canary-of-bob-0001", "key-canary-of-bob-0002", ["key bob: 1 new and 1 gone of its keys"]),
        ("team: red", "team: blue", ["key alice: team"]),
        ("2099-01-31", "2099-02-28", ["key alice: expires"]),
        ("name: bob", "name: carol", ["key bob removed", "key carol added"]),
        ("[noop, ", "[", ["policy noop removed"]),
        ("[noop, {use: redact, config: {}}]", "[redact, noop]", ["gateway.policies: their order"]),
        ("{use: redact,", "{use: redact, on_error: fail_open,", ["policy redact: on_error"]),
        ("body_limit: 1MiB", "body_limit: 2MiB", ["gateway.server.body_limit: 1048576 -> 2097152"]),
        ("token-canary-0000001", "token-canary-0000002", ["gateway.server.metrics_token changed"]),
        ("threshold: 5", "threshold: 6", ["gateway.breakers.upstream.threshold: 5 -> 6"]),
        ("port: 8080", "port: 8081", ["gateway.server.port: 8080 -> 8081 (restart)"]),
        ('semconv: "1.41"', "semconv: both", ["gateway.telemetry.semconv: 1.41 -> both (restart)"]),
        ("REGION: eu", "ZONE: eu", ["variable REGION removed", "variable ZONE added"]),
        ("NAME: one", "NAME: two", ["variable OTEL_SERVICE_NAME changed (restart)"]),
    ],
)
def test_each_change_is_named_and_no_secret_shown(old: str, new: str, expected: list[str]) -> None:
    found = differences(old, new)
    assert found == expected
    assert not any("canary" in line for line in found)


def test_nothing_differs_from_itself() -> None:
    assert changes(read(), read()) == ()


def test_models_come_and_go() -> None:
    entry = "  - {model_name: lorem, litellm_params: {model: simulated/lorem-9}}\n"
    assert differences("  - model_name: gpt\n", entry + "  - model_name: gpt\n") == [
        "deployment lorem added: model_name lorem, simulated/lorem-9"
    ]


def test_what_needs_a_restart_stays_as_it_was() -> None:
    before, after = read().settings, read(BEFORE.replace("8080", "8081").replace("1MiB", "2MiB")).settings
    found = in_force(before, after)
    assert found.server.port == 8080
    assert found.server.body_limit == after.server.body_limit
    assert in_force(before, replace(after, server=before.server)) == before


@pytest.mark.parametrize("field", [one.name for one in fields(Settings)])
def test_no_setting_changes_in_silence(field: str) -> None:
    # Whatever is added to the settings later.
    before = read()
    value = getattr(before.settings, field)
    if isinstance(value, Struct):
        first = fields(value)[0].name
        other: object = replace(value, **{first: object()})
    else:
        other = {"another": Team()} if isinstance(value, dict) else ()
    settings = replace(before.settings, **{field: other})
    found = changes(before, dataclasses.replace(before, settings=settings))
    assert found or field == "key_variable"

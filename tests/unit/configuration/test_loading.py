"""A whole file to settings: what counts before what, and every problem in one go."""

from pathlib import Path

import pytest

from app.configuration import ConfigurationRefused, load
from app.policies import BUILTIN
from app.settings import ByteSize, Deployment, Key, PolicySpec, Seconds, Settings
from tests.unit.configuration.reading import MODEL, SECRET, problems, read, warnings

EXAMPLES = Path(__file__).parents[3] / "examples"


def test_the_smallest_file_gives_the_defaults() -> None:
    settings = read(MODEL).settings
    assert settings == Settings(
        deployments=(
            Deployment(id="m", model_name="m", model="simulated/echo", provider="simulated", backend="simulated"),
        )
    )


def test_every_section_arrives_in_the_settings() -> None:
    settings = read(
        MODEL
        + """
general_settings: {master_key: os.environ/KEY}
litellm_settings: {request_timeout: 20, num_retries: 1, fallbacks: [{m: [m2]}]}
gateway:
  keys: [sk-second-0123456789]
  policies: [noop, {use: redact, config: {patterns: [email]}, on_error: fail_open}]
  server: {host: 0.0.0.0, port: 1, metrics_host: "::", metrics_port: 0, metrics_token: os.environ/KEY, body_limit: 1MiB,
    allowed_hosts: [gateway, "::1"], lame_duck: 0}
  pipeline: {queue_items: 7, queue_bytes: 64KiB, put_timeout: 500ms, keepalive_interval: 0, on_disconnect: finish}
  breakers: {queue: {threshold: 1, window: 2m}, upstream: {failure_rate: 1}}
  router: {max_retry_after: 1s}
  telemetry: {boundary_events: both, capture_content: span, log_level: debug}
""".replace("m2", "m"),
        KEY=SECRET,
    ).settings
    assert settings.keys == (Key.in_clear(SECRET, "master_key"), Key.in_clear("sk-second-0123456789"))
    assert settings.policies == (PolicySpec("noop"), PolicySpec("redact", {"patterns": ["email"]}, "fail_open"))
    assert (settings.server.host, settings.server.port, settings.server.metrics_port) == ("0.0.0.0", 1, 0)
    assert settings.server.body_limit == 1024**2
    assert (settings.server.metrics_host, settings.server.metrics_token) == ("::", SECRET)
    assert (settings.server.allowed_hosts, settings.server.lame_duck) == (("gateway", "::1"), Seconds(0))
    pipeline = settings.pipeline
    assert (pipeline.queue_items, pipeline.queue_bytes, pipeline.put_timeout) == (7, ByteSize(65536), Seconds(0.5))
    assert (pipeline.keepalive_interval, pipeline.on_disconnect) == (Seconds(0), "finish")
    assert (settings.breakers.queue.window, settings.breakers.upstream.failure_rate) == (Seconds(120), 1.0)
    router = settings.router
    assert (router.request_timeout, router.num_retries, router.fallbacks) == (Seconds(20), 1, {"m": ("m",)})
    assert router.max_retry_after == Seconds(1)
    assert (settings.telemetry.boundary_events, settings.telemetry.log_level) == ("both", "debug")


def test_what_litellm_knows_and_flowspan_does_not_support_is_only_named() -> None:
    text = """\
model_list:
  - {model_name: m, access_groups: [a], litellm_params: {model: groq/x, tags: [b], output_cost_per_second: 1},
     model_info: {mode: image_generation}}
mcp_servers: [x]
general_settings: {database_url: os.environ/NOT_SET}
litellm_settings: {callbacks: [x], cache: true}
router_settings: {routing_strategy: usage-based-routing, allowed_fails: 3}
"""
    nothing = "LiteLLM's, not supported here; it changes nothing"
    assert warnings(text) == [
        f"f.yaml:2: model_list[0].access_groups: {nothing}",
        f"f.yaml:2: model_list[0].litellm_params.tags: {nothing}",
        f"f.yaml:2: model_list[0].litellm_params.output_cost_per_second: {nothing}",
        "f.yaml:3: model_list[0].model_info.mode: only chat, completion, embedding and responses are served here",
        f"f.yaml:4: mcp_servers: {nothing}",
        "f.yaml:5: general_settings.database_url: LiteLLM's, not supported here; "
        "use gateway.keys for callers: nothing is kept in a database",
        "f.yaml:6: litellm_settings.callbacks: LiteLLM's, not supported here; "
        "use the gateway's own traces and metrics (docs/telemetry.md), or gateway.policies",
        f"f.yaml:6: litellm_settings.cache: {nothing}",
        "f.yaml:7: router_settings.allowed_fails: LiteLLM's, not supported here; "
        "use gateway.breakers.upstream.threshold",
        "f.yaml:7: router_settings.routing_strategy: not supported here: use simple-shuffle, least-busy, "
        "latency-based-routing, cost-based-routing, or gateway.router.strategy",
    ]


def test_router_settings_win_over_litellm_settings() -> None:
    router = read(
        MODEL
        + "litellm_settings: {request_timeout: 9, num_retries: 4}\nrouter_settings: {timeout: 7, num_retries: 0}\n"
    ).settings.router
    assert (router.request_timeout, router.num_retries) == (Seconds(7), 0)


def test_default_fallbacks_stand_for_every_model_without_its_own() -> None:
    entries = ", ".join(f"{{model_name: {name}, litellm_params: {{model: simulated/echo}}}}" for name in "abc")
    for section in ("default_fallbacks: [c], fallbacks: [{a: [b]}]", "fallbacks: [{a: [b]}, {'*': [c]}]"):
        router = read(f"model_list: [{entries}]\nlitellm_settings: {{{section}}}\n").settings.router
        assert router.fallbacks == {"a": ("b",), "b": ("c",)}


def test_fallbacks_lead_to_known_models_only() -> None:
    text = (
        MODEL.replace("model_name: m", "model_name: model")
        + "litellm_settings:\n  fallbacks:\n  - {model: [modle, x]}\n"
    )
    assert problems(text + "  - {y: [model]}\n  - {model: []}\n") == [
        "f.yaml:4: litellm_settings.fallbacks[0].model[0]: no model modle in model_list; did you mean model?",
        "f.yaml:4: litellm_settings.fallbacks[0].model[1]: no model x in model_list",
        "f.yaml:5: litellm_settings.fallbacks[1].y: no model y in model_list",
        "f.yaml:6: litellm_settings.fallbacks[2].model: has fallbacks already",
    ]


def test_all_problems_are_found_at_once_in_the_order_of_the_file() -> None:
    text = """\
model_list:
  - {model_name: m, litellm_params: {model: groq/x, api_key: os.environ/NOPE}}
  - {model_name: n}
gateway:
  telemetry: {boundary_events: spam}
  policies:
    - use: redct
    - use: redact
      config: {patterns: [email, telephone]}
  server: {port: 70000}
gatewya: 1
"""
    assert problems(text) == [
        "f.yaml:2: model_list[0].litellm_params.api_key: the environment variable NOPE is not set",
        "f.yaml:3: model_list[1].litellm_params: missing, or not a mapping",
        "f.yaml:5: gateway.telemetry.boundary_events: expected one of span, log, both",
        "f.yaml:7: gateway.policies[0].use: unknown policy; did you mean redact?; built in are "
        f"{', '.join(BUILTIN)}, others are written package.module:Class or ./file.py:Class",
        "f.yaml:9: gateway.policies[1].config.patterns[1]: expected one of email, phone, card, secret",
        "f.yaml:10: gateway.server.port: expected a whole number <= 65535",
        "f.yaml:11: gatewya: unknown section; did you mean gateway?",
    ]


def test_no_secret_is_ever_shown() -> None:
    text = f"""\
model_list:
  - {{model_name: m, litellm_params: {{model: openai/x, api_key: [{SECRET}], timeout: {SECRET}, weight: {SECRET}}}}}
general_settings: {{master_key: [{SECRET}], database_url: {SECRET}}}
gateway: {{keys: {SECRET}, server: {{port: {SECRET}}}, telemetry: {{log_level: {SECRET}}}}}
litellm_settings: {{request_timeout: os.environ/TOKEN}}
"""
    with pytest.raises(ConfigurationRefused) as refused:
        read(text, TOKEN=SECRET)
    printed = "".join(map(str, (*refused.value.problems, *refused.value.warnings)))
    assert len(refused.value.problems) == 7
    assert SECRET not in printed


def test_flowspan_key_is_the_key_when_the_file_has_none() -> None:
    locked = read(MODEL, FLOWSPAN_KEY="k").settings
    assert (locked.keys, locked.key_variable) == ((Key.in_clear("k"),), "FLOWSPAN_KEY")
    written = read(MODEL + "gateway: {keys: [a]}", FLOWSPAN_KEY="k").settings
    assert (written.keys, written.key_variable) == ((Key.in_clear("a"),), None)


@pytest.mark.parametrize("name", ["https://gateway", "gateway:8080", "gate way", "*", "user@gateway", ""])
def test_an_allowed_host_is_a_name_and_nothing_else(name: str) -> None:
    (problem,) = problems(MODEL + f"gateway:\n  server:\n    allowed_hosts: [a, '{name}']\n")
    assert problem.startswith("f.yaml:4: gateway.server.allowed_hosts[1]: expected the name or address of a host")


def test_a_public_bind_without_keys_is_a_problem_of_the_file() -> None:
    (problem,) = problems(MODEL + "gateway:\n  server:\n    host: 0.0.0.0\n")
    assert problem.startswith("f.yaml:4: gateway.server.host: 0.0.0.0 can be reached by others and no key is set")


@pytest.mark.parametrize("name", ["flowspan.yaml", "providers.yaml"])
def test_the_examples_are_good(name: str) -> None:
    environ = {"OPENAI_API_KEY": "k", "ANTHROPIC_API_KEY": "k", "FLOWSPAN_KEY": "k"}
    assert load(EXAMPLES / name, environ).warnings == ()

"""The sections beside `model_list`: unknown keys, bad values, units."""

import pytest

from tests.unit.configuration.reading import MODEL, problems, read, warnings


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ("gatewya: {}", "gatewya: unknown section; did you mean gateway?"),
        ("general_settngs: {}", "general_settngs: unknown section; did you mean general_settings?"),
        ("general_settings: {mastr_key: k}", "general_settings.mastr_key: unknown key; did you mean master_key?"),
        ("general_settings: []", "general_settings: expected a mapping"),
        ("gateway: {pipelin: {}}", "gateway.pipelin: unknown option; did you mean pipeline?"),
        ("gateway: 3", "gateway: expected a mapping, not a number"),
    ],
)
def test_an_unknown_key_that_could_open_the_gateway_is_refused(section: str, expected: str) -> None:
    assert problems(MODEL + section) == [f"f.yaml:2: {expected}"]


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ("litellm_settings: {drop_parms: 1}", "litellm_settings.drop_parms: unknown key; did you mean drop_params?"),
        ("general_settings: {xyz: 1}", "general_settings.xyz: unknown key; it changes nothing"),
        ("somebody_elses: {}", "somebody_elses: unknown section; it changes nothing"),
        (
            "router_settings: {cooldwon_time: 1}",
            "router_settings.cooldwon_time: unknown key; did you mean cooldown_time?",
        ),
        (
            "litellm_settings: {cooldown_time: 1}",
            "litellm_settings.cooldown_time: LiteLLM reads this key in router_settings, and not here; "
            "it changes nothing",
        ),
    ],
)
def test_an_unknown_key_that_litellm_ignores_is_a_warning(section: str, expected: str) -> None:
    assert warnings(MODEL + section) == [f"f.yaml:2: {expected}"]


def test_a_section_for_anchors_is_not_spoken_of() -> None:
    assert warnings(MODEL + "x-common: &common {a: 1}\n") == []


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("put_timeout: 5 minutes", "put_timeout: expected a duration such as 30, 30s, 500ms, 2m or 1h"),
        ("put_timeout: -1", "put_timeout: expected a duration such as 30, 30s, 500ms, 2m or 1h"),
        ("put_timeout: true", "put_timeout: expected a duration such as 30, 30s, 500ms, 2m or 1h"),
        ("policy_timeout: 0", "policy_timeout: must be more than 0"),
        ("queue_bytes: 8MB!", "queue_bytes: expected a size such as 1024, 64KiB, 8MiB or 1GiB, more than 0"),
        ("queue_bytes: 0", "queue_bytes: expected a size such as 1024, 64KiB, 8MiB or 1GiB, more than 0"),
        ("queue_items: 0", "queue_items: expected a whole number >= 1"),
        ("queue_items: 1.5", "queue_items: expected a whole number, not a number"),
        ("queue_items: [1]", "queue_items: expected a whole number, not a list"),
        ("on_disconnect: stop", "on_disconnect: expected one of cancel, finish"),
        ("on_disconnect: off", "on_disconnect: expected one of cancel, finish"),
    ],
)
def test_a_bad_value_is_refused_by_line_and_key(option: str, expected: str) -> None:
    text = f"{MODEL}gateway:\n  pipeline:\n    {option}\n"
    assert problems(text) == [f"f.yaml:4: gateway.pipeline.{expected}"]


@pytest.mark.parametrize("written", ["0.1", "'0.1'", "1.41", "both"])
def test_a_version_may_be_written_as_the_number_it_looks_like(written: str) -> None:
    settings = read(f"{MODEL}gateway: {{telemetry: {{semconv: {written}}}}}").settings
    assert settings.telemetry.semconv == written.strip("'")


@pytest.mark.parametrize("written", ["1.42", "'1.42'", "latest", "1"])
def test_conventions_that_are_not_known_stop_the_start(written: str) -> None:
    text = f"{MODEL}gateway:\n  telemetry:\n    semconv: {written}\n"
    assert problems(text) == ["f.yaml:4: gateway.telemetry.semconv: expected one of 1.41, 0.1, both"]


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("30", 30), ("30s", 30), ("500ms", 0.5), ("2m", 120), ("1h", 3600), ("1.5s", 1.5), ("0.5", 0.5)],
)
def test_durations(written: str, seconds: float) -> None:
    settings = read(f"{MODEL}gateway: {{pipeline: {{put_timeout: {written}}}}}").settings
    assert settings.pipeline.put_timeout == seconds


@pytest.mark.parametrize(
    ("written", "size"),
    [("1024", 1024), ("64KiB", 65536), ("1 MiB", 2**20), ("1GiB", 2**30), ("5MB", 5_000_000), ("7B", 7)],
)
def test_sizes(written: str, size: int) -> None:
    assert read(f"{MODEL}gateway: {{pipeline: {{queue_bytes: {written}}}}}").settings.pipeline.queue_bytes == size


def test_an_empty_section_is_no_section() -> None:
    assert read(MODEL + "gateway:\n  pipeline:\nlitellm_settings:\n").settings == read(MODEL).settings


def test_an_option_of_an_earlier_version_is_a_warning_and_changes_nothing() -> None:
    text = MODEL + "gateway: {telemetry: {otlp_encoder: sdk, log_level: error}}"
    assert warnings(text) == ["f.yaml:2: gateway.telemetry.otlp_encoder: of an earlier version; it changes nothing"]
    assert read(text).settings.telemetry.log_level == "error"

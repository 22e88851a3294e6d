"""What keys and teams may do: limits, budgets, models, policies, defaults; and what of it cannot hold."""

import pytest

from app.backends.model_names import ModelNames, ModelPatterns
from app.settings import Alias, Budget, ByteSize, Entitlement, Key, Limits, Team
from tests.unit.configuration.reading import MODEL, SECRET, problems, read, warnings

OTHER_SECRET = "sk-never-to-be-printed-either-01234"
PRICED = (
    "model_list: [{model_name: m, litellm_params: {model: simulated/echo, input_cost_per_token: 0.000001, "
    "output_cost_per_token: 0.000002}}]\n"
)


def gateway(options: str, key: str = "", model: str = PRICED) -> str:
    """A configuration with one key, `a`, in its line 4, of these options and these of the section `gateway`."""
    entry = f"{{name: a, key: {SECRET}, {key}}}"
    return f"{model}gateway:\n  keys:\n  - {entry}\n" + "".join(f"  {line}\n" for line in options.splitlines())


def key_of(text: str, **environ: str) -> Key:
    return read(text, **environ).settings.keys[-1]


def test_a_key_has_models_limits_budgets_policies_and_a_priority() -> None:
    key = key_of(
        gateway(
            "policies: [{use: redact, name: strict, applies: named, config: {patterns: [email]}}]",
            "models: [m, 'gpt-*'], limits: {requests_per_minute: 50, tokens_per_minute: '1000', streams: 5, "
            "request_tokens: 900, request_bytes: 1MiB}, budget: {usd: 5, per: day, warn_at: 0.5}, policies: [strict], "
            "priority: 3",
        )
    )

    assert key.entitlement == Entitlement(
        models=("m", "gpt-*"),
        limits=Limits(50, 1000, 5, 900, ByteSize(1024**2)),
        budgets=(Budget(5.0, "day", warn_at=(0.5,)),),
        policies=("strict",),
        priority=3,
    )


def test_what_a_key_does_not_say_is_as_in_the_defaults_each_limit_by_itself() -> None:
    defaults = "key_defaults: {models: [m], limits: {streams: 5, requests_per_minute: 50}, budget: {usd: 5}}"
    plain = key_of(gateway(defaults)).entitlement
    other = key_of(gateway(defaults, "limits: {streams: unlimited, request_tokens: 9}, budget: unlimited")).entitlement

    assert plain == Entitlement(("m",), Limits(50, streams=5), (Budget(5.0),))
    assert other == Entitlement(("m",), Limits(50, request_tokens=9))


@pytest.mark.parametrize(
    ("section", "environ"),
    [
        (f"general_settings: {{master_key: {SECRET}}}\ngateway:\n", {}),
        (f"gateway:\n  keys: [{SECRET}]\n", {}),
        ("gateway:\n", {"FLOWSPAN_KEY": SECRET}),
    ],
)
def test_the_defaults_hold_for_keys_that_can_say_nothing_themselves(section: str, environ: dict[str, str]) -> None:
    key = key_of(f"{MODEL}{section}  key_defaults: {{limits: {{streams: 5}}}}\n", **environ)
    assert key.entitlement.limits == Limits(streams=5)


def test_a_team_has_limits_budgets_and_models_of_its_own() -> None:
    options = "teams: {t: {models: ['m*'], limits: {streams: 2}, budget: [{usd: 1, mode: warn}, {usd: 2}]}}"
    team = read(gateway(options, "team: t")).settings.teams["t"]
    assert team == Team(Limits(streams=2), (Budget(1.0, mode="warn"), Budget(2.0)), ("m*",))


def test_a_team_without_an_entry_is_fine() -> None:
    assert warnings(gateway("", "team: t")) == []


@pytest.mark.parametrize(
    ("options", "key", "problem"),
    [
        ("", "limits: {stream: 5}", "keys[0].limits.stream: unknown option; did you mean streams?"),
        ("", "limits: {streams: 0}", "keys[0].limits.streams: expected a whole number >= 1"),
        ("", "limits: {streams: many}", "keys[0].limits.streams: expected a whole number or nothing, not text"),
        ("", "limits: {request_bytes: 1XB}", "keys[0].limits.request_bytes: expected a size such as 1024"),
        ("", "limits: [5]", "keys[0].limits: expected a mapping, not a list"),
        ("", "budget: 5", "keys[0].budget: expected a mapping, not a number"),
        ("", "budget: {per: day}", "keys[0].budget.usd: missing"),
        ("", "budget: {usd: 0}", "keys[0].budget.usd: expected a number > 0"),
        ("", "budget: {usd: .inf}", "keys[0].budget.usd: expected a finite number of US dollars"),
        ("", "budget: {usd: 1, per: week}", "keys[0].budget.per: expected one of hour, day, month"),
        ("", "budget: {usd: 1, warn_at: [0]}", "keys[0].budget.warn_at: a share of nothing is always passed"),
        ("", "budget: {usd: 1, warn_at: [80]}", "keys[0].budget.warn_at[0]: expected a number <= 1"),
        ("", "budget: [{usd: 1}, {usd: 2}]", "keys[0].budget[1]: another hard budget is for the same time"),
        ("", "budget: []", "keys[0].budget: has no budget; `budget: unlimited` lifts that of the defaults"),
        ("", "models: []", "keys[0].models: names no model, so that nothing could be asked for"),
        ("", "models: m", "keys[0].models: expected a list, not text"),
        ("", "models: ['']", "keys[0].models[0]: is empty"),
        ("", "priority: 1000", "keys[0].priority: expected a whole number <= 100"),
        ("", "policies: [redact]", "keys[0].policies[0]: no policy has this name; gateway.policies has its name"),
        (
            "policies: [{use: noop, name: strict, applies: named}]",
            "policies: [strct]",
            "keys[0].policies[0]: no policy has this name; did you mean strict?",
        ),
        (
            "policies: [{use: noop, applies: named}, noop]",
            "policies: [noop]",
            "policies[0]: another policy is named noop: give one of them a name",
        ),
        ("teams: {t: 5}", "", "teams.t: expected a mapping, not a number"),
        ("teams: {t: {policies: [x]}}", "", "teams.t.policies: unknown option"),
        ("teams: {t u: {}}", "", "teams.t u: as a team's name, expected 1 to 64 of the characters"),
        ("key_defaults: {team: x}", "", "key_defaults.team: unknown option"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(options: str, key: str, problem: str) -> None:
    found = problems(gateway(options, key))
    assert any(f" gateway.{problem}" in line for line in found), found
    assert all(line.startswith("f.yaml:") and SECRET not in line for line in found)


def test_defaults_without_a_key_are_refused() -> None:
    found = problems(f"{MODEL}gateway:\n  key_defaults: {{limits: {{streams: 5}}}}\n")
    assert found == [
        "f.yaml:3: gateway.key_defaults: holds for keys, and there are none: everybody on this machine may ask without "
        "a limit"
    ]


@pytest.mark.parametrize(
    ("options", "key", "warning"),
    [
        ("", "models: [n]", "keys[0].models[0]: no model has a name like this"),
        ("key_defaults: {models: [m, 'x*']}", "", "key_defaults.models[1]: no model has a name like this"),
        ("teams: {t: {}}", "team: tt", "teams.t: no key has this team"),
        ("policies: [{use: noop, applies: named}]", "", "policies[0]: is applied to nobody: no key names it"),
        ("policies: [noop]", "policies: [noop]", "keys[0].policies[0]: is applied to all requests anyway"),
        (
            "teams: {t: {limits: {streams: 2}}}",
            "team: t, limits: {streams: 3}",
            "keys[0].limits.streams: is never reached: the team t has 2",
        ),
        (
            "key_defaults: {limits: {request_tokens: 9, tokens_per_minute: 8}}",
            "",
            "key_defaults.limits.request_tokens: is never reached: tokens_per_minute is 8",
        ),
        (
            "",
            "limits: {request_bytes: 1GiB}",
            "keys[0].limits.request_bytes: is never reached: gateway.server.body_limit is 33,554,432 bytes",
        ),
        ("", "budget: {usd: 1}", "keys[0].budget: a restart forgets what is spent: set gateway.quotas.store"),
    ],
)
def test_what_changes_nothing_is_a_warning(options: str, key: str, warning: str) -> None:
    found = warnings(gateway(options, key))
    assert any(f" gateway.{warning}" in line for line in found), found


def test_budgets_that_a_restart_may_begin_anew_and_those_with_a_store_are_no_warning() -> None:
    assert warnings(gateway("", "budget: {usd: 1, per: hour}")) == []
    assert warnings(gateway("quotas: {store: 'sqlite:///quotas.db'}", "budget: {usd: 1}")) == []


def test_a_budget_is_refused_where_nothing_has_a_price() -> None:
    budget = "budget: {usd: 1, per: hour}"
    refused = "keys[0].budget: cannot be kept: no price is known of m; give input_cost_per_token"
    assert any(refused in line for line in problems(gateway("", budget, MODEL)))
    assert warnings(gateway("quotas: {unpriced: allow}", budget, MODEL)) == []

    team = f"teams: {{t: {{{budget}}}}}"
    assert any("teams.t.budget: cannot be kept" in line for line in problems(gateway(team, "team: t", MODEL)))


def test_a_model_without_a_price_beside_others_is_a_warning_unless_the_key_may_not_ask_for_it() -> None:
    both = PRICED.replace("}}]", "}}, {model_name: free, litellm_params: {model: simulated/echo}}]")
    found = warnings(gateway("", "budget: {usd: 1, per: hour}", both))
    assert any("keys[0].budget: requests for free are refused under it" in line for line in found), found
    assert warnings(gateway("", "models: [m], budget: {usd: 1, per: hour}", both)) == []


def test_keys_of_one_name_may_do_the_same() -> None:
    same = "models: [m], limits: {streams: 5}"
    text = gateway("", same) + f"  - {{name: a, key: {OTHER_SECRET}, {same}}}\n"
    assert len(read(text).settings.keys) == 2

    text = gateway("", same) + f"  - {{name: a, key: {OTHER_SECRET}, models: [m], limits: {{streams: 6}}}}\n"
    assert problems(text) == [
        "f.yaml:5: gateway.keys[1].limits: differs from that of gateway.keys[0], which has the same name"
    ]


@pytest.mark.parametrize(
    ("patterns", "asked", "may"),
    [
        (["m"], "m", True),
        (["m"], "n", False),
        (["m"], "best", True),
        (["best"], "best", True),
        (["best"], "m", False),
        (["claude-haiku*"], "claude-haiku-4", True),
        (["claude-haiku*"], "claude-opus-4", False),
        (["claude-opus-4"], "claude-opus-4[1m]", True),
        (["claude-haiku*"], "claude-opus-4[1m]", False),
        (["*"], "anything", True),
        (["anthropic/*"], "anthropic/claude-x", True),
        (["anthropic/claude-h*"], "anthropic/claude-x", False),
        (["a.c"], "abc", False),
    ],
)
def test_a_pattern_means_the_name_that_is_asked_for_and_the_model_behind_it(
    patterns: list[str], asked: str, may: bool
) -> None:
    names = ModelNames(["m", "n", "claude-*", "anthropic/*"], {"best": Alias("m")})
    assert ModelPatterns(patterns).match(names.meanings(asked)) is may

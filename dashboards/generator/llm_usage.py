"""LLM usage: tokens, money, the reader's pace, what caches save."""

from grafana_foundation_sdk.builders.dashboard import DashboardLink

from dashboards.generator.frame import Json, Row, choice, dashboard
from dashboards.generator.links import label, logs, traces
from dashboards.generator.metrics import ANSWER, PROMPT, buckets, events, in_range, mean, of_types, quantile, rate
from dashboards.generator.panels import PanelBuilder, Query, bars, heat, latency, number, series
from telemetry.names import metrics as names

UID = "flowspan-llm-usage"

_MODEL = names.GEN_AI_MODEL
_TYPE = names.GEN_AI_TOKEN_TYPE
_BY_PROVIDER = (names.GEN_AI_PROVIDER, _MODEL)
_LEGEND = "{{gen_ai_request_model}} ({{gen_ai_provider_name}})"
"""Several providers may serve a model of one name."""
_MODELS = f'{_MODEL}=~"$model"'
_PAYING = 'model=~"$model"'


def _to_model(name: str) -> list[DashboardLink]:
    """Links by the label `name`. A metric's model is what clients call it, and so is the transaction's; an attempt has
    the provider's name for it."""
    of_model = f'span.flowspan.model = "{label(name)}"'
    return [
        traces("Traces of this model", "kind = server", of_model),
        logs("Logs of this model", f'model="{label(name)}"'),
    ]


_TO_MODEL = _to_model(_MODEL)
_ACCESS = logs("Logs", 'scope_name="flowspan.access"')
_TO_ALL = [traces("Attempts", "kind = client"), _ACCESS]
_TO_COST = [traces("Requests that cost something", "kind = server", "span.flowspan.cost_usd > 0"), _ACCESS]
_TO_ESTIMATED = [traces("Attempts with an estimate", "span.flowspan.usage.estimated = true"), _ACCESS]
_TO_CACHED = [traces("Attempts that read from a cache", "span.gen_ai.usage.cache_read.input_tokens > 0"), _ACCESS]
_TO_MISSED = [traces("Attempts that missed a cache", 'span.flowspan.cache.miss.cause != ""'), _ACCESS]


def build() -> Json:
    return dashboard(
        UID,
        "Flowspan / LLM usage",
        "Tokens and money by model, how fast answers reach their readers, and what prompt caches save.",
        _stats(),
        [Row("Tokens", _tokens()), Row("Prompt caches", _caches()), Row("Money", _money()), Row("Pace", _pace())],
        variables=[choice("model", "Model", names.SERVER_DURATION, _MODEL, part="_count")],
    )


def _tokens_of(*types: str, by: tuple[str, ...] = ()) -> str:
    return rate(names.TOKENS, *by, where=f"{_PAYING},{of_types(*types)}")


def _stats() -> list[PanelBuilder]:
    return [
        number("Input", "Tokens of prompts, a second.", "cps", Query(_tokens_of(*PROMPT), ""), links=_TO_ALL, width=4),
        number("Output", "Tokens of answers, a second.", "cps", Query(_tokens_of(*ANSWER), ""), links=_TO_ALL, width=4),
        number(
            "Spent",
            "US dollars in the time shown, for models whose price is known.",
            "currencyUSD",
            Query(in_range(names.COST, where=_PAYING), ""),
            links=_TO_COST,
            width=4,
        ),
        number(
            "An hour at this rate",
            "US dollars.",
            "currencyUSD",
            Query(f"{rate(names.COST, where=_PAYING)} * 3600", ""),
            links=_TO_COST,
            width=4,
        ),
        number(
            "From a cache",
            "The share of prompt tokens that providers read from a cache.",
            "percentunit",
            Query(f"{_tokens_of('cache_read')} / {_tokens_of(*PROMPT)}", ""),
            links=_TO_CACHED,
            width=4,
        ),
        number(
            "Time per token",
            "Mean time per output token after the first.",
            "s",
            Query(mean(names.SERVER_PER_TOKEN, where=_MODELS), ""),
            links=_TO_ALL,
            width=4,
        ),
    ]


def _tokens() -> list[PanelBuilder]:
    estimated = rate(names.TOKENS_WITHOUT_USAGE, "model", "token_type", where=_PAYING)
    cached = f"{_tokens_of('cache_read', by=('model',))} / {_tokens_of(*PROMPT, by=('model',))}"
    return [
        series(
            "Tokens by model",
            "Tokens of prompts and answers together, a second, for the twenty busiest models.",
            "cps",
            [Query(f"topk(20, {_tokens_of(*PROMPT, *ANSWER, by=('model',))})", "{{model}}")],
            width=10,
            stacked=True,
            links=_to_model("model"),
        ),
        series(
            "Tokens by kind",
            "The same tokens, a second, in parts that add up: input apart from caches, read from and written into one; "
            "output apart from reasoning, and that.",
            "cps",
            [Query(_tokens_of(*PROMPT, *ANSWER, by=("token_type",)), "{{token_type}}")],
            width=7,
            stacked=True,
            links=_TO_ALL,
        ),
        series(
            "From a cache, by model",
            "The share of prompt tokens that the provider read from a cache.",
            "percentunit",
            [Query(cached, "{{model}}")],
            width=7,
            top=1,
            links=_to_model("model"),
        ),
        series(
            "Estimated tokens",
            "Tokens that no provider counted, a second: of streams that broke off or were left, and of answers without "
            "usage. They are among those above, and here for the ten that have most.",
            "cps",
            [Query(f"topk(10, {estimated} > 0)", "{{model}} {{token_type}}")],
            width=12,
            links=_TO_ESTIMATED,
        ),
        heat(
            "Length of prompts",
            "Tokens of each attempt's prompt.",
            "short",
            buckets(names.TOKEN_USAGE, f'{_MODELS},{_TYPE}="input"'),
            width=12,
            links=_TO_ALL,
            exemplars=False,
        ),
    ]


def _caches() -> list[PanelBuilder]:
    return [
        series(
            "Warm caches missed",
            "Prompts that a provider had in its cache and did not read from there, by what changed first.",
            "short",
            [Query(events(names.CACHE_MISSES, "cause", where=_PAYING) + " > 0", "{{cause}}")],
            width=12,
            bars=True,
            links=_TO_MISSED,
        ),
        series(
            "Tokens paid for again",
            "Input tokens, a second, that had been in a cache and were not read from there.",
            "cps",
            [Query(rate(names.CACHE_LOST_TOKENS, "cause", where=_PAYING), "{{cause}}")],
            width=12,
            stacked=True,
            links=_TO_MISSED,
        ),
    ]


def _money() -> list[PanelBuilder]:
    an_hour = f"topk(10, {rate(names.COST, 'provider', 'model', where=_PAYING)} * 3600)"
    spent = f"topk(10, {in_range(names.COST, 'provider', 'model', where=_PAYING)} > 0)"
    return [
        series(
            "Dollars an hour",
            "What the models cost at their present rate, for the ten dearest.",
            "currencyUSD",
            [Query(an_hour, "{{model}} ({{provider}})")],
            width=10,
            stacked=True,
            links=_to_model("model"),
        ),
        bars(
            "Spent, by model",
            "US dollars in the time shown, for the ten dearest.",
            "currencyUSD",
            Query(spent, "{{model}} ({{provider}})"),
            width=7,
            links=_to_model("model"),
        ),
        series(
            "Attempts without a price",
            "Attempts a second at models whose price is not known: what they cost is in none of these sums.",
            "cps",
            [
                Query(
                    f"topk(10, {rate(names.UNPRICED_ATTEMPTS, 'provider', 'model', where=_PAYING)})",
                    "{{model}} ({{provider}})",
                )
            ],
            width=7,
            links=_to_model("model"),
        ),
    ]


def _pace() -> list[PanelBuilder]:
    return [
        *_pair("Time to first token", "From a request's head to the first piece of its answer.", names.SERVER_TTFT),
        *_pair("Time per output token", "Mean of each stream, after its first token.", names.SERVER_PER_TOKEN),
        *latency(
            "Longest silence that clients saw, p95",
            "The longest time of each stream in which nothing of the answer came, comments to keep it alive aside.",
            [Query(quantile(0.95, names.LONGEST_SILENCE, "model", where=_PAYING), "{{model}}")],
            buckets(names.LONGEST_SILENCE, _PAYING),
            dot="a stream",
            links=_to_model("model"),
            all_links=_TO_ALL,
            more="The worst twentieth, by model.",
        ),
        series(
            "Gap between chunks",
            "Mean time between two chunks of a provider. A reader who is slow holds its provider back, so look at the "
            "queues, too.",
            "s",
            [Query(mean(names.CLIENT_PER_CHUNK, *_BY_PROVIDER, where=_MODELS), _LEGEND)],
            width=12,
            links=_TO_MODEL,
        ),
        heat(
            "Gap between chunks, all of them",
            "Time between two chunks of a provider.",
            "s",
            buckets(names.CLIENT_PER_CHUNK, _MODELS),
            width=12,
            links=_TO_ALL,
            exemplars=False,
        ),
    ]


def _pair(title: str, what: str, spec: names.MetricSpec) -> list[PanelBuilder]:
    return latency(
        f"{title}, p95",
        what,
        [Query(quantile(0.95, spec, *_BY_PROVIDER, where=_MODELS), _LEGEND)],
        buckets(spec, _MODELS),
        dot="a request",
        links=_TO_MODEL,
        all_links=_TO_ALL,
        more="The slowest twentieth, by model.",
    )

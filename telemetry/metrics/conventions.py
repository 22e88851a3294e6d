"""The metrics of attempts under the names of one release of the GenAI conventions, or of two.

Attempts are counted once, by instruments that know nothing of names; here is how these are shown. Release 0.1 tells
inference, embeddings and other calls apart by the metric's name, and sums tokens in counters, to which an attempt that
failed adds zero (github.com/open-telemetry/semantic-conventions-genai, docs/gen-ai/client-inference.md).
"""

from collections.abc import Iterator
from dataclasses import dataclass

from telemetry.metrics.families import (
    Distribution,
    Family,
    HistogramFamily,
    Instrument,
    Number,
    NumberFamily,
    Selection,
    SumFamily,
)
from telemetry.names import UNKNOWN_MODALITY
from telemetry.names import metrics as names
from telemetry.names.semconv import EMBEDDINGS, INFERENCE, Semconv

_OPERATION, _TOKEN_TYPE, _PART = 0, 4, 3
"""The positions of labels: of two of an attempt's, and of the type of tokens where they are counted in parts."""
_NOT_RENAMED = Selection(never={_OPERATION: INFERENCE | EMBEDDINGS})
_INFERENCE = Selection(only={_OPERATION: INFERENCE})
_EMBEDDINGS = Selection(only={_OPERATION: EMBEDDINGS})


@dataclass(frozen=True)
class AttemptInstruments:
    """What is counted of attempts, by operation, provider, model and deployment."""

    duration: Instrument[Distribution]
    """It has one label more, the type of the error."""
    first_chunk: Instrument[Distribution]
    per_chunk: Instrument[Distribution]
    tokens: Instrument[Distribution]
    """It has one label more, the type of the tokens."""


def families(semconv: Semconv, counted: AttemptInstruments) -> Iterator[Family]:
    """How the instruments are exposed."""
    if semconv == "0.1":
        yield HistogramFamily(names.CLIENT_DURATION, counted.duration, _NOT_RENAMED)
    else:
        yield from _until_1_41(counted)
    if semconv != "1.41":
        yield from _since_0_1(counted)


def _until_1_41(counted: AttemptInstruments) -> Iterator[Family]:
    yield HistogramFamily(names.CLIENT_DURATION, counted.duration)
    yield HistogramFamily(names.CLIENT_TTFC, counted.first_chunk)
    yield HistogramFamily(names.CLIENT_PER_CHUNK, counted.per_chunk)
    yield HistogramFamily(names.TOKEN_USAGE, counted.tokens)


def _since_0_1(counted: AttemptInstruments) -> Iterator[Family]:
    yield HistogramFamily(names.INFERENCE_DURATION, counted.duration, _INFERENCE)
    yield HistogramFamily(names.INFERENCE_TTFC, counted.first_chunk, _INFERENCE)
    yield HistogramFamily(names.INFERENCE_PER_CHUNK, counted.per_chunk, _INFERENCE)
    yield HistogramFamily(names.INFERENCE_INPUT_TOKENS, counted.tokens, _tokens(INFERENCE, "input"))
    yield HistogramFamily(names.INFERENCE_OUTPUT_TOKENS, counted.tokens, _tokens(INFERENCE, "output"))
    yield HistogramFamily(names.EMBEDDINGS_DURATION, counted.duration, _EMBEDDINGS)
    yield HistogramFamily(names.EMBEDDINGS_INPUT_TOKENS, counted.tokens, _tokens(EMBEDDINGS, "input"))
    for spec, token_type in (
        (names.USAGE_INPUT, "input"),
        (names.USAGE_OUTPUT, "output"),
    ):
        yield SumFamily(spec, counted.tokens, _tokens(INFERENCE, token_type, UNKNOWN_MODALITY))


def families_of_parts(semconv: Semconv, tokens: Instrument[Number]) -> Iterator[Family]:
    """How the parts of usage are exposed. `tokens` counts by provider, model, deployment and type."""
    if semconv == "1.41":
        return
    for spec, token_type in (
        (names.USAGE_CACHE_READ, "cache_read"),
        (names.USAGE_CACHE_WRITE, "cache_write"),
        (names.USAGE_REASONING, "reasoning"),
    ):
        only = {_PART: frozenset({token_type})}
        yield NumberFamily(spec, tokens, Selection(only=only, hidden=frozenset({_PART}), added=(UNKNOWN_MODALITY,)))


def _tokens(operations: frozenset[str], token_type: str, *added: str) -> Selection:
    """The tokens of one type, without the label that says so."""
    only = {_OPERATION: operations, _TOKEN_TYPE: frozenset({token_type})}
    return Selection(only=only, hidden=frozenset({_TOKEN_TYPE}), added=added)

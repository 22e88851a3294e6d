"""What the gateway tells of itself: metrics, spans and log lines. `app` says what happened; this decides what is told.

process ............ `setup` builds a process's telemetry, which opens transactions
operations ......... what an operator does while it runs
transaction/ ....... one transaction: its trace, attempts, policies, queues, breakers, and its one end
recording/ ......... what it measures while it runs; integers and times, no output
prompt_cache/ ...... why a provider's warm prompt cache was missed
live/ .............. the open transactions: sampled once a second, and a snapshot
traces/ metrics/ logs/ ... where it goes
environment/ ....... the standard OTEL_* variables, read and checked
otlp, export, periodic, delivery/ ... batches to a collector or to stdout, and what became of them
names .............. the only home of what users see: metrics, attributes, events, labels
redact, limits, key_shapes, exceptions, hosts, guard ... what may be told, how much, and to whom
"""

from telemetry.live.streams import QueueView, Snapshot, StreamView
from telemetry.metrics.exposition import MetricsServer
from telemetry.metrics.keys import KeyIdentity, KeyTotals
from telemetry.metrics.merged import MergedMetrics
from telemetry.metrics.operations import OperationMetrics
from telemetry.metrics.quotas import BudgetWarning, LimitedKey, QuotaFigure, QuotaState
from telemetry.metrics.recordings import RecorderReading
from telemetry.metrics.registry import ConnectionMetrics
from telemetry.metrics.workers import Worker
from telemetry.operations import Operations
from telemetry.process import Telemetry, setup
from telemetry.prompt_cache import PromptForm, PromptForms
from telemetry.recording.ledger import TimeLedger
from telemetry.recording.queue_stats import QueueStats
from telemetry.redact import Scrubber
from telemetry.tokens import Tokens
from telemetry.traces.http import HttpRequest
from telemetry.transaction.attempt import Attempt, AttemptAllowance, AttemptTarget
from telemetry.transaction.attempts import AttemptTelemetry
from telemetry.transaction.breakers import BreakerTelemetry
from telemetry.transaction.context import ObservabilityContext
from telemetry.transaction.policies import PolicyTelemetry
from telemetry.transaction.services import TelemetryOptions
from telemetry.transaction.tape import AttemptTape, Tape, TapedBytes, TapeRoom
from telemetry.transaction.taping import TapedTransaction, TransactionTaker
from telemetry.transaction.view import TransactionView

__all__ = [
    "Attempt",
    "AttemptAllowance",
    "AttemptTape",
    "AttemptTarget",
    "AttemptTelemetry",
    "BreakerTelemetry",
    "BudgetWarning",
    "ConnectionMetrics",
    "HttpRequest",
    "KeyIdentity",
    "KeyTotals",
    "LimitedKey",
    "MergedMetrics",
    "MetricsServer",
    "ObservabilityContext",
    "OperationMetrics",
    "Operations",
    "PolicyTelemetry",
    "PromptForm",
    "PromptForms",
    "QueueStats",
    "QueueView",
    "QuotaFigure",
    "QuotaState",
    "RecorderReading",
    "Scrubber",
    "Snapshot",
    "StreamView",
    "Tape",
    "TapeRoom",
    "TapedBytes",
    "TapedTransaction",
    "Telemetry",
    "TelemetryOptions",
    "TimeLedger",
    "Tokens",
    "TransactionTaker",
    "TransactionView",
    "Worker",
    "setup",
]

"""What happens to a stream between its provider and its client.

    orchestrator     requests, whole responses and streams through the policies; builds the pipeline of a stream:
    executor           stage 1: what the provider sends, through every policy (`policies`)
    queues             policy_out and sse, the bounded queues behind the stages
    queue_stage        what the two that read a queue have in common: no task until they need one
    client_formatter   stage 2: chunks to the bytes of the client's dialect
    sender             the last step: bytes to the client
    admission        whether a stream may enter at all
    policies/        one policy at work on one transaction

It may import `dialects`, `policies`, `breakers`, `telemetry` and what lies in `app` itself; never `gateway` or
`backends`.
"""

from app.pipeline.admission import Admission, AdmissionControl
from app.pipeline.executor import PolicyExecutor
from app.pipeline.orchestrator import PolicyOrchestrator
from app.pipeline.queues import ByteBudget, StageQueue

__all__ = [
    "Admission",
    "AdmissionControl",
    "ByteBudget",
    "PolicyExecutor",
    "PolicyOrchestrator",
    "StageQueue",
]

"""Flowspan: an LLM gateway in which every moment of every stream is accounted for.

The way of a request, with the modules that carry it:

    client
      | HTTP
    gateway.door            the key is checked before anything is read
    gateway.routes          path -> dialect and work; of a response that a provider keeps: gateway.stored_responses
    gateway.exchange        owns span, tasks, upstream and reply; one outcome, whatever happens
      | body                gateway.body, dialects.body
    dialects.*              decode_request: the client's body -> messages.Request
    pipeline.orchestrator   process_request: every policy's on_request
    backends.router         deployment, retries, fallbacks, breakers
    backends.*              direct, litellm, simulated: -> AsyncIterator[messages.ModelResponse]
      |
    pipeline.executor       stage 1: pipeline.hooks over pipeline.blocks, one link per policy
    pipeline.queues         policy_out: StageQueue[ModelResponse]
    pipeline.client_formatter   stage 2: dialects.* formatter, chunks -> SSE bytes
    pipeline.queues         sse: StageQueue[bytes]
    gateway.reply           one send per batch
      |
    client

A response that is not streamed takes the same hooks without the queues (pipeline.whole). `main.create_app` makes all
long-lived objects. Imports go one way: main -> gateway -> pipeline, backends, dialects, policies -> messages, errors,
settings; everything may import telemetry, which imports nothing of this.
"""

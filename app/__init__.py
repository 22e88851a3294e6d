"""Flowspan: an LLM gateway in which every moment of every stream is accounted for.

The way of a request, with the modules that carry it:

    client
      | HTTP
    edge                    accepted sockets -> requests, one at a time; what strangers send is bounded here
    gateway.application     the route is found, and the key is checked before anything is read
    gateway.exchange        owns span, tasks, upstream and reply; one outcome, whatever happens
      | body                gateway.body, bodies.request_body: received, checked and decoded within a budget
    gateway.handlers        what is done for a request on this route
    dialects.*              decode_request: the client's body -> messages.Request
    pipeline.orchestrator   process_request: every policy's on_request
    pipeline.admission      whether a stream may enter, before a provider is asked
    backends.router         deployment, retries and their budget, fallbacks, breakers per deployment and caller
    admission               a slot of the deployment, or a fair and bounded wait for one
    backends.*              direct, litellm, simulated: -> opened_stream.OpenedStream, or the error
      |                     only now the pipeline is built
    pipeline.executor       stage 1: pipeline.policies.link over pipeline.policies.blocks, one link per policy
    pipeline.queues         policy_out: StageQueue[messages.Received]
    pipeline.client_formatter   stage 2: dialects.* formatter, chunks -> SSE bytes
    pipeline.queues         sse: StageQueue[bytes]
    gateway.reply           one send per batch
      |
    client

Each of the last five works in the turn of the one before it (stages), down to the read of the provider's connection.
A response that is not streamed takes the same hooks without the queues (pipeline.policies.whole). Which fields of
requests and answers hold text is in `app.text_fields`. `serving` runs the process: listening, signals, its end; `run`
a program with a gateway before it. `lookups` finds the addresses of names, `loop_stalls` knows when the event loop
stood still, `time_slices` cuts long work on it. `request_ids` finds whose a request is, `proxies` who its client is.
`main.compose` makes all long-lived objects, and a reload's.

What passes can be looked at, beside the way of a request and never in it:

    telemetry               a tape of each transaction, where transactions are recorded; snapshots of what is in flight
    recorder                tapes of ended transactions -> recordings, masked, in a store; bundles; explanations
    transcripts             what a recording says: conversation, answer, what changed
    console                 both as pages of the process, on a thread and a port of its own
    live_view               a running gateway on a terminal, by the console's feed
    replay, backends.replay a recording once more, through this same pipeline

Imports go one way: cli -> run, serving -> console -> replay -> edge, main -> gateway -> pipeline, backends, dialects,
policies -> messages, errors, settings; everything may import telemetry, which imports nothing of this.
"""

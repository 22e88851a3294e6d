"""Spans, on their way from a transaction to a collector.

    Tracer.start_root   makes a RecordedSpan: plain slots, one owner; ids and sampler are the SDK's      spans
    decide              asks the sampler, once the model is known; an unsampled span records nothing
    set, event, link    keep values as they are; text of others is scrubbed of keys and bounded
    end                 keeps the span until its transaction's ends: then all go to the sink together
    encode              writes each by the template of its shape                            span_shapes, otlp_encoding
    Batcher.offer       keeps the bytes until a batch is full or its time has come                      telemetry.export
    otlp                puts a batch into one message and sends it, in the batcher's thread              telemetry.otlp

Routes that are no transactions have spans of the SDK's own tracers: `sdk_spans` makes them fit for the same encoder.
`http` decides which parts of a request's head a span may hold.
"""

"""Circuit breakers: for the queues of the pipeline, for deployments, and in front of each for every single caller.

    breaker ............... the state machine, and its theory of operation
    trip_rules ............ when it opens
    callers ............... one for all callers behind one for each caller whose requests failed
    queues, deployments ... what the pipeline and the backends ask
    panel ................. all of them by name, for an operator
    reporting ............. changes of state -> telemetry

All but `reporting` is pure: time comes in, changes of state go out. The pipeline's `admission` and the backends'
`attempts` hold the clock, and report. Imports `errors` and `settings`, and of telemetry its names; nothing of the
pipeline or the backends.
"""

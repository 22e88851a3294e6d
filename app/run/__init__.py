"""`flowspan run -- PROGRAM`: a program whose requests to models pass through a gateway of this process.

upstreams ... the configuration for a program with credentials of its own
agents ...... what each program has to be told, so that it asks the gateway
child ....... the program, which has the terminal; its signals and its exit status
log ......... the gateway's log lines: none is written where the program writes
summary ..... what the session came to
recorded .... what the recordings of the session say of it
gateway ..... the gateway of a run, with its console
session ..... the run, from its start to its end
"""

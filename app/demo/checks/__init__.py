"""An acceptance test that is shipped: `flowspan demo --once` holds the gateway to its promises, wherever it is run.

incident ........ the bounded run: every kind of client and fault once
evidence ........ what it leaves behind: what clients saw, traces, a scrape of /metrics
traffic, faults, accounting ... what is promised, each a function from evidence to what was found instead, or None
verdicts ........ all of them, and the exit status
report .......... what is printed
"""

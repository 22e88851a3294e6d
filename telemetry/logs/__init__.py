"""The process's log.

records .... what a record carries beside its message, and what of both may be logged
console .... JSON lines on stderr, written by a thread
otlp ....... the same lines for the collector
"""

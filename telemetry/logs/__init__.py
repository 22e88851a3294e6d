"""The process's log.

records .... what a record carries beside its message, and what of both may be logged
console .... lines on stderr, written by a thread: JSON, or readable ones on a terminal
readable ... lines for people
otlp ....... the same lines for the collector
"""

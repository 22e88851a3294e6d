"""What a transaction measures while it runs. Plain counting on integers and a monotonic clock, no output.

recorder ........ chunks, bytes, gaps, time to first token
ledger .......... whom the transaction was waiting for, at each moment exactly one
queue_stats ..... one queue: items, bytes, residence, high water
timeline ........ monotonic seconds as Unix nanoseconds
log_buckets ..... durations, from which percentiles are read
content ......... messages, where the operator wants them captured
chunks .......... what is read of a chunk, as protocols
"""

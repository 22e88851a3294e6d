"""Transactions that are under way.

moments .... what happened lately, in bounded rings
streams .... the open transactions and their queues, on their way into the metrics; a snapshot for a live view
merged ..... several snapshots as that of one gateway
sampler .... once a second: moves their counts, sets gauges, measures the event loop's lag
"""

"""Prometheus metrics, made from the declarations in `names.metrics`.

registry ........ all metrics of a process, gathered by subject
traffic, flow ... requests and attempts; queues, policies and breakers
deployments ..... how each deployment does
pools ........... connections to providers
workers ......... the processes that serve together
instruments ..... counters and histograms that are cheap to move, and bounded labels
cells ........... where their numbers lie: in memory, or
cell_files ...... in files that another process reads
sums ............ the series of several processes as one
merged .......... the metrics of several processes, for the one that looks after the others
processes ....... CPU time, memory and descriptors of several processes
families ........ how instruments are exposed
rendering ....... the text of a scrape
exposition ...... the port that shows it
"""

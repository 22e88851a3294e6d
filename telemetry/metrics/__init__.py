"""Prometheus metrics, made from the declarations in `names.metrics`.

registry ........ all metrics of a process, gathered by subject
traffic, flow ... requests and attempts; queues, policies and breakers
deployments ..... how each deployment does
pools ........... connections to providers
instruments ..... counters and histograms that are cheap to move, and bounded labels
families ........ how instruments are exposed
rendering ....... the text of a scrape
exposition ...... the port that shows it
"""

"""`python -m tests.real.pictures`: the dashboards as pictures of a live run, in `docs/img/`.

Not Grafana's own drawing: each panel's queries are asked of the run's Prometheus and drawn where the dashboard has it.

page        a dashboard: rows, panels, their places
charts      graphs, heatmaps, timelines, bars, numbers
picture     the pipeline's boxes and arrows
lists       traces and log lines, as they arrived behind the collector
look        colours and units
"""

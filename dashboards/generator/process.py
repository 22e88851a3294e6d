"""How the process itself is, and its telemetry: the last rows of the flow overview."""

from dashboards.generator.links import logs
from dashboards.generator.metrics import events, greatest, mean, rate, selected, time_left, total
from dashboards.generator.panels import FILL, PanelBuilder, Query, bars, series
from telemetry.names import metrics as names


def process() -> list[PanelBuilder]:
    cpu, memory, opened, limit = (
        _process_metric(name)
        for name in (
            "process_cpu_seconds_total",
            "process_resident_memory_bytes",
            "process_open_fds",
            "process_max_fds",
        )
    )
    started = _process_metric("process_start_time_seconds")
    restarts = f"sum by (instance) ({selected(started)} > bool ({selected(started)} offset $__interval))"
    lines = [logs("Logs of warnings and errors", 'severity_text=~"WARNING|ERROR|CRITICAL"')]
    configuration = [logs("Logs of reloads", 'scope_name="flowspan.config"')]
    is_bad = f"{greatest(names.CONFIG_SUCCESSFUL, 'instance')} == 0"
    bad_since = f"{greatest(names.CONFIG_SUCCESS_TIME, 'instance')} and {is_bad}"
    return [
        series("CPU", "Cores in use.", "short", [Query(rate(cpu, "instance"), "{{instance}}")], width=6, links=lines),
        series(
            "Memory",
            "Resident memory of the process.",
            "bytes",
            [Query(total(memory, "instance"), "{{instance}}")],
            width=6,
            links=lines,
        ),
        series(
            "File descriptors",
            "Open ones over how many there may be; an open stream takes about two.",
            "percentunit",
            [Query(f"{total(opened, 'instance')} / {total(limit, 'instance')}", "{{instance}}")],
            width=6,
            links=lines,
        ),
        series(
            "Lateness of the event loop",
            "How late a timer runs, on average: everything else waits so long, too. Code that blocks shows here.",
            "s",
            [Query(mean(names.LOOP_LAG, "instance"), "{{instance}}")],
            width=6,
            links=lines,
        ),
        series(
            "Bodies held",
            "Bytes of requests and whole answers in memory, and how many there may be: beyond it requests are refused.",
            "bytes",
            [
                Query(total(names.BODY_BYTES, "instance"), "{{instance}}"),
                Query(total(names.BODY_LIMIT, "instance"), "limit of {{instance}}"),
            ],
            width=6,
            links=[logs("Logs of refused requests", 'outcome=~"overloaded|breaker_open"')],
        ),
        series(
            "Restarts",
            "Starts of a process in the place of another one, one bar each.",
            "short",
            [Query(restarts, "{{instance}}")],
            width=6,
            bars=True,
            links=lines,
        ),
        series(
            "Connections of clients",
            "Open ones, idle ones included.",
            "short",
            [Query(total(names.CONNECTIONS, "instance"), "{{instance}}")],
            width=6,
            links=lines,
        ),
        series(
            "Connections turned away",
            "A second, by reason: too many in all, too many from one address, no file descriptor left, broken off, or "
            "no TLS in time and with the certificate that is asked for.",
            "cps",
            [Query(rate(names.CONNECTIONS_REFUSED, "reason"), "{{reason}}")],
            width=6,
            links=lines,
        ),
        series(
            "Configuration in use",
            "Which one: 1 is that of the start, and each reload that changes something adds 1. Gateways "
            "that should agree and do not were not all reloaded.",
            "short",
            [Query(greatest(names.CONFIG_GENERATION, "instance"), "{{instance}}")],
            width=8,
            links=configuration,
        ),
        series(
            "Reloads of the configuration",
            "Attempts to read it anew, by what became of them: after one that was refused the one before stays.",
            "short",
            [Query(events(names.CONFIG_RELOADS, "result"), "{{result}}")],
            width=8,
            bars=True,
            links=configuration,
        ),
        series(
            "Time since the configuration was good",
            "Since it was last read and could be used; nothing while the last attempt was no failure.",
            "s",
            [Query(f"time() - ({bad_since})", "{{instance}}")],
            width=8,
            links=configuration,
        ),
        series(
            "Workers",
            "Processes that take requests; one where a single process is the whole gateway.",
            "short",
            [Query(total(names.WORKERS, "instance"), "{{instance}}")],
            width=12,
            links=lines,
        ),
        series(
            "Workers replaced",
            "Processes in whose place another was started, by reason: in a rolling restart as they should be, or as "
            "they died (killed for want of memory, crashed, or by themselves), and their streams with them.",
            "short",
            [Query(events(names.WORKER_RESTARTS, "instance", "reason") + " > 0", "{{instance}} {{reason}}")],
            width=12,
            bars=True,
            links=lines,
        ),
        bars(
            "Time until the certificate expires",
            "Of the certificate that the gateway's port is served with, by whom it names; none for plain HTTP.",
            "s",
            Query(time_left(names.CERTIFICATE_EXPIRY, "subject"), "{{subject}}"),
            width=12,
            links=configuration,
        ),
        series(
            "Versions",
            "Gateways by version: two while a new one is rolled out.",
            "short",
            [Query(total(names.BUILD_INFO, "version", "python"), "{{version}}, Python {{python}}")],
            width=12,
            links=lines,
        ),
        series(
            "Requests to no model",
            "A second, by route and status: the list of models, probes, and paths that nobody serves (other).",
            "reqps",
            [Query(rate(names.OTHER_REQUESTS, "route", "status") + " > 0", "{{route}} {{status}}")],
            width=12,
            links=[logs("Logs of requests to no model", 'scope_name="flowspan.access.other"')],
        ),
    ]


def recordings() -> list[PanelBuilder]:
    waiting = f"{total(names.RECORDER_WAITING, 'instance')} / ({total(names.RECORDER_WAITING_LIMIT, 'instance')} > 0)"
    lines = [logs("Logs of the recorder", 'scope_name="flowspan.recorder"')]
    return [
        series(
            "Recordings",
            "Written into the store, a second, and lost, by reason. Nothing is here where nothing is recorded.",
            "cps",
            [
                Query(rate(names.RECORDINGS_WRITTEN, "instance"), "written by {{instance}}"),
                Query(rate(names.RECORDINGS_LOST, "reason") + " > 0", "lost: {{reason}}"),
            ],
            width=8,
            links=lines,
        ),
        series(
            "Recordings that wait",
            "How full the backlog of the recorder is. When it is full, recordings are lost, and no request.",
            "percentunit",
            [Query(waiting, "{{instance}}")],
            width=8,
            top=1,
            steps=FILL,
            links=lines,
        ),
        series(
            "Bytes of recordings",
            "What the store has in use; it is bounded by recorder.max_size or recorder.memory.",
            "bytes",
            [Query(total(names.RECORDER_STORE, "instance"), "{{instance}}")],
            width=8,
            links=lines,
        ),
    ]


def telemetry_itself() -> list[PanelBuilder]:
    waiting = f"{total(names.TELEMETRY_QUEUE, 'signal')} / {total(names.TELEMETRY_CAPACITY, 'signal')} >= 0"
    lost = rate(names.TELEMETRY_DROPPED, "signal", "reason", where='signal!="content"') + " > 0"
    lines = [logs("Logs of the exports", 'scope_name="telemetry.export"')]
    return [
        series(
            "Waiting to be sent",
            "How full the queues of spans, log records and lines are. When one is full, the next items are lost.",
            "percentunit",
            [Query(waiting, "{{signal}}")],
            width=8,
            top=1,
            steps=FILL,
            links=lines,
        ),
        series(
            "Batches sent",
            "Batches of spans, log records and lines, a second, by whether they arrived.",
            "cps",
            [Query(rate(names.TELEMETRY_EXPORTS, "signal", "result"), "{{signal}} {{result}}")],
            width=8,
            links=lines,
        ),
        series(
            "Lost",
            "Spans, log records, lines and events that were dropped, a second. Content that was cut is not in it.",
            "cps",
            [Query(lost, "{{signal}} {{reason}}")],
            width=8,
            links=lines,
        ),
    ]


def _process_metric(name: str) -> names.MetricSpec:
    return next(spec for spec in names.PROCESS if spec.name == name)

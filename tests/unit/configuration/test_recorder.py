"""The section `gateway.recorder`: how a store is written, what lets nothing through, and that no password is shown."""

import pytest

from app.configuration.summary import summary
from app.main import secrets_of
from tests.unit.configuration.reading import MODEL, SECRET, problems, read, warnings

FORMS = "expected off, memory, sqlite:///FILE or postgresql://USER:PASSWORD@HOST/DATABASE"


@pytest.mark.parametrize(
    ("recorder", "store"),
    [
        ("off", "off"),
        ("memory", "memory"),
        ("{store: 'sqlite:///recordings.db'}", "sqlite:///recordings.db"),
        ("os.environ/STORE", "postgresql://flowspan:p%40ss@db/flowspan"),
    ],
)
def test_each_kind_of_store(recorder: str, store: str) -> None:
    settings = read(
        f"{MODEL}gateway: {{recorder: {recorder}}}", STORE="postgresql://flowspan:p%40ss@db/flowspan"
    ).settings

    assert settings.recorder.store == store


@pytest.mark.parametrize(
    ("store", "message"),
    [
        ("disk", FORMS),
        ("recordings.db", f"{FORMS}; for a file write sqlite:///FILE"),
        ("sqlite:recordings.db", "expected sqlite:///FILE, with four slashes for an absolute path"),
        ("sqlite:///", "expected sqlite:///FILE, with four slashes for an absolute path"),
        ("sqlite:///folder/", "expected a file after sqlite:///, without options"),
        ("sqlite:////nowhere/at/all/recordings.db", "the folder /nowhere/at/all is not there"),
        ("postgres://u:p@db/flowspan", f"{FORMS}; the scheme is postgresql://"),
        (
            "postgresql://u:p@db",
            "expected postgresql://USER:PASSWORD@HOST/DATABASE, with the name of a database",
        ),
        ("mysql://u:p@db/x", f"{FORMS}; of databases there are SQLite and PostgreSQL"),
    ],
)
def test_a_store_that_is_none_is_refused_with_its_line(store: str, message: str) -> None:
    text = f"{MODEL}gateway:\n  recorder:\n    store: '{store}'\n"

    assert problems(text) == [f"f.yaml:4: gateway.recorder.store: {message}"]


def test_sizes_and_choices_are_checked() -> None:
    text = f"{MODEL}gateway:\n  recorder:\n    store: memory\n    memory: 10KiB\n    outcomes: some\n    sample: 2\n"

    assert [problem.partition(" ")[0] for problem in problems(text)] == ["f.yaml:5:", "f.yaml:6:", "f.yaml:7:"]
    assert problems(f"{MODEL}gateway:\n  recorder:\n    store: memory\n    memory: 10KiB\n") == [
        "f.yaml:5: gateway.recorder.memory: must be at least 1 MiB"
    ]


def test_filters_that_let_nothing_through_are_warnings() -> None:
    text = (
        f"{MODEL}gateway:\n  keys: [{{name: alice, key: {SECRET}}}]\n"
        "  recorder:\n    store: memory\n    keys: [alice, alise]\n    models: [m, 'm*', 'x*', n]\n    sample: 0\n"
        "    backlog: 1MiB\n"
    )

    assert warnings(text) == [
        "f.yaml:6: gateway.recorder.keys[1]: no key has this name, so it lets nothing through; did you mean alice?",
        "f.yaml:7: gateway.recorder.models[2]: no model has this name, so it lets nothing through",
        "f.yaml:7: gateway.recorder.models[3]: no model has this name, so it lets nothing through",
        "f.yaml:8: gateway.recorder.sample: nothing is recorded but what leads to failures",
        "f.yaml:9: gateway.recorder.backlog: is less than recording_limit: the largest recordings are always lost",
    ]


def test_litellms_promise_to_keep_content_out_of_records_counts_for_recordings() -> None:
    text = f"{MODEL}litellm_settings: {{turn_off_message_logging: true}}\ngateway:\n  recorder: memory\n"

    assert problems(text) == [
        "f.yaml:4: gateway.recorder.store: records the content that litellm_settings.turn_off_message_logging keeps "
        "out of records"
    ]


def test_the_summary_says_what_is_kept_and_where_and_never_a_password() -> None:
    text = f"{MODEL}gateway: {{recorder: {{store: os.environ/STORE, outcomes: failures, keys: [none], sample: 0.25}}}}"
    settings = read(text, STORE="postgresql://flowspan:p%40ss@db:5433/flowspan?sslmode=require").settings

    assert summary(settings).partition("recorder\n")[2].splitlines()[:2] == [
        "  in the database db:5433/flowspan, 2 GiB and 7 days at most",
        "  failures only; keys none; 0.25 of all conversations; with a failure, 32 before it",
    ]
    assert {"p%40ss", "p@ss"} <= set(secrets_of(settings))
    assert "recorder" not in summary(read(MODEL).settings)

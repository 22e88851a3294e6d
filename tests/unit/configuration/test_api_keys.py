"""Keys of callers: with names, as hashes, in files; until when they count, and what is wrong with an entry."""

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from click.testing import CliRunner

from app.cli import main
from app.configuration import ConfigurationRefused, parse
from app.main import secrets_of
from app.settings import Key, digest_of
from tests.unit.configuration.reading import MODEL, SECRET, problems, read, warnings

OTHER_SECRET = "sk-never-to-be-printed-either-01234"
HASH = f"sha256:{sha256(SECRET.encode()).hexdigest()}"


def keys(*entries: str) -> str:
    """The configuration with these entries, the first of which is in its line 4."""
    return MODEL + "gateway:\n  keys:\n" + "".join(f"  - {entry}\n" for entry in entries)


def test_an_entry_has_a_name_a_team_labels_and_an_end() -> None:
    entry = f"{{name: ci, key: {SECRET}, team: a:b@c, labels: {{stage: prod, cost-centre: '42'}}, expires: 2999-01-31}}"
    (key,) = read(keys(entry)).settings.keys
    assert key == Key(
        digest_of(SECRET),
        "ci",
        SECRET,
        "a:b@c",
        {"stage": "prod", "cost-centre": "42"},
        datetime(2999, 1, 31, 23, 59, 59, tzinfo=UTC),
    )
    assert SECRET not in repr(key)


def test_the_key_may_be_a_hash_or_in_a_file_or_a_variable(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "ci").write_text(f"{SECRET}\n")
    entries = (
        (f"{{name: a, key_hash: '{HASH}'}}", None),
        (f"{{name: a, key_hash: 'sha256:{HASH.removeprefix('sha256:').upper()}'}}", None),
        ("{name: a, key_hash: os.environ/HASH}", None),
        ("{name: a, key: os.environ/KEY}", SECRET),
        ("{name: a, key_file: keys/ci}", SECRET),
        (f"{{name: a, key_file: '{tmp_path / 'keys' / 'ci'}'}}", SECRET),
    )
    for entry, secret in entries:
        environ = {"HASH": HASH, "KEY": SECRET}
        settings = parse(keys(entry), str(tmp_path / "flowspan.yaml"), environ).settings
        assert settings.keys == (Key(digest_of(SECRET), "a", secret),), entry
        assert secrets_of(settings) == ([] if secret is None else [secret])


@pytest.mark.parametrize(
    ("written", "read_as"),
    [
        ("2999-01-31T12:00:00Z", datetime(2999, 1, 31, 12, tzinfo=UTC)),
        ("2999-01-31 12:00:00+02:00", datetime(2999, 1, 31, 10, tzinfo=UTC)),
        ("'2999-01-31'", datetime(2999, 1, 31, 23, 59, 59, tzinfo=UTC)),
        ("9999-12-31", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_a_day_counts_to_its_end_and_a_time_has_its_zone(written: str, read_as: datetime) -> None:
    (key,) = read(keys(f"{{name: a, key: {SECRET}, expires: {written}}}")).settings.keys
    assert key.expires == read_as


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("{key: S}", "[0].name: missing"),
        ("{name: a}", "[0]: expected exactly one of key, key_hash and key_file"),
        ("{name: a, key: S, key_hash: 'H'}", "[0]: expected exactly one of key, key_hash and key_file"),
        ("{name: a, key: S, teem: x}", "[0].teem: unknown option; did you mean team?"),
        ("{name: a b, key: S}", "[0].name: expected 1 to 64 of the characters A-Z a-z 0-9 _ . : @ -"),
        (f"{{name: {'a' * 65}, key: S}}", "[0].name: expected 1 to 64 of the characters A-Z a-z 0-9 _ . : @ -"),
        ("{name: none, key: S}", "[0].name: none is no name for a key: telemetry calls others so"),
        ("{name: S, key: S}", "[0].name: is the key itself: telemetry would show it"),
        ("{name: a, key: S, team: ''}", "[0].team: expected 1 to 64 of the characters A-Z a-z 0-9 _ . : @ -"),
        ("{name: a, key: S, labels: [b]}", "[0].labels: expected a mapping, not a list"),
        ("{name: a, key: S, labels: {b: 1}}", "[0].labels.b: expected text, not a number; a number stands in quotes"),
        ("{name: a, key: S, labels: {b c: d}}", "[0].labels.b c: as a label's name, expected 1 to 64 of"),
        ("{name: a, key: S, labels: {b: 'LONG'}}", "[0].labels.b: expected at most 256 printable characters"),
        ("{name: a, key: S, labels: {MANY}}", "[0].labels: expected at most 16 labels"),
        ("{name: a, key: S, expires: soon}", "[0].expires: expected a day such as 2027-01-31, or a time with its zone"),
        (
            "{name: a, key: S, expires: 2999-01-31T12:00:00}",
            "[0].expires: expected a day such as 2027-01-31, or a time",
        ),
        ("{name: a, key: S, expires: 0001-01-01T00:00:00+14:00}", "[0].expires: expected a day such as 2027-01-31"),
        ("{name: a, key: S, expires: 2999}", "[0].expires: expected text or nothing, not a whole number"),
        ("{name: a, key: ''}", "[0].key: is empty"),
        ("''", "[0]: is empty"),
        ("[S]", "[0]: expected text, not a list"),
        ("{name: a, key: '$S_KEY'}", "[0].key: would be the key as it stands: a variable is written os.environ/NAME"),
        ("{name: a, key: os.environ/NO}", "[0].key: the environment variable NO is not set"),
        ("{name: a, key_hash: os.environ/NO}", "[0].key_hash: the environment variable NO is not set"),
        (
            "{name: a, key_hash: 'sha256:S'}",
            "[0].key_hash: expected sha256: and the 64 hexadecimal digits of the key's",
        ),
        ("{name: a, key_hash: 'md5:0'}", "[0].key_hash: expected sha256: and the 64 hexadecimal digits of the key's"),
        ("{name: a, key_file: no-such-file}", "[0].key_file: the file no-such-file cannot be read: No such file"),
        ("{name: a, key_file: os.environ/K}", "[0].key_file: expected the path of a file; references to keys stand in"),
        ("{name: a, key_file: 'file:///k'}", "[0].key_file: expected the path of a file; references to keys stand in"),
    ],
)
def test_what_is_wrong_with_an_entry_is_told_with_its_line_and_never_shows_the_key(entry: str, problem: str) -> None:
    many = ", ".join(f"l{number}: x" for number in range(17))
    text = entry.replace("LONG", "x" * 257).replace("MANY", many).replace("S}", f"{SECRET}}}").replace("'H'", HASH)
    found = problems(keys(text.replace("key: S,", f"key: {SECRET},").replace("name: S,", f"name: {SECRET},")), K=SECRET)
    assert any(line.startswith(f"f.yaml:4: gateway.keys{problem}") for line in found), found
    assert SECRET not in "".join(found)


def test_the_same_key_twice_is_an_error_wherever_it_stands() -> None:
    text = f"general_settings: {{master_key: {SECRET}}}\n" + keys(
        f"{{name: a, key_hash: '{HASH}'}}", OTHER_SECRET, f"{{name: b, key: {OTHER_SECRET}}}"
    )
    assert problems(text) == [
        "f.yaml:5: gateway.keys[0]: is the same key as general_settings.master_key",
        "f.yaml:7: gateway.keys[2]: is the same key as gateway.keys[1]",
    ]


def test_two_keys_of_one_name_are_one_caller_and_say_the_same_of_it() -> None:
    old, new = f"name: a, key: {SECRET}", f"name: a, key: {OTHER_SECRET}"
    settings = read(keys(f"{{{old}, team: t, expires: 2999-01-01}}", f"{{{new}, team: t}}")).settings
    assert [key.caller for key in settings.keys] == ["key:a", "key:a"]
    assert problems(keys(f"{{{old}, team: t}}", f"{{{new}, team: u, labels: {{b: c}}}}")) == [
        "f.yaml:5: gateway.keys[1].team: differs from that of gateway.keys[0], which has the same name",
        "f.yaml:5: gateway.keys[1].labels: differs from that of gateway.keys[0], which has the same name",
    ]


def test_keys_that_have_expired_or_soon_will_are_warned_of() -> None:
    soon, later = datetime.now(UTC) + timedelta(days=6), datetime.now(UTC) + timedelta(days=8)
    assert warnings(
        keys(
            f"{{name: old, key: {SECRET}, expires: 2020-01-31}}",
            f"{{name: soon, key: {OTHER_SECRET}, expires: '{soon.isoformat()}'}}",
            f"{{name: later, key: sk-later-0123456789, expires: '{later.isoformat()}'}}",
        )
    ) == [
        "f.yaml:4: gateway.keys[0].expires: the key old expired at 2020-01-31T23:59:59Z",
        f"f.yaml:5: gateway.keys[1].expires: the key soon expires soon, at {soon:%Y-%m-%dT%H:%M:%SZ}",
    ]


def test_check_shows_names_and_ends_and_no_key(tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_text(
        keys(f"{{name: ci, key: {SECRET}, team: web, expires: 2999-01-31}}", f"{{name: old, key_hash: '{HASH}'}}")
    )
    refused = CliRunner().invoke(main, ["check", str(tmp_path / "f.yaml")]).output
    assert "gateway.keys[1]: is the same key as gateway.keys[0]" in refused
    entries = [
        f"{{name: ci, key: {SECRET}, team: web, expires: 2999-01-31}}",
        f"{{name: old, key: {OTHER_SECRET}, expires: 2020-01-31}}",
        "sk-plain-never-printed-01234",
        *(f"{{name: more-{number}, key: sk-more-never-printed-{number}}}" for number in range(19)),
    ]
    (tmp_path / "f.yaml").write_text(keys(*entries))
    output = CliRunner().invoke(main, ["check", str(tmp_path / "f.yaml")]).output
    assert (
        "21 keys with a name\n  ci of web, expires 2999-01-31T23:59:59Z\n  old, expired 2020-01-31T23:59:59Z\n"
        in output
    )
    assert "  more-17\n  and 1 more\n" in output
    assert "22 keys from the configuration\n" in output
    assert "never" not in output + refused


def test_a_file_that_is_not_here_is_no_error_where_the_keys_are_elsewhere() -> None:
    entry = keys("{name: a, key_file: run/secrets/key}")
    found = parse(entry, "f.yaml", {}, needs_environment=False)
    assert [str(one) for one in found.warnings] == [
        "f.yaml:4: gateway.keys[0].key_file: the file run/secrets/key cannot be read: No such file or directory"
    ]
    assert found.absent_keys == "gateway.keys"
    with pytest.raises(ConfigurationRefused):
        parse(entry, "f.yaml", {})


def test_the_documentations_example_is_good(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "configuration.md").read_text()
    (example,) = (part.partition("```")[0] for part in page.split("```yaml\n") if part.startswith("gateway:\n  keys:"))
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "ci-next").write_text(SECRET)
    environ = {"CI_KEY": OTHER_SECRET, "SHARED_KEY": "sk-shared-0123456789"}
    settings = parse(MODEL + example, str(tmp_path / "flowspan.yaml"), environ).settings
    assert [key.name for key in settings.keys] == ["ci", "ci", "notebook", None]

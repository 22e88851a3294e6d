"""`flowspan keys new`: a key that is shown once, and an entry that knows it by its hash."""

import pytest
import yaml
from click.testing import CliRunner

from app.cli import main
from app.configuration import ConfigurationRefused
from app.configuration.new_keys import new_key
from app.settings import digest_of
from tests.unit.configuration.reading import MODEL, read


def test_the_entry_is_one_of_the_configuration_and_lets_the_key_in() -> None:
    made = new_key("ci", "platform", "2999-01-31")
    [entry] = yaml.safe_load(made.entry)
    indented = made.entry.replace("\n", "\n  ")
    [key] = read(f"{MODEL}gateway:\n  keys:\n  {indented}\n").settings.keys

    assert key.digest == digest_of(made.secret)
    assert (key.name, key.team, key.secret) == ("ci", "platform", None)
    assert entry == {"name": "ci", "key_hash": made.digest, "team": "platform", "expires": "2999-01-31"}
    assert made.secret.startswith("sk-flowspan-")
    assert len(made.secret) == len("sk-flowspan-") + 43
    assert made.secret not in made.entry
    assert new_key("ci").secret != made.secret


def test_what_an_entry_cannot_have_is_refused() -> None:
    for arguments in (("c i",), ("none",), ("ci", "t t"), ("ci", None, "soon")):
        with pytest.raises(ConfigurationRefused):
            new_key(*arguments)


def test_the_command_prints_the_key_once_with_its_entry() -> None:
    result = CliRunner().invoke(main, ["keys", "new", "ci", "--team", "platform", "--expires", "2020-01-31"])
    assert result.exit_code == 0
    assert result.output.count("sk-flowspan-") == 1
    assert 'key_hash: "sha256:' in result.output
    assert "the key ci expired at 2020-01-31T23:59:59Z" in result.output

    result = CliRunner().invoke(main, ["keys", "new", "c i", "--expires", "soon"])
    assert result.exit_code == 2
    assert "name: expected 1 to 64 of the characters" in result.output
    assert "expires: expected a day such as" in result.output
    assert "sk-flowspan-" not in result.output

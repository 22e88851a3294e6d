"""The chain of errors behind one, and what is told of it."""

import errno

from app.backends.error_classes import local_failure_kind
from telemetry.exceptions import chain_of, stack_of


class Wrapped(Exception):
    """An error of a library that keeps another one beside its cause."""

    def __init__(self, original: Exception) -> None:
        super().__init__()
        self.original_exception = original


def raised_from_none() -> Exception:
    try:
        try:
            raise OSError(errno.EMFILE, "Too many open files")
        except OSError:
            raise ValueError from None
    except ValueError as error:
        return error


def test_every_error_behind_one_is_found_once_whoever_keeps_it() -> None:
    hidden = raised_from_none()
    group = ExceptionGroup("several", [hidden, KeyError()])
    error = Wrapped(group)
    error.__cause__ = group
    assert [type(link).__name__ for link in chain_of(error)] == [
        "Wrapped",
        "ExceptionGroup",
        "ValueError",
        "KeyError",
        "OSError",
    ]
    assert "Too many open files" in stack_of(error)


def test_what_this_machine_lacks_is_found_in_a_group_too() -> None:
    assert local_failure_kind(ExceptionGroup("several", [raised_from_none()])) == "descriptors"


def test_a_chain_that_bites_its_tail_ends() -> None:
    first, second = ValueError(), KeyError()
    first.__cause__, second.__cause__ = second, first
    assert list(chain_of(first)) == [first, second]
    deep: Exception = ValueError()
    for _ in range(100):
        deep = Wrapped(deep)
    assert len(list(chain_of(deep))) == 16

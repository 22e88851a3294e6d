"""The lists of paths against the types of the official SDKs: a field that nobody has listed fails here."""

import pytest

from app.messages import Dialect
from app.text_fields import OPAQUE, SECRETS, SYMBOLS, TEXTS
from tests.unit.text_fields.sdk_types import ANSWERS, EVENTS, REQUESTS, SdkPath, paths
from tests.unit.text_fields.tables import PAGE, page

LISTED = SYMBOLS | SECRETS | OPAQUE | TEXTS
ROOTS = [(side, dialect) for side in (REQUESTS, ANSWERS, EVENTS) for dialect in side]


def is_listed(path: SdkPath) -> bool:
    around = (*path.parents, path.around)
    return path.field in LISTED or any(f"{one}.{path.field}" in LISTED for one in around)


@pytest.mark.parametrize(("side", "dialect"), ROOTS)
def test_every_field_that_can_hold_a_text_is_listed(side: dict[Dialect, tuple[type, ...]], dialect: Dialect) -> None:
    assert {str(path) for path in paths(side[dialect]) if not path.is_word and not is_listed(path)} == set()


def test_no_place_is_on_two_lists() -> None:
    assert len(LISTED) == len(SYMBOLS) + len(SECRETS) + len(OPAQUE) + len(TEXTS)


def test_the_page_has_the_tables_as_the_lists_make_them() -> None:
    assert PAGE.read_text() == page()

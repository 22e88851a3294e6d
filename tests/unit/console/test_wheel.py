"""An installed package has all that the console loads: templates, style sheet, scripts and their licences."""

from pathlib import Path

from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).parents[3]
CONSOLE = ROOT / "app" / "console"


def test_the_wheel_has_every_template_and_every_asset() -> None:
    packed = {file.distribution_path for file in WheelBuilder(str(ROOT)).recurse_included_files()}
    needed = [file for folder in ("templates", "static") for file in (CONSOLE / folder).rglob("*") if file.is_file()]

    assert len(needed) > 15
    assert [file.name for file in needed if file.relative_to(ROOT).as_posix() not in packed] == []


def test_each_library_of_others_is_named_with_its_version_and_licence() -> None:
    vendor = CONSOLE / "static" / "vendor"
    rows = [line for line in (vendor / "README.md").read_text().splitlines() if line.startswith("| `")]

    assert sorted(row.split("`")[1] for row in rows) == sorted(file.name for file in vendor.glob("*.js"))
    for row in rows:
        assert (vendor / row.split("`")[-2]).exists()

"""Fail on any `.pth` file in site-packages that is not known: such a file runs code at every start of Python."""

import site
import sys
from pathlib import Path

KNOWN = frozenset({"_editable_impl_flowspan.pth", "a1_coverage.pth", "distutils-precedence.pth"})


def main() -> int:
    found = {path.name: path for folder in site.getsitepackages() for path in Path(folder).glob("*.pth")}
    unexpected = [str(path) for name, path in sorted(found.items()) if name not in KNOWN]
    for path in unexpected:
        sys.stderr.write(f"unexpected .pth file: {path}\n")
    return 1 if unexpected else 0


if __name__ == "__main__":
    sys.exit(main())

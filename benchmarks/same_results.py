"""Are the results of two folders the same? ``python benchmarks/same_results.py BEFORE AFTER``.

For a change that must change no result.

Each folder holds output folders of ``phasemap run``, one an experiment. Keys and contents are compared byte for byte;
where and when a result was trained does not count. Exits with 1 if anything differs. To make them, on one machine:

    for name in …; do phasemap run $name --preset smoke --set steps=5 --workers 1 --out BEFORE/$name; done
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def contents(folder: Path) -> dict[str, str]:
    """The content of every result, as JSON in the order in which it was written, by experiment and key."""
    return {
        f"{path.parent.parent.name}/{path.stem}": json.dumps(json.loads(path.read_text(encoding="utf-8"))["content"])
        for path in sorted(folder.glob("*/tiles/*.json"))
    }


def main(before: str, after: str) -> int:
    """Prints what differs, and how many results are the same."""
    one, other = contents(Path(before)), contents(Path(after))
    for name in sorted(one.keys() ^ other.keys()):
        print(f"{name}: only in {before if name in one else after}")
    differing = [name for name in sorted(one.keys() & other.keys()) if one[name] != other[name]]
    for name in differing:
        print(f"{name}: its content differs")
    same = len(one.keys() & other.keys()) - len(differing)
    print(f"{same} results of {len({name.partition('/')[0] for name in one})} experiments are the same")
    return int(bool(differing or one.keys() ^ other.keys() or not same))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

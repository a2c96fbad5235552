"""Load a landing, and print which way its orders went: ``python -m bench.ways FOLDER``.

Not measured: a count belongs to no command.
"""

import json
import sys
from pathlib import Path
from typing import Any

from orderpull import pipeline
from orderpull.normalize.normalizer import Normalizer, Normalizers
from orderpull.settings import read_settings


def ways(folder: Path) -> dict[str, int]:
    """Number of orders that went each way; empty if normalizers do not count them."""
    met: dict[int, Normalizer] = {}
    of = Normalizers.of

    def noted(self: Normalizers, *arguments: Any) -> Normalizer:  # noqa: ANN401 - handed on
        normalizer = of(self, *arguments)
        met[id(normalizer)] = normalizer
        return normalizer

    Normalizers.of = noted  # type: ignore[assignment,method-assign]
    result = pipeline.load(read_settings(folder / "orderpull.toml"))
    if not result.ok:
        sys.exit(str(result.as_json()))
    counts = [normalizer.ways for normalizer in met.values() if hasattr(normalizer, "ways")]
    names = ("straight", "careful") if counts else ()
    return {name: sum(getattr(count, name) for count in counts) for name in names}


if __name__ == "__main__":
    print(json.dumps(ways(Path(sys.argv[1]))))

"""Values put at their places in the JSON body of a request."""

import copy
from collections.abc import Mapping
from typing import Any

from orderpull.sources.spec.validation import BODY


def set_body_fields(body: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """*body* with those of *values* at their places that belong into it: ``$.variables.after``."""
    made = dict(copy.deepcopy(body))
    for place, value in values.items():
        if place.startswith(BODY):
            *way, last = place.removeprefix(BODY).split(".")
            at = made
            for key in way:
                at = at.setdefault(key, {})
            at[last] = value
    return made

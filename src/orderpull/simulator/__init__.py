"""An orders API to try and to test against: profiles, faults, a call log, and the truth.

    with Simulator(SkubanaAssessment(orders=500, seed=7), faults=["reset-body@3"]) as simulator:
        ...  # pull from simulator.url
    simulator.truth()  # what a correct warehouse must hold of all that was handed out

`Generic` is a shop whose orders change and can be requested again; `shop` holds what such shops
are made of.

The simulator imports nothing else of the project, so that it is an independent witness.
"""

from .damaged import DAMAGED
from .faults import FAULTS
from .malformed import MALFORMED
from .profile import Request, Response
from .replay import Replay
from .serve import (
    GENERIC_FILE,
    PROFILES,
    credentials,
    fits_its_file,
    ignored,
    make_profile,
    rate_or_count,
    serve_forever,
    switch,
)
from .server import Call, Simulator
from .shop.generic import Generic
from .skubana import SkubanaAssessment

__all__ = [
    "DAMAGED",
    "FAULTS",
    "GENERIC_FILE",
    "MALFORMED",
    "PROFILES",
    "Call",
    "Generic",
    "Replay",
    "Request",
    "Response",
    "Simulator",
    "SkubanaAssessment",
    "credentials",
    "fits_its_file",
    "ignored",
    "make_profile",
    "rate_or_count",
    "serve_forever",
    "switch",
]

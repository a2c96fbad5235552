"""An orders API to try and to test against: profiles, faults, a call log, and the truth.

    with Simulator(SkubanaAssessment(orders=500, seed=7), faults=["reset-body@3"]) as simulator:
        ...  # pull from simulator.url
    simulator.truth()  # what a correct warehouse must hold of all that was handed out

Shops on the platforms that sellers use, whose orders change, are in `platforms`.

It stands alone: it imports nothing else of the project, so that it can bear witness against it.
"""

from .calls import Call
from .damaged import DAMAGED, Damage
from .faults import FAULTS, Fault
from .malformed import MALFORMED, Malformed
from .platforms import PLATFORMS, platform
from .profile import Answer, Profile, Request
from .replay import Replay
from .serve import PROFILES, make_profile, rate_or_count, serve_forever, switch
from .server import Simulator
from .skubana import SkubanaAssessment

__all__ = [
    "DAMAGED",
    "FAULTS",
    "MALFORMED",
    "PLATFORMS",
    "PROFILES",
    "Answer",
    "Call",
    "Damage",
    "Fault",
    "Malformed",
    "Profile",
    "Replay",
    "Request",
    "Simulator",
    "SkubanaAssessment",
    "make_profile",
    "platform",
    "rate_or_count",
    "serve_forever",
    "switch",
]

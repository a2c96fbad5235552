"""Load several sources together: the few waiting pages of each in joint batches.

A statement costs as much for ten orders as for a thousand. So a batch of a hundred sources costs
little more than a batch of one.
"""

import logging
from collections.abc import Hashable, Iterable, Iterator, Sequence

from orderpull.destinations.loader import Loader
from orderpull.errors import DestinationError, OrderpullError, Overtaken
from orderpull.loading.batches import BatchLoader, Portion
from orderpull.loading.pages import PageLoader, fit

log = logging.getLogger("orderpull.load")

Joint = list[tuple[PageLoader, Portion]]


def load_together(loader: Loader, sources: Sequence[PageLoader]) -> Iterator[list[PageLoader]]:
    """Load *sources* in joint batches as far as possible; yield the sources of each batch.

    If a batch cannot be loaded, nothing of it is: its pages stay waiting. Each of its sources then
    has to be loaded alone, which finds the one that is at fault.

    :raises DestinationError: the warehouse cannot be written.
    """
    if len(sources) == 1:
        return
    for joint in _batches(loader, sources):
        first, portions = joint[0][0], [portion for _, portion in joint]
        try:
            BatchLoader(loader, first.normalizer).load(portions, counted=True)
        except OrderpullError as error:
            if isinstance(error, DestinationError) and not isinstance(error, Overtaken):
                raise
            log.info("%d sources are loaded one by one: %s", len(joint), error.message)
            continue
        for each, portion in joint:
            each.note_loaded(portion)
        yield [each for each, _ in joint]


def _batches(loader: Loader, sources: Iterable[PageLoader]) -> Iterator[Joint]:
    """The joint batches: sources of one normalizer and of equal settings, within the limits.

    A source with an order that waits for its number is left out: that order is judged again. So is
    one of which persons are kept out.
    """
    alone = {reject.source for reject in loader.rejects(reason="number_reused")}
    open_: dict[Hashable, Joint] = {}
    for each in sources:
        portion = each.whole_portion() if each.source.name not in alone else None
        if portion is None or portion.masking:
            continue
        settings = each.source.settings
        kind = id(each.normalizer), settings.on_change == "ignore", settings.keep_address
        joint = open_.setdefault(kind, [])
        if not fit([*(p for _, each in joint for p in each.pages), *portion.pages]):
            yield from _worthwhile(joint)
            joint = open_[kind] = []
        joint.append((each, portion))
    for joint in open_.values():
        yield from _worthwhile(joint)


def _worthwhile(joint: Joint) -> Iterator[Joint]:
    if len(joint) > 1:
        yield joint

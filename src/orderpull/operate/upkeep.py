"""Upkeep of the warehouse's files, and what they come to."""

from datetime import timedelta

from orderpull.destinations import open_destination
from orderpull.destinations.upkeep import Upkeep
from orderpull.settings import Settings


def compact(settings: Settings, keep_days: float) -> Upkeep:
    """Merge small files of the warehouse, and expire snapshots older than *keep_days*.

    :raises UsageError: this kind of warehouse has no such files.
    :raises DestinationError: the warehouse cannot be used.
    """
    zone = settings.report.timezone
    destination = open_destination(settings.destination, settings.folder, zone)
    try:
        return destination.compact(timedelta(days=keep_days))
    finally:
        destination.close()

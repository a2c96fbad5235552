"""Run it day by day: check, status, rejects, replay, and the settings file."""

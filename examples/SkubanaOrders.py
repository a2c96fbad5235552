"""The script that orderpull began as: its four functions, and what each has become.

Start it with the API's address in the environment, such as SKUBANA_URL=http://127.0.0.1:8765.
"""

import sys

import orderpull
from orderpull.pipeline import RunResult

SETTINGS = """
[sources.skubana]
api = "skubana-assessment"
base_url = "${SKUBANA_URL}"
on_change = "ignore"  # as the script did: insert only what does not exist yet
"""


def init_tables(settings: orderpull.Settings) -> None:
    """Reach the warehouse and set up its tables: before anything is asked of the API."""
    orderpull.preflight(settings)


def get_data(settings: orderpull.Settings) -> RunResult:
    """Fetch the orders: each answer is on the disk, as received, before the next is asked for."""
    return orderpull.pull(settings)


def create_list_item(settings: orderpull.Settings) -> RunResult:
    """Put each order's address and items into their tables: an order whole, or not at all."""
    return orderpull.load(settings)


def main() -> int:
    """Tables, orders, answers; run it as often as you like. The exit code is orderpull's."""
    settings = orderpull.parse_settings(SETTINGS)
    init_tables(settings)
    results = [get_data(settings), create_list_item(settings)]
    for result in results:
        for error in (result.error, *(source.error for source in result.sources.values())):
            if error:
                print(error, file=sys.stderr)
    average = orderpull.report(settings).average
    print(f"{average['quantity']} items in {average['orders']} orders")
    return max(result.exit_code for result in results)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except orderpull.OrderpullError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)

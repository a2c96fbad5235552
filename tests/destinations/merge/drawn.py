"""Random histories of shops, as Hypothesis draws them."""

from dataclasses import replace
from string import ascii_lowercase

from hypothesis import strategies as st

from tests.destinations.merge.history import Page, Served


def one_fault(served: Served) -> Served:
    """*served*, not both bad and in the trash.

    If the order lost its number, such a version is a reject within the batch that holds both, and
    nothing in a later one; the oracle knows no batches.
    """
    return replace(served, trash=served.trash and not served.bad)


def load_pages(*, bad: bool, reused: bool) -> st.SearchStrategy[list[Page]]:
    """The pages of a load of one history."""
    return histories(renumbered=False, bad=bad, reused=reused).map(lambda loads: loads[0])


@st.composite
def histories(draw: st.DrawFn, *, renumbered: bool, bad: bool, reused: bool) -> list[list[Page]]:
    """Loads of pages of the orders of some shops that have nothing to do with each other.

    They are told to one source, so that one load tries them all.
    """
    shape = draw(st.lists(st.integers(1, 2), min_size=1, max_size=3))
    shops = [
        _shop(draw, shop, renumbered=renumbered, bad=bad, reused=reused) for shop in ascii_lowercase
    ]
    return [
        [[served for shop in shops for served in draw(shop)] for _ in range(pages)]
        for pages in shape
    ]


def _shop(
    draw: st.DrawFn, shop: str, *, renumbered: bool, bad: bool, reused: bool
) -> st.SearchStrategy[list[Served]]:
    """Pages of one shop."""
    days = st.one_of(st.none(), st.integers(0, 3))
    placed = {order: draw(days) for order in ("7", "8", "10")}
    home = {order: draw(st.sampled_from("AB")) if reused else order for order in placed}
    return st.lists(
        st.sampled_from(sorted(placed)).flatmap(
            lambda order: st.builds(
                Served,
                id=st.just(shop + order),
                number=st.sampled_from("ABC" if renumbered else [home[order]]).map(shop.__add__),
                pieces=st.integers(1, 2),
                placed=st.just(placed[order]),
                changed=days,
                bad=st.booleans() if bad else st.just(value=False),
                trash=st.booleans(),
            ).map(one_fault if bad and reused else lambda served: served)
        ),
        max_size=3,
    )

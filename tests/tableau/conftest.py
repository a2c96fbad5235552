"""The browser of the pages' tests looks at the preview, too."""

from tests.web.conftest import browser

__all__ = ["browser"]

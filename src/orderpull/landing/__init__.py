"""The landing: raw responses, stored durably before any other step uses them."""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from orderpull.errors import SettingsError
from orderpull.settings import LandingSettings, without_password

if TYPE_CHECKING:
    from orderpull.landing.protocol import Landing

_ONLY_S3 = ("endpoint", "region", "sse", "kms_key")


def open_landing(settings: LandingSettings, folder: Path) -> "Landing":
    """The landing at ``settings.url``: a folder, relative to *folder*, or a prefix of a bucket.

    The folder or bucket is not accessed yet.

    :raises SettingsError: the URL's scheme is unknown, a setting is wrong, or boto3 is missing.
    """
    scheme, separator, _ = settings.url.partition("://")
    if not separator:
        for key in _ONLY_S3:
            for_kms = key == "region" and (settings.encrypt or "").startswith("kms:")
            if getattr(settings, key) is not None and not for_kms:
                raise SettingsError(
                    f"landing.{key} is set, and landing.url is a folder.",
                    f"Take landing.{key} out, or set landing.url to s3://BUCKET/PREFIX.",
                )
        from orderpull.landing.encryption import Encryption
        from orderpull.landing.local import LocalLanding

        return LocalLanding((folder / settings.url).absolute(), Encryption(settings))
    if scheme != "s3":
        raise SettingsError(
            f"landing.url is {without_password(settings.url)!r}: {scheme} is not a landing that "
            "this orderpull knows.",
            "Give a folder, or s3://BUCKET/PREFIX.",
        )
    if find_spec("boto3") is None:
        raise SettingsError(
            "landing.url is on S3, and boto3, which talks to S3, is not installed.",
            "Install it: pip install 'orderpull[s3]'.",
        )
    from orderpull.landing.s3.landing import landing_at

    return landing_at(settings)

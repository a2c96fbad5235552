"""The countries that the simulated shop ships to, their forms in JSON, and address data."""

import random
from functools import cache
from typing import Literal, NamedTuple

from .goods import Weighted

CountryStyle = Literal["code", "mixed", "name"]
"""Form of countries: ISO-2 codes, mostly these among other forms, or English names."""

POSTCODES_PER_COUNTRY = 200
POSTCODE_SIGNS = {"#": "0123456789", "@": "ABCDEFGHJKLMNPRSTUVWXY"}


class Country(NamedTuple):
    """A country: its names, its weight among the orders, and what its addresses are made of.

    In `postcode` # is a digit and @ a letter; '' is a country without postcodes.
    """

    code: str
    iso3: str
    name: str
    weight: float
    language: str
    postcode: str
    provinces: tuple[str | None, ...] = (None,)


COUNTRIES = (
    Country(
        "US",
        "USA",
        "United States",
        340,
        "en",
        "#####",
        ("NY", "CA", "TX", "WA", "FL", "Puerto Rico"),
    ),
    Country("GB", "GBR", "United Kingdom", 110, "en", "@@# #@@", (None, "Greater London", "Kent")),
    Country("DE", "DEU", "Germany", 95, "de", "#####", (None, "Bayern", "Thüringen")),
    Country("CA", "CAN", "Canada", 60, "en", "@#@ #@#", ("ON", "BC", "Québec")),
    Country("AU", "AUS", "Australia", 45, "en", "####", ("NSW", "VIC", "QLD")),
    Country("FR", "FRA", "France", 45, "fr", "#####", (None, "Île-de-France")),
    Country("JP", "JPN", "Japan", 35, "ja", "###-####", ("東京都", "大阪府", "Hokkaidō")),
    Country("NL", "NLD", "Netherlands", 28, "nl", "#### @@"),
    Country("ES", "ESP", "Spain", 24, "es", "#####", ("Madrid", "A Coruña")),
    Country("IT", "ITA", "Italy", 24, "it", "#####", ("MI", "RM", "NA")),
    Country("BR", "BRA", "Brazil", 20, "pt", "#####-###", ("SP", "Paraná")),
    Country("MX", "MEX", "Mexico", 16, "es", "#####", ("CDMX", "Nuevo León")),
    Country("SE", "SWE", "Sweden", 15, "nordic", "### ##"),
    Country("PL", "POL", "Poland", 14, "pl", "##-###", (None, "małopolskie")),
    Country("CH", "CHE", "Switzerland", 14, "de", "####", ("ZH", "Genève")),
    Country("AT", "AUT", "Austria", 13, "de", "####", (None, "Kärnten")),
    Country("BE", "BEL", "Belgium", 12, "nl", "####"),
    Country("DK", "DNK", "Denmark", 11, "nordic", "####"),
    Country("NO", "NOR", "Norway", 10, "nordic", "####"),
    Country("FI", "FIN", "Finland", 9, "nordic", "#####"),
    Country("IE", "IRL", "Ireland", 9, "en", "@## @#@#", ("Co. Cork", "Dún Laoghaire")),
    Country("PT", "PRT", "Portugal", 8, "pt", "####-###"),
    Country("GR", "GRC", "Greece", 7, "el", "### ##", ("Αττική",)),
    Country("CZ", "CZE", "Czechia", 7, "cs", "### ##"),
    Country("HU", "HUN", "Hungary", 5, "hu", "####"),
    Country("RO", "ROU", "Romania", 5, "ro", "######", ("București", "Iași")),
    Country("TR", "TUR", "Turkey", 6, "tr", "#####", ("İstanbul", "Muğla")),
    Country("UA", "UKR", "Ukraine", 4, "uk", "#####", ("Київ",)),
    Country("KZ", "KAZ", "Kazakhstan", 2, "ru", "######", ("Алматы",)),
    Country("IL", "ISR", "Israel", 5, "he", "#######"),
    Country("AE", "ARE", "United Arab Emirates", 5, "ar", "", ("دبي", "Abu Dhabi")),
    Country("SA", "SAU", "Saudi Arabia", 4, "ar", "#####", ("الرياض",)),
    Country("EG", "EGY", "Egypt", 2, "ar", "#####", ("القاهرة",)),
    Country("IN", "IND", "India", 14, "hi", "######", ("महाराष्ट्र", "Karnataka")),
    Country("TH", "THA", "Thailand", 4, "th", "#####", ("กรุงเทพมหานคร",)),
    Country("VN", "VNM", "Vietnam", 3, "vi", "######", ("Hồ Chí Minh",)),
    Country("KR", "KOR", "South Korea", 12, "ko", "#####", ("서울특별시",)),
    Country("CN", "CHN", "China", 10, "zh", "######", ("上海市", "广东省")),
    Country("TW", "TWN", "Taiwan", 6, "zh", "###", ("臺北市",)),
    Country("HK", "HKG", "Hong Kong", 6, "zh", ""),
    Country("SG", "SGP", "Singapore", 6, "id", "######"),
    Country("ID", "IDN", "Indonesia", 4, "id", "#####", ("DKI Jakarta",)),
    Country("NZ", "NZL", "New Zealand", 8, "en", "####"),
    Country("ZA", "ZAF", "South Africa", 5, "en", "####", ("Gauteng",)),
    Country("IS", "ISL", "Iceland", 1, "nordic", "###"),
)

UNKNOWN_COUNTRIES = ("Atlantis", "Deutschland", "ZZ", "Ελλάδα", "n/a")
"""Texts that are neither codes nor English names: a correct reader leaves them unchanged."""

COUNTRY_FORMS: dict[CountryStyle, Weighted[str]] = {
    "code": Weighted([("{code}", 1)]),
    "name": Weighted([("{name}", 1)]),
    "mixed": Weighted(
        [
            ("{code}", 900),
            ("{code_lower}", 40),
            ("{iso3}", 15),
            ("{iso3_lower}", 2),
            ("{name}", 25),
            ("{name_lower}", 3),
            (" {code}", 2),
            ("{code}  ", 2),
            (" {name} ", 1),
        ]
    ),
}


def written_country(country: Country, form: str) -> str:
    """Return `country` in one of the COUNTRY_FORMS."""
    return form.format(
        code=country.code,
        code_lower=country.code.lower(),
        iso3=country.iso3,
        iso3_lower=country.iso3.lower(),
        name=country.name,
        name_lower=country.name.lower(),
    )


@cache
def postcodes(country: Country, seed: int) -> tuple[str | None, ...]:
    """Return the postcodes of `country` that occur in the shop of this seed."""
    if not country.postcode:
        return (None,)
    draw = random.Random(f"{seed}/{country.code}").random
    signs = [POSTCODE_SIGNS.get(sign, sign) for sign in country.postcode]
    return tuple(
        "".join([sign[int(draw() * len(sign))] if sign[1:] else sign for sign in signs])
        for _ in range(POSTCODES_PER_COUNTRY)
    )

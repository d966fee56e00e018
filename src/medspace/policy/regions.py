"""Regions: ISO 3166-1 alpha-2 codes, the provinces of mainland China, the two unions, and the world."""

from medspace.core.text import Text, msgid
from medspace.policy.hierarchy import Hierarchy

WORLD = "World"

_COUNTRIES = """
AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ
CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO
FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE
JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO
MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW
PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM
TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW
""".split()  # noqa: SIM905 - a table of 249 codes reads best as text

# ISO 3166-2: the provinces, autonomous regions and municipalities of mainland China. Hong Kong, Macao and Taiwan have
# codes of their own in ISO 3166-1, so that CN alone stands for the mainland.
_PROVINCES = """
AH BJ CQ FJ GD GS GX GZ HA HB HE HI HL HN JL JS JX LN NM NX QH SC SD SH SN SX TJ XJ XZ YN ZJ
""".split()  # noqa: SIM905 - see above

_UNION = frozenset(
    """
AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK
""".split()  # noqa: SIM905 - see above
)
_AREA = frozenset({"IS", "LI", "NO"})  # the European Economic Area is the European Union and these


def _unions(country: str) -> tuple[str, ...]:
    if country in _UNION:
        return ("EU",)
    return ("EEA",) if country in _AREA else (WORLD,)


REGIONS = Hierarchy.of(
    {WORLD: (), "EEA": (WORLD,), "EU": ("EEA",)}
    | {country: _unions(country) for country in _COUNTRIES}
    | {f"CN-{province}": ("CN",) for province in _PROVINCES}
)

# How people call regions that terms name by a code.
_CALLED = {
    "europe": "EU", "european union": "EU", "eea": "EEA", "germany": "DE", "deutschland": "DE", "china": "CN",
    "中国": "CN", "usa": "US", "united states": "US", "uk": "GB", "england": "GB", "france": "FR", "spain": "ES",
    "italy": "IT",
    "netherlands": "NL", "austria": "AT", "switzerland": "CH", "japan": "JP", "india": "IN",
}  # fmt: skip


def unnamed_region(said: str) -> Text | None:
    """Why terms could not name a region of a member; None where they could, or none is said."""
    if not said or (said in REGIONS.ancestors and said != WORLD):
        return None
    code = said.strip().upper()
    meant = code if code in REGIONS.ancestors else _CALLED.get(said.strip().casefold(), "")
    if meant:
        return Text(msgid("write it as a code: {meant}"), {"meant": meant})
    return Text(msgid("it is no code of a country, such as DE or CN (ISO 3166-1 alpha-2), nor EU or EEA"))

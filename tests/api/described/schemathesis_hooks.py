"""Who asks, and under which key. Each request comes from an address of its own: wrong credentials are counted by address, and are
part of the test; an address that guessed too much is refused before it is read. Each `Idempotency-Key` that can be one is used
for one request: with another body it is refused, which a schema cannot say. And of the edges of schemas those that show no more
than others do are left out."""

import collections
import itertools
import zlib

import schemathesis
from schemathesis.generation import GenerationMode
from schemathesis.generation.meta import CoveragePhaseData, CoverageScenario

NUMBERS = itertools.count(1)
# The subsets of its optional members that an object is sent with, beside one with each of them alone, with all, and with none.
SUBSETS = 3
# The wrong types that are tried at a place beside the first: one of so many, another one at each place.
OTHER_TYPES = 4
SEEN = collections.Counter()


@schemathesis.hook
def filter_case(context, case):
    edge = case.meta.phase.data if case.meta else None
    if not isinstance(edge, CoveragePhaseData):
        return True
    place = f"{case.operation.label} {edge.parameter_location} {edge.parameter}"
    if case.meta.generation.mode == GenerationMode.NEGATIVE:
        if edge.scenario != CoverageScenario.INCORRECT_TYPE:
            return True
        place = f"{place} {edge.location}"
        number = SEEN[place]
        SEEN[place] += 1
        return number in (0, 1 + zlib.crc32(place.encode()) % OTHER_TYPES)
    # one more than the least, and one less than the most: beside the edges themselves, and what lies beyond them
    if "Near-boundary" in edge.description:
        return False
    if edge.description.endswith("a subset of optional properties"):
        SEEN[place] += 1
        return SEEN[place] <= SUBSETS
    return True


@schemathesis.hook
def before_call(context, case, kwargs):
    number = next(NUMBERS)
    # 198.18.0.0/15 is for tests (RFC 2544)
    case.headers["x-forwarded-for"] = f"198.{18 + (number >> 16) % 2}.{(number >> 8) % 256}.{number % 256}"
    key = case.headers.get("Idempotency-Key")
    if isinstance(key, str) and 0 < len(key) <= 190 and all("!" <= it <= "~" for it in key):
        case.headers["Idempotency-Key"] = f"{key}-{number}"

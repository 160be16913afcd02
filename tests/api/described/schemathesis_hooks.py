"""Who asks, and under which key. Each request comes from an address of its own: wrong credentials are counted by address, and are
part of the test; an address that guessed too much is refused before it is read. Each `Idempotency-Key` that can be one is used
for one request: with another body it is refused, which a schema cannot say."""

import itertools

import schemathesis

NUMBERS = itertools.count(1)


@schemathesis.hook
def before_call(context, case, kwargs):
    number = next(NUMBERS)
    # 198.18.0.0/15 is for tests (RFC 2544)
    case.headers["x-forwarded-for"] = f"198.{18 + (number >> 16) % 2}.{(number >> 8) % 256}.{number % 256}"
    key = case.headers.get("Idempotency-Key")
    if isinstance(key, str) and 0 < len(key) <= 190 and all("!" <= it <= "~" for it in key):
        case.headers["Idempotency-Key"] = f"{key}-{number}"

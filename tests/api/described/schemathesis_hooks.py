"""Who asks: each request comes from an address of its own. Wrong credentials are counted by address, and are part of the
test; an address that guessed too much is refused before it is read."""

import itertools

import schemathesis

NUMBERS = itertools.count(1)


@schemathesis.hook
def before_call(context, case, kwargs):
    number = next(NUMBERS)
    # 198.18.0.0/15 is for tests (RFC 2544)
    case.headers["x-forwarded-for"] = f"198.{18 + (number >> 16) % 2}.{(number >> 8) % 256}.{number % 256}"

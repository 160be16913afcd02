"""Checks webhooks with the official library, as a receiver would: {"secret", "webhooks": [{"body", "signature"}]} on standard
input. Prints a line for each: `accepted`, or `refused`."""
import json
import sys

import stripe

asked = json.load(sys.stdin)
for webhook in asked["webhooks"]:
    try:
        stripe.Webhook.construct_event(webhook["body"], webhook["signature"], asked["secret"])
        print("accepted")
    except (stripe.SignatureVerificationError, ValueError):
        print("refused")

"""Verifies a webhook with the official library, as a receiver would: {"secret", "headers", "body"} on standard input."""
import json
import sys

from standardwebhooks import Webhook

message = json.load(sys.stdin)
payload = Webhook(message["secret"]).verify(message["body"], message["headers"])
print("verified", payload["id"])

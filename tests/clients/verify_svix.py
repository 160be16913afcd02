"""Verifies a webhook with Svix's library, as a receiver would: {"secret", "headers", "body"} on standard input."""
import json
import sys

from svix.webhooks import Webhook

message = json.load(sys.stdin)
Webhook(message["secret"]).verify(message["body"], message["headers"])
print("verified", json.loads(message["body"])["id"])

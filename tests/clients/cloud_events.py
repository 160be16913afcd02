"""CloudEvents with the official Python library, both ways.

`publish URL KEY SECRET`: publishes one event in the binary mode and one in the structured mode; prints their answers.
`read`: reads requests (JSON lines with `headers` and `body`) on standard input; prints the attributes and data of each.
"""
import base64
import json
import sys
import urllib.request
from datetime import datetime, timezone

from cloudevents.core.bindings.http import HTTPMessage, from_http_event, to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent


def publish(url, key, secret):
    for number, encode in enumerate([to_binary_event, to_structured_event]):
        attributes = {
            "specversion": "1.0", "id": f"py-{number}", "source": "/python", "type": "com.example.python",
            "subject": "caf\u00e9 7%", "time": datetime(2026, 11, 20, 9, 0, 0, 4, tzinfo=timezone.utc),
            "datacontenttype": "application/json", "tenant": "x",
        }
        message = encode(CloudEvent(attributes=attributes, data={"order": 7}))
        headers = {**message.headers, "x-api-key": key, "x-api-secret": secret}
        request = urllib.request.Request(url, data=message.body, headers=headers, method="POST")
        with urllib.request.urlopen(request) as answer:
            print(json.dumps({"status": answer.status, **json.load(answer)}))


def read():
    for line in sys.stdin:
        request = json.loads(line)
        event = from_http_event(HTTPMessage(request["headers"], request["body"].encode()))
        data = event.get_data()
        if isinstance(data, bytes):
            data = base64.b64encode(data).decode()
        print(json.dumps({"attributes": event.get_attributes(), "data": data}, default=lambda it: it.isoformat()))


publish(*sys.argv[2:]) if sys.argv[1] == "publish" else read()

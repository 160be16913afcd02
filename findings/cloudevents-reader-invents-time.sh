#!/usr/bin/env bash
# cloudevents (Python) gives an event that has no time the time at which it is read.
#
# Package: cloudevents 2.2.0 (PyPI), module cloudevents.core; source https://github.com/cloudevents/sdk-python
# Specified: `time` is optional (CloudEvents 1.0.2, "time"); if its time cannot be determined, a producer may set another
#   time, or leave it out. A reader has no part in that.
# Expected: of an event without `time`, `get_time()` is None, and the same bytes read twice are equal.
# Seen: `get_time()` is the clock's time at each reading, so the same bytes read twice differ, and what a consumer stores
#   as the event's time is its own. An `id` that is missing is refused, by contrast.
# Way round for a producer: always send `time`.
#
# Output: "without a time: read with a time", "read twice: different", "with a time: kept".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check cloudevents==2.2.0
cat > "$folder/seen.py" <<'PY'
import json
import time
from cloudevents.core.bindings.http import HTTPMessage, from_http_event


def read(**more):
    event = {"specversion": "1.0", "id": "A-1", "source": "/orders", "type": "com.example.paid", **more}
    return from_http_event(HTTPMessage({"content-type": "application/cloudevents+json"}, json.dumps(event).encode()))


first = read()
time.sleep(0.01)
second = read()
print("without a time: read", "with a time" if first.get_time() else "without one")
print("read twice:", "equal" if first.get_attributes() == second.get_attributes() else "different")
kept = read(time="2026-11-20T09:00:00Z").get_time().isoformat() == "2026-11-20T09:00:00+00:00"
print("with a time:", "kept" if kept else "changed")
PY
got=$("$folder/venv/bin/python" "$folder/seen.py")
want='without a time: read with a time
read twice: different
with a time: kept'
echo "$got"
[ "$got" = "$want" ] || { echo "this changed: expected"; echo "$want"; exit 1; }

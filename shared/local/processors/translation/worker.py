"""A processor that translates what is said in English. It speaks the contract of external processors
(/docs/processor.json of a deployment) and nothing else. `check` says whether its parts are there. Without an argument it
serves on 127.0.0.1, at the port PORT, jobs that are signed with PROCESSOR_SECRET."""

import base64
import hashlib
import hmac
import json
import os
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.request import Request, urlopen

import speech

HINT = "apt-get install ffmpeg pocketsphinx pocketsphinx-en-us apertium apertium-eng-spa apertium-eng-cat apertium-en-gl"
SECRET = os.environ.get("PROCESSOR_SECRET", "")
jobs = {}  # those that were accepted, by `webhook-id`
one_at_a_time = ThreadPoolExecutor(1)


def sign(message_id, timestamp, body, secret=SECRET):
    """The value of `webhook-signature` for a message."""
    key, signed = base64.b64decode(secret.removeprefix("whsec_")), f"{message_id}.{timestamp}.".encode() + body
    return f"v1,{base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()}"


class Handler(BaseHTTPRequestHandler):
    """Takes jobs."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        job, timestamp, given = (self.headers.get(f"webhook-{it}", "") for it in ("id", "timestamp", "signature"))
        is_signed = any(hmac.compare_digest(it.encode(), sign(job, timestamp, body).encode()) for it in given.split())
        if not is_signed or abs(time.time() - int(timestamp)) > 300:
            return self.answer(401, {"code": "unauthorized", "message": "the signature is wrong"})
        order = json.loads(body)
        if challenge := order.get("challenge"):  # it is registered, and says that it wants jobs
            return self.answer(200, {"challenge": challenge})
        jobs[job] = jobs.get(job) or one_at_a_time.submit(work, job, order)  # a repeat starts nothing
        return self.answer(202, {"external_id": job})

    def answer(self, status, body):
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())


def work(job, order):
    """Does a job, and tells how it ended."""
    try:
        with tempfile.TemporaryDirectory(prefix="translation-") as folder:
            ended = {"state": "succeeded", "result": result(job, order, f"{folder}/media", f"{folder}/sound.wav")}
    except speech.Failure as why:
        ended = {"state": "failed", "code": why.args[0], "message": why.args[1], "retryable": False}
    except Exception as why:  # the network, or a fault of ours
        ended = {"state": "failed", "code": "internal", "message": str(why), "retryable": True}
    call(order, f"{job}_end", ended)


def result(job, order, media, sound):
    """The result of a job, or where it was put if it is long."""
    source, targets = order["params"].get("source"), order["params"].get("targets") or ["es"]
    languages = [it for it in targets if it in speech.MODES]
    if not languages or not (source or "en").lower().startswith("en"):
        raise speech.Failure("unsupported_language_pair", "this translates English to " + ", ".join(speech.MODES))
    warnings = [] if source else [{"code": "language_assumed", "message": "en-US"}]
    warnings += [{"code": "unsupported_language_pair", "message": it} for it in targets if it not in languages]
    with urlopen(order["input"]["url"], timeout=60) as answer, open(media, "wb") as file:
        file.writelines(answer)
    said = speech.utterances(media, sound)
    if call(order, f"{job}_heard", {"state": "running", "progress": 0.8}) == 409:
        raise speech.Failure("cancelled", "the job was cancelled, or is late")
    tracks = ({"language": it, "cues": numbered(speech.translate(said, it))} for it in languages)
    subtitles = [{"translated_from": "en-US", "machine": True, **it} for it in tracks]
    transcript = {"language": "en-US", "words": sum(said, []), "cues": numbered(sum(map(speech.cues, said), []))}
    models = [{"id": it} for it in ["cmusphinx-en-us", *map(speech.MODES.get, languages)]]
    document = {"schema": "processor-result/1", "job_id": order["job_id"], "media": {}, "transcript": transcript}
    document |= {"producer": {"models": models, "quality": "gist"}, "subtitles": subtitles, "warnings": warnings}
    body = json.dumps(document).encode()
    if len(body) < 200_000:
        return document
    urlopen(Request(order["output"]["url"], body, method="PUT"), timeout=60).close()
    return {"ref": "output", "sha256": hashlib.sha256(body).hexdigest()}


def numbered(cues):
    return [{"i": at, **it} for at, it in enumerate(cues, 1)]


def call(order, message_id, message):
    """Posts a message to the callback, and again while that may help. The status of the answer."""
    body = json.dumps(message).encode()
    for seconds in (1, 5, 25, 60, 0):
        now = int(time.time())
        headers = {"webhook-id": message_id, "webhook-timestamp": str(now), "content-type": "application/json"}
        headers["webhook-signature"] = sign(message_id, now, body)
        try:
            return urlopen(Request(order["callback"]["url"], body, headers), timeout=15).status
        except OSError as answer:
            status = getattr(answer, "code", 503)
        if seconds == 0 or (status < 500 and status != 429):
            return status
        time.sleep(seconds)


if __name__ == "__main__":
    if part := speech.missing():
        sys.exit(f"{part} is not installed: {HINT}")
    if "check" not in sys.argv:
        server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", 0))), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(server.server_port, flush=True)
        sys.stdin.read()  # it ends with whoever started it
        os._exit(0)

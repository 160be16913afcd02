"""`python3 -m unittest`: this worker against the contract's test vector, and against a sender of jobs."""

import json
import os
import subprocess
import sys
import threading
import time
import unittest
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from queue import Queue
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from worker import sign

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
JOB = "0199a1b2-c3d4-7e5f-8a6b-7c8d9e0f1a2b"


class TestContract(unittest.TestCase):
    def test_the_vector(self):
        body = f'{{"spec":"1","job_id":"{JOB}","attempt":1,"kind":"object_detection"}}'.encode()
        request = sign(f"{JOB}_1", 1763676000, body, SECRET)
        self.assertEqual(request, "v1,+JBgJxyOvj+ZGDw+B8Obun0kw5EmohrFejkY56FsdrM=")
        callback = sign(f"{JOB}_1_1", 1763676010, b'{"state":"running","progress":0.4}', SECRET)
        self.assertEqual(callback, "v1,KIsKzbo/PPpR2GKr9db2zV98Y54I45s6nkfYrHYeY8U=")

    def test_what_is_unsigned_is_refused_a_repeat_is_the_same_job_and_what_cannot_be_done_is_told(self):
        told = Queue()

        class Sender(BaseHTTPRequestHandler):
            def do_POST(self):
                told.put((self.headers, self.rfile.read(int(self.headers["content-length"]))))
                self.do_GET()

            def do_GET(self):
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"no media")

            def log_message(self, *_):
                pass

        sender = HTTPServer(("127.0.0.1", 0), Sender)
        threading.Thread(target=sender.serve_forever, daemon=True).start()
        self.addCleanup(sender.server_close)
        self.addCleanup(sender.shutdown)
        command, environment = [sys.executable, "worker.py"], {**os.environ, "PROCESSOR_SECRET": SECRET, "PORT": "0"}
        worker = subprocess.Popen(
            command, env=environment, cwd=Path(__file__).parent, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.addCleanup(worker.communicate)  # it ends with whoever started it
        port = int(worker.stdout.readline())
        here = f"http://127.0.0.1:{sender.server_port}"
        order = {"spec": "1", "job_id": JOB, "attempt": 1, "kind": "auto_translation", "params": {"targets": ["es"]}}
        order |= {"input": {"url": f"{here}/in"}, "output": {"url": f"{here}/out"}, "callback": {"url": f"{here}/callback"}}
        body = json.dumps(order).encode()

        def send(timestamp, secret):
            headers = {"webhook-id": f"{JOB}_1", "webhook-timestamp": str(timestamp)}
            headers["webhook-signature"] = sign(f"{JOB}_1", timestamp, body, secret)
            try:
                with urlopen(Request(f"http://127.0.0.1:{port}/", body, headers)) as answer:
                    return answer.status, json.load(answer)["external_id"]
            except HTTPError as refused:
                return refused.code, None

        now = int(time.time())
        self.assertEqual(send(now, "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), (401, None))
        self.assertEqual(send(now - 301, SECRET), (401, None))
        self.assertEqual(send(now, SECRET), (202, f"{JOB}_1"))
        self.assertEqual(send(now, SECRET), (202, f"{JOB}_1"))
        headers, message = told.get(timeout=20)
        signed = sign(headers["webhook-id"], headers["webhook-timestamp"], message, SECRET)
        self.assertEqual(headers["webhook-signature"], signed)
        ended = json.loads(message)
        self.assertEqual((ended["state"], ended["code"], ended["retryable"]), ("failed", "media_unreadable", False))
        self.assertTrue(told.empty())


if __name__ == "__main__":
    unittest.main()

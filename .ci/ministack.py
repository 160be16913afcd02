"""Deploys the template to ministack, an emulator of AWS that we did not write, and runs system tests against it.

    python -m venv target/ci-tools/ministack
    target/ci-tools/ministack/bin/pip install ministack==1.5.33 boto3==1.43.106 aws-sam-translator==1.115.0 cryptography==50.0.2
    target/ci-tools/ministack/bin/python .ci/ministack.py target/debug/notify               # what WORLD=ministack runs
    target/ci-tools/ministack/bin/python .ci/ministack.py target/debug/notify delivery::    # other tests
    target/ci-tools/ministack/bin/python .ci/ministack.py target/debug/notify --stay        # no tests: until it is stopped

Each function's package holds a script that runs it out of `notify`, so that nothing is built for this. Roles are enforced
(`AUTH=true`). What ministack does otherwise than AWS is cured here and nowhere else: each such place is marked "cure".
"""
import asyncio
import contextlib
import hashlib
import io
import json
import os
import pathlib
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
import zipfile

import boto3
from botocore.config import Config

PROJECT = pathlib.Path(__file__).parent.parent
# Where the tests find the deployment.
WORLD = PROJECT / "target/tmp/ministack.json"
STACK, REGION = "notifications", "us-east-1"
# As the tests' own stacks have them, as far as AWS allows it.
PARAMETERS = {
    "AllowedNetworks": "127.0.0.0/8,::1/128", "Ffmpeg": "ffmpeg", "IconikWaitSeconds": "2", "IconikHosts": "127.0.0.1",
    "InboxAuth": "open", "LeaseSeconds": "5", "LogLevel": "WARN", "ProcessSeconds": "60", "QueueReturnSeconds": "60",
}
# The tests that control nothing of the local stack, and expect nothing that only it has; and those among them that do.
TESTS = [
    "delivery::deliveries::", "delivery::publish::", "delivery::trace::", "oma::folders::", "oma::objects::",
    "realtime::inbox::", "realtime::sockets::",
]
SKIPPED = {
    "delivery::deliveries::deliveries_that_are_used_up_are_reached": "it writes rows of the local stack's table",
    "oma::objects::lists_are_cut_by_size": "the subprotocol of a socket is not answered, as oma::websockets need it",
    "delivery::deliveries::the_breaker_opens": "it waits for a minute, for nothing of AWS",
    "realtime::sockets::only_who_proves_it_opens_a_socket": "a socket is refused with 403, whatever the function says",
    "realtime::sockets::garbage_is_answered_and_the_socket_stays": "a frame of more than 32 KB is taken",
    "realtime::sockets::the_seeds_own_clients_work_as_they_are": "they are told the local stack's address by its file",
    "realtime::sockets::the_guides_snippet_works_in_a_real_browser": "the snippet is told the address by that file",
}


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as it:
        return it.getsockname()[1]


def listens(port):
    """`True` if a server does on a port; `None` if not."""
    with contextlib.suppress(ConnectionError), socket.create_connection(("127.0.0.1", port)):
        return True


class Emulator:
    """A running ministack, with a folder of its own."""

    def __init__(self, folder):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        folders = {name: str(folder / name) for name in ["TMPDIR", "HOME", "STATE_DIR", "S3_DATA_DIR"]}
        for path in folders.values():
            pathlib.Path(path).mkdir()
        environment = {
            "PATH": os.environ["PATH"], **folders, "BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(self.port),
            "EDGE_PORT": str(self.port), "AWS_ENDPOINT_URL": self.url, "LAMBDA_EXECUTOR": "local", "AUTH": "true",
            "SFTP_ENABLED": "0", "IOT_MTLS_ENABLED": "0", "LOG_LEVEL": "WARNING", "DOCKER_HOST": "unix:///nonexistent",
            "SAM_CLI_TELEMETRY": "0", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
        }
        program = pathlib.Path(sys.executable).parent / "ministack"
        self.log = folder / "log"
        output = self.log.open("wb")
        self.process = subprocess.Popen([program], env=environment, cwd=folder, stdout=output, stderr=subprocess.STDOUT)
        wait("ministack is ready", lambda: self.process.poll() is not None or listens(self.port))
        if self.process.poll() is not None:
            sys.exit(f"ministack ended:\n{self.log.read_text()}")

    def client(self, service):
        return boto3.client(
            service, endpoint_url=self.url, region_name=REGION, aws_access_key_id="test", aws_secret_access_key="test",
            config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}))

    def stop(self):
        self.process.terminate()
        self.process.wait()


def wait(what, condition, seconds=120):
    """What a condition gives, once it gives something."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        result = condition()
        if result is not None:
            return result
        time.sleep(0.1)
    sys.exit(f"waited for {seconds} seconds until {what}")


def package(s3, program):
    """Uploads the packages of the functions, and answers the template that names them, as `sam package` does."""
    text = (PROJECT / "template.yaml").read_text()
    s3.create_bucket(Bucket="packages")
    code = re.compile(r"CodeUri: target/lambda/([a-z-]+)/")
    for name in set(code.findall(text)):
        bootstrap = zipfile.ZipInfo("bootstrap")
        bootstrap.external_attr = 0o755 << 16
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr(bootstrap, f"#!/bin/sh\nexec {program} function {name}\n")
        s3.put_object(Bucket="packages", Key=f"{name}.zip", Body=packed.getvalue())
    return code.sub(r"CodeUri: s3://packages/\1.zip", text)


def cured(text):
    """The template as ministack understands it."""
    # cure: a condition cannot select from what it splits (`KeyError: 0`); the topic that it looks at is given nowhere here
    topic = re.compile(re.escape("HasTopic: !Equals [!Select [0, !Split [':', !Ref AlarmTopic]], arn]"))
    # cure: the keys `kms:EncryptionContext:…` are in no request, so that what they allow is refused
    encryption_context = re.compile(r"\n +Condition: \{ StringLike: \{ 'kms:EncryptionContext:application': '\*' \} \}")
    # cure: a batch of requests to a queue is an action of its own, which IAM does not know
    batches = re.compile(r"\bsqs:(SendMessage|DeleteMessage|ChangeMessageVisibility)\b")
    # no deviation, but ministack has no TLS here, without which the queues refuse everybody
    tls = re.compile("'aws:SecureTransport': 'false'")
    cures = [
        (topic, "HasTopic: !Equals [there is, none]"), (encryption_context, ""), (batches, r"sqs:\1*"),
        (tls, "'aws:SecureTransport': 'true'"),
    ]
    for found, instead in cures:
        text, count = found.subn(instead, text)
        if not count:
            sys.exit(f"the template has nothing to cure like {found.pattern}")
    return text


class Stack:
    """The deployed stack."""

    def __init__(self, emulator, program):
        self.emulator = emulator
        s3, self.formation = emulator.client("s3"), emulator.client("cloudformation")
        text = cured(package(s3, program))
        s3.put_object(Bucket="packages", Key="template.yaml", Body=text.encode())
        self.operator_key = f"op_{secrets.token_hex(32)}"
        self.front = Front(emulator)
        self.parameters = PARAMETERS | {
            "OperatorKeyHash": hashlib.sha256(self.operator_key.encode()).hexdigest(), "ServerRoot": self.front.url}
        self.deploy("CREATE")
        pages = self.formation.get_paginator("list_stack_resources").paginate(StackName=STACK)
        resources = [it for page in pages for it in page["StackResourceSummaries"]]
        self.ids = {it["LogicalResourceId"]: it["PhysicalResourceId"] for it in resources}
        # the addresses of an emulator are parameters, which are known once the APIs are there
        self.parameters["SocketEndpoint"] = f"{emulator.url}/_aws/execute-api/{self.ids['SocketApi']}/live"
        self.deploy("UPDATE")
        processed = self.formation.get_template(StackName=STACK, TemplateStage="Processed")["TemplateBody"]
        self.resources = (processed if isinstance(processed, dict) else json.loads(processed))["Resources"]
        self.cure_routes()
        self.cure_event_sources()
        self.front.open(self.ids)

    def deploy(self, kind):
        name, given = kind.lower(), [{"ParameterKey": key, "ParameterValue": value} for key, value in self.parameters.items()]
        self.formation.create_change_set(
            StackName=STACK, ChangeSetName=name, ChangeSetType=kind, TemplateURL=f"{self.emulator.url}/packages/template.yaml",
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"], Parameters=given)
        look = lambda: self.formation.describe_change_set(StackName=STACK, ChangeSetName=name)
        described = wait("the change set is made", lambda: ended(look(), "Status"))
        if described["Status"] != "CREATE_COMPLETE":
            sys.exit(f"no change set: {described.get('StatusReason')}")
        self.formation.execute_change_set(StackName=STACK, ChangeSetName=name)
        look_again = lambda: self.formation.describe_stacks(StackName=STACK)["Stacks"][0]
        stack = wait("the stack is deployed", lambda: ended(look_again(), "StackStatus"))
        if stack["StackStatus"] != f"{kind}_COMPLETE":
            events = self.formation.describe_stack_events(StackName=STACK)["StackEvents"]
            failed = [it for it in events if "FAILED" in it["ResourceStatus"]]
            reasons = [f"{it['LogicalResourceId']}: {it.get('ResourceStatusReason')}" for it in failed]
            sys.exit("\n".join([stack["StackStatus"], *reasons]))

    def cure_routes(self):
        """Cure: the body of an HTTP API, in which the transform puts the routes, is ignored; each route is 404."""
        api, http = self.emulator.client("apigatewayv2"), self.ids["Api"]
        integrations = {}
        for path, methods in self.resources["Api"]["Properties"]["Body"]["paths"].items():
            for method, operation in methods.items():
                uri = json.dumps(operation["x-amazon-apigateway-integration"]["uri"])
                function = re.search(r"\$\{(\w+)\.Arn\}", uri).group(1)
                if function not in integrations:
                    arn = f"arn:aws:lambda:{REGION}:000000000000:function:{self.ids[function]}"
                    made = api.create_integration(
                        ApiId=http, IntegrationType="AWS_PROXY", IntegrationUri=arn, PayloadFormatVersion="2.0")
                    integrations[function] = made["IntegrationId"]
                method = "ANY" if method.startswith("x-") else method.upper()
                route = "$default" if path == "/$default" else f"{method} {path}"
                api.create_route(ApiId=http, RouteKey=route, Target=f"integrations/{integrations[function]}")

    def cure_event_sources(self):
        """Cure: the maximum concurrency of an event source stays a text, with which no number is compared."""
        functions = self.emulator.client("lambda")
        for mapping in functions.list_event_source_mappings()["EventSourceMappings"]:
            if "ScalingConfig" in mapping:
                number = int(mapping["ScalingConfig"]["MaximumConcurrency"])
                functions.update_event_source_mapping(UUID=mapping["UUID"], ScalingConfig={"MaximumConcurrency": number})

    def dead_letters(self):
        """What is among the dead letters, by queue."""
        sqs, found = self.emulator.client("sqs"), {}
        for name, url in self.ids.items():
            if name.endswith("Dead"):
                messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0).get("Messages", [])
                found |= {name: [it["Body"][:400] for it in messages]} if messages else {}
        return found

    def drop_statement(self, function, action):
        """Takes a statement that allows an action from a function's role."""
        iam, role = self.emulator.client("iam"), self.ids[f"{function}Role"]
        document = iam.get_role_policy(RoleName=role, PolicyName="function")["PolicyDocument"]
        kept = [it for it in document["Statement"] if action not in it["Action"]]
        if len(kept) == len(document["Statement"]):
            sys.exit(f"{role} has no statement with {action}")
        iam.put_role_policy(RoleName=role, PolicyName="function", PolicyDocument=json.dumps(document | {"Statement": kept}))


def ended(described, key):
    return None if described[key].endswith(("PROGRESS", "PENDING")) else described


class Front:
    """One host for HTTP and sockets, as CloudFront is by the template's behaviours. Cure: ministack's own serves no sockets."""

    # of `Distribution`, whose function `SocketPath` makes the path a parameter
    SOCKETS = re.compile(rb"^(/notifications/ws/.+|/hubs/notifications|/api/v1/Inbox/Socket)$")

    def __init__(self, emulator):
        self.port, self.upstream, self.ids = free_port(), emulator.port, None
        self.url = f"http://127.0.0.1:{self.port}"

    def open(self, ids):
        self.ids = ids
        threading.Thread(target=lambda: asyncio.run(self.serve()), daemon=True).start()
        wait("the front listens", lambda: listens(self.port))

    async def serve(self):
        server = await asyncio.start_server(self.connection, "127.0.0.1", self.port, backlog=1024)
        await server.serve_forever()

    def target(self, target, upgrades):
        path, _, query = target.partition(b"?")
        base = b"/_aws/execute-api/"
        if not upgrades:
            return base + self.ids["Api"].encode() + b"/$default" + target
        if self.SOCKETS.match(path):
            encoded = re.sub(rb"[&+=#]", lambda it: b"%%%02X" % it.group()[0], path)
            query = b"&".join(filter(None, [query, b"path=" + encoded]))
        return base + self.ids["SocketApi"].encode() + b"/live" + (b"?" + query if query else b"")

    async def connection(self, reader, writer):
        """Passes one request on, and all that follows it on its connection if that becomes a socket."""
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            head = await reader.readuntil(b"\r\n\r\n")
            first, *headers = head[:-4].split(b"\r\n")
            method, target, version = first.split(b" ")
            upgrades = any(it.lower().replace(b" ", b"") == b"upgrade:websocket" for it in headers)
            if not upgrades:
                kept = [it for it in headers if not it.lower().startswith((b"connection:", b"keep-alive:"))]
                headers = [*kept, b"connection: close"]
            from_upstream, to_upstream = await asyncio.open_connection("127.0.0.1", self.upstream)
            first = b" ".join([method, self.target(target, upgrades), version])
            to_upstream.write(b"\r\n".join([first, *headers, b"", b""]))
            there = asyncio.create_task(passed(reader, to_upstream))
            await passed(from_upstream, writer)
            there.cancel()
            to_upstream.close()
        writer.close()


async def passed(reader, writer):
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()


def request(method, url, body=None, headers=()):
    """The status of an answer, and its JSON or text."""
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(url, data, {"content-type": "application/json", **dict(headers)}, method=method)
    try:
        with urllib.request.urlopen(asked) as answer:
            status, text = answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        status, text = error.code, error.read().decode()
    with contextlib.suppress(ValueError):
        text = json.loads(text)
    return status, text


def make_application(stack, name):
    """Makes an application, whose inboxes need no credentials, as the demo's; answers how the API did."""
    body = {"name": name, "requestedBy": "ministack", "openInbox": True}
    return request("POST", f"{stack.front.url}/api/v1/Applications", body, {"x-operator-key": stack.operator_key})


def check_refusal(stack):
    """A role without one of its statements is refused: so the roles are what lets the tests pass."""
    stack.drop_statement("ChannelsApi", "kms:GenerateDataKey")
    status, answer = make_application(stack, "refused")
    if status != 500:
        sys.exit(f"an application was made without the right to a data key: {status} {answer}")


def main(program, *tests):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="ministack-"))
    emulator = Emulator(folder)
    try:
        began = time.monotonic()
        stack = Stack(emulator, pathlib.Path(program).resolve())
        print(f"{len(stack.ids)} resources after {time.monotonic() - began:.1f} s, at {stack.front.url}", flush=True)
        status, answer = make_application(stack, "demo")
        if status != 201:
            sys.exit(f"no application is made: {status} {answer}")
        WORLD.parent.mkdir(parents=True, exist_ok=True)
        WORLD.write_text(json.dumps({"url": stack.front.url, "operator_key": stack.operator_key}))
        if tests == ("--stay",):
            with contextlib.suppress(KeyboardInterrupt):
                emulator.process.wait()
            return
        skipped = [argument for name in SKIPPED for argument in ["--skip", name]]
        command = ["cargo", "test", "--workspace", "--locked", "--test", "system", "--", *(tests or [*TESTS, *skipped])]
        done = subprocess.run(command, cwd=PROJECT, env=os.environ | {"WORLD": "ministack"}).returncode
        left = stack.dead_letters()
        if done or left:
            print(emulator.log.read_text()[-20_000:])
            sys.exit(f"dead letters: {json.dumps(left, indent=1)}" if left else done)
        check_refusal(stack)
        print("what a role does not allow was refused")
    finally:
        emulator.stop()
        shutil.rmtree(folder, ignore_errors=True)


main(*sys.argv[1:])

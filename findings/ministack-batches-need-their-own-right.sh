#!/usr/bin/env bash
# ministack asks for `sqs:SendMessageBatch`, an action that IAM does not have, where AWS asks for `sqs:SendMessage`.
#
# Package: ministack 1.5.33 (PyPI), with `AUTH=true`, called by boto3 1.43.106.
# Documented: "You cannot set permissions explicitly for SendMessageBatch, DeleteMessageBatch, or
#   ChangeMessageVisibilityBatch. Instead, setting permissions for SendMessage, DeleteMessage, or ChangeMessageVisibility
#   sets permissions for the corresponding batch versions of the actions." (Amazon SQS Developer Guide, "Amazon SQS batch
#   actions"). ministack's own text names no exception for queues.
# Expected: who may `sqs:SendMessage` may send a batch, and likewise for the other two.
# Guessed before it was tried, from a program that had needed `sqs:SendMessage*`: the batch is refused, for all three.
# Seen: so it is, and a policy with the batch's name alone lets it pass. The refusal names the action:
#   "not authorized to perform: sqs:SendMessageBatch".
# Way round: `sqs:SendMessage*` in the policies that are tried on it. It allows nothing more on AWS.
#
# Output: for each action that alone is allowed, whether one message and a batch of one are allowed or refused.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check ministack==1.5.33 boto3==1.43.106
cat > "$folder/seen.py" <<'PY'
import json, os, socket, subprocess, sys, time
import boto3
from botocore.exceptions import ClientError

with socket.create_server(("127.0.0.1", 0)) as free:
    port = str(free.getsockname()[1])
folder = sys.argv[1]
environment = {
    "PATH": os.environ["PATH"], "HOME": folder, "TMPDIR": folder, "STATE_DIR": folder, "BIND_HOST": "127.0.0.1",
    "GATEWAY_PORT": port, "EDGE_PORT": port, "AUTH": "true", "SFTP_ENABLED": "0", "IOT_MTLS_ENABLED": "0",
    "DOCKER_HOST": "unix:///nonexistent"}
server = subprocess.Popen(
    [f"{folder}/venv/bin/ministack"], env=environment, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def client(service, key="test", secret="test"):
    return boto3.client(service, endpoint_url=f"http://127.0.0.1:{port}", region_name="us-east-1", aws_access_key_id=key,
                        aws_secret_access_key=secret)


def show(action, one, many, entry):
    for allowed in (action, f"{action}Batch"):
        statement = {"Effect": "Allow", "Action": f"sqs:{allowed}", "Resource": "arn:aws:sqs:us-east-1:000000000000:some"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.put_user_policy(UserName="someone", PolicyName="some", PolicyDocument=policy)
        seen = []
        for call, arguments in ((one, entry), (many, {"Entries": [{"Id": "1", **entry}]})):
            try:
                call(QueueUrl=queue, **arguments)
                seen.append("allowed")
            except ClientError as error:
                seen.append("refused" if error.response["Error"]["Code"] == "AccessDenied" else str(error))
        print(f"{allowed}:", *seen)


try:
    while server.poll() is None and socket.socket().connect_ex(("127.0.0.1", int(port))):
        time.sleep(0.1)
    iam, sqs = client("iam"), client("sqs")
    queue = sqs.create_queue(QueueName="some")["QueueUrl"]
    iam.create_user(UserName="someone")
    key = iam.create_access_key(UserName="someone")["AccessKey"]
    user = client("sqs", key["AccessKeyId"], key["SecretAccessKey"])
    show("SendMessage", user.send_message, user.send_message_batch, {"MessageBody": "x"})
    entry = {"ReceiptHandle": sqs.receive_message(QueueUrl=queue)["Messages"][0]["ReceiptHandle"]}
    show("ChangeMessageVisibility", user.change_message_visibility, user.change_message_visibility_batch,
         entry | {"VisibilityTimeout": 60})
    show("DeleteMessage", user.delete_message, user.delete_message_batch, entry)
finally:
    server.terminate()
    server.wait()
PY
got=$("$folder/venv/bin/python" "$folder/seen.py" "$folder")
want=$(for action in SendMessage ChangeMessageVisibility DeleteMessage; do
    printf '%s: allowed refused\n%sBatch: refused allowed\n' "$action" "$action"; done)
echo "$got"
[ "$got" = "$want" ] || { echo "this changed: expected"; echo "$want"; exit 1; }

#!/usr/bin/env bash
# In ministack's CloudFormation, `MaximumConcurrency: !Ref Parameter` stops the event sources of queues, without an error.
#
# Package: ministack 1.5.33 (PyPI), called by boto3 1.43.106.
# Documented: `MaximumConcurrency` is of "Type: Integer" (CloudFormation template reference, AWS::Lambda::EventSourceMapping
#   ScalingConfig); a parameter of the type Number "becomes a string" by Ref (AWS SAR API reference, ParameterDefinition).
# Expected: a function gets the messages of its queue, whether the 2 is written out or comes from a parameter.
# Guessed before it was tried, from a program that had needed the way round: with the parameter, nothing is taken.
#   Guessed next, from the source: the error ends each pass over all mappings, so that those made later stand still, too.
# Seen: both. The stack is CREATE_COMPLETE, boto3 shows the number 2 of the mapping, and only the log tells, each second:
#   "ESM SQS poller error: '>=' not supported between instances of 'int' and 'str'".
# Way round: after the deployment, `update_event_source_mapping` with the number.
#
# Output: of each stack, in the order of their making, whether its function takes a message; the same after the way round.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check ministack==1.5.33 boto3==1.43.106
cat > "$folder/template.yaml" <<'YAML'
Parameters: { Most: { Type: Number, Default: 2 } }
Resources:
  Queue: { Type: AWS::SQS::Queue }
  Function:
    Type: AWS::Lambda::Function
    Properties: { Runtime: python3.12, Handler: index.handler, Role: 'arn:aws:iam::000000000000:role/some',
                  Code: { ZipFile: 'def handler(event, context): pass' } }
  Mapping:
    Type: AWS::Lambda::EventSourceMapping
    Properties: { EventSourceArn: !GetAtt Queue.Arn, FunctionName: !Ref Function, ScalingConfig: { MaximumConcurrency: 2 } }
YAML
cat > "$folder/seen.py" <<'PY'
import os, socket, subprocess, sys, time
import boto3

with socket.create_server(("127.0.0.1", 0)) as free:
    port = str(free.getsockname()[1])
folder, text, url = sys.argv[1], sys.stdin.read(), f"http://127.0.0.1:{port}"
environment = {
    "PATH": os.environ["PATH"], "HOME": folder, "TMPDIR": folder, "STATE_DIR": folder, "BIND_HOST": "127.0.0.1",
    "GATEWAY_PORT": port, "EDGE_PORT": port, "SFTP_ENABLED": "0", "IOT_MTLS_ENABLED": "0", "LAMBDA_EXECUTOR": "local",
    "AWS_ENDPOINT_URL": url, "DOCKER_HOST": "unix:///nonexistent"}
server = subprocess.Popen(
    [f"{folder}/venv/bin/ministack"], env=environment, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
account = {"endpoint_url": url, "region_name": "us-east-1", "aws_access_key_id": "test", "aws_secret_access_key": "test"}
formation, sqs, functions = (boto3.client(it, **account) for it in ("cloudformation", "sqs", "lambda"))


def takes(stack, seconds):
    queue = formation.describe_stack_resource(StackName=stack, LogicalResourceId="Queue")["StackResourceDetail"]
    sent = {"QueueUrl": queue["PhysicalResourceId"]}
    sqs.send_message(**sent, MessageBody="x")
    for _ in range(seconds * 5):
        time.sleep(0.2)
        attributes = sqs.get_queue_attributes(**sent, AttributeNames=["All"])["Attributes"]
        if attributes["ApproximateNumberOfMessages"] == attributes["ApproximateNumberOfMessagesNotVisible"] == "0":
            return "taken"
    return "left"


try:
    while server.poll() is None and socket.socket().connect_ex(("127.0.0.1", int(port))):
        time.sleep(0.1)
    stacks = {"written": text, "parameter": text.replace("Concurrency: 2", "Concurrency: !Ref Most"), "later": text}
    for stack, template in stacks.items():
        formation.create_stack(StackName=stack, TemplateBody=template)
        formation.get_waiter("stack_create_complete").wait(StackName=stack, WaiterConfig={"Delay": 1})
        print(f"{stack}:", takes(stack, 30 if stack == "written" else 6))
    for mapping in functions.list_event_source_mappings()["EventSourceMappings"]:
        functions.update_event_source_mapping(UUID=mapping["UUID"], ScalingConfig={"MaximumConcurrency": 2})
    print("updated:", *(takes(stack, 30) for stack in stacks))
finally:
    server.terminate()
    server.wait()
PY
got=$("$folder/venv/bin/python" "$folder/seen.py" "$folder" < "$folder/template.yaml")
want=$(printf '%s\n' 'written: taken' 'parameter: left' 'later: left' 'updated: taken taken taken')
echo "$got"
[ "$got" = "$want" ] || { echo "this changed: expected"; echo "$want"; exit 1; }

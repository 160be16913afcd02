"""Compares what each function's role allows with what the tests saw the function call.

    rm -f target/tmp/aws-calls && cargo test --workspace     # its stacks append what they see
    python .ci/expand.py template.yaml > expanded.json
    python .ci/policies.py expanded.json target/tmp/aws-calls [--strict]

What was called and is not allowed would fail on AWS. What is allowed and was not called needs a reason below: it is listed, and is
a failure with `--strict`. (What a function does when others are in its way, no run of the tests shows each time.)
"""
import json
import pathlib
import sys

# By the function's name, or * for all; what is said of an action that a function is not allowed is an error.
REASONS = {
    "*": {
        "logs:CreateLogStream": "Lambda writes the function's log",
        "logs:PutLogEvents": "Lambda writes the function's log",
        "xray:PutTraceSegments": "Lambda records the traces, with Tracing=on",
        "xray:PutTelemetryRecords": "Lambda records the traces, with Tracing=on",
        "ec2:CreateNetworkInterface": "Lambda puts the function into a VPC; its code is denied it",
        "ec2:DescribeNetworkInterfaces": "Lambda puts the function into a VPC; its code is denied it",
        "ec2:DescribeSubnets": "Lambda puts the function into a VPC; its code is denied it",
        "ec2:DeleteNetworkInterface": "Lambda puts the function into a VPC; its code is denied it",
        "ec2:AssignPrivateIpAddresses": "Lambda puts the function into a VPC; its code is denied it",
        "ec2:UnassignPrivateIpAddresses": "Lambda puts the function into a VPC; its code is denied it",
        "s3:ListBucket": "without it S3 says 403, and not 404, of an object that is not there (GetObject)",
    },
    # the senders are one program's lines, whatever they send over; the tests show each over webhooks
    "DeliverAmqp": {
        "dynamodb:DeleteItem": "ordered delivery", "dynamodb:Query": "ordered delivery", "dynamodb:UpdateItem": "health of channels",
        "s3:GetObject": "pictures in messages",
    },
    "DeliverSignalr": {
        "dynamodb:BatchGetItem": "several channels in a batch", "dynamodb:DeleteItem": "ordered delivery",
        "s3:GetObject": "pictures in messages",
    },
    "DeliverWebhookSlow": {"dynamodb:BatchGetItem": "several channels in a batch"},
    # so is the work of the processors; the tests show each with faces
    "ProcessFaces": {
        "s3:GetObject": "results of an external processor", "s3:DeleteObject": "leftovers of an external processor",
    },
    "ProcessObjects": {
        "dynamodb:DeleteItem": "places among those that work at once", "dynamodb:UpdateItem": "progress",
        "sqs:SendMessage": "messages that cannot be read are parked",
    },
    "ProcessTranslations": {
        "dynamodb:DeleteItem": "places among those that work at once", "dynamodb:UpdateItem": "progress",
        "sqs:SendMessage": "messages that cannot be read are parked",
    },
    "RenderImage": {"sqs:SendMessage": "messages that cannot be read are parked"},
}

# What Lambda does with a function's role for its event source (AWS Lambda, "Using Lambda with Amazon SQS", "… with DynamoDB").
EVENT_SOURCES = {
    "sqs": {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"},
    "stream": {"dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams"},
}

# The actions of operations whose names differ (Service Authorization Reference).
ACTIONS = {
    "dynamodb.TransactWriteItems": None,  # its parts have actions
    "s3.HeadObject": "s3:GetObject",
    "s3.HeadBucket": "s3:ListBucket",
    "s3.ListObjectsV2": "s3:ListBucket",
    "s3.DeleteObjects": "s3:DeleteObject",
    "s3.CreateMultipartUpload": "s3:PutObject",
    "s3.UploadPart": "s3:PutObject",
    "s3.CompleteMultipartUpload": "s3:PutObject",
}

# Services that are asked with credentials of an application, not with the role.
OF_APPLICATIONS = {"media", "external_sqs"}


def action(call):
    """The action that a call needs; `None` if it needs none of the role's."""
    service, operation = call.split(".", 1)
    if service in OF_APPLICATIONS:
        return None
    if call in ACTIONS:
        return ACTIONS[call]
    if service == "sockets":
        return "execute-api:ManageConnections"
    if service == "sqs":
        operation = operation.removesuffix("Batch")
    return f"{service}:{operation.removeprefix('transact.')}"


def listed(it):
    return it if isinstance(it, list) else [it]


def allowed(role):
    """The actions of a role, those included that a parameter switches on."""
    actions = set()
    for policy in role["Properties"]["Policies"]:
        for statement in policy["PolicyDocument"]["Statement"]:
            statement = statement["Fn::If"][1] if "Fn::If" in statement else statement
            if statement["Effect"] == "Allow":
                actions |= set(listed(statement["Action"]))
    return actions


def event_sources(resources):
    """What their event sources do, by function."""
    actions = {}
    for mapping in resources.values():
        if mapping["Type"] == "AWS::Lambda::EventSourceMapping":
            kind = "sqs" if "Queue" in json.dumps(mapping["Properties"]["EventSourceArn"]) else "stream"
            actions.setdefault(mapping["Properties"]["FunctionName"]["Ref"], set()).update(EVENT_SOURCES[kind])
    return actions


def problems(resources, calls):
    """What is wrong, a line each, and whether it is so in each run of the tests."""
    sources = event_sources(resources)
    functions = {name for name, it in resources.items() if it["Type"] == "AWS::Lambda::Function"}
    for name in sorted(set(calls) - functions | set(REASONS) - functions - {"*"}):
        yield f"{name}: there is no such function", True
    for name in sorted(functions):
        may = allowed(resources[resources[name]["Properties"]["Role"]["Fn::GetAtt"][0]])
        seen = {it for it in map(action, calls.get(name, ())) if it}
        reasons = REASONS.get(name, {})
        if not calls.get(name) and may - set(REASONS["*"]):
            yield f"{name}: no test made it call AWS", True
            continue
        for it in sorted(seen - may):
            yield f"{name}: {it} is called and not allowed", True
        for it in sorted(may - seen - sources.get(name, set()) - set(reasons) - set(REASONS["*"])):
            yield f"{name}: {it} is allowed, was not called, and has no reason", False
        for it in sorted(set(reasons) - may):
            yield f"{name}: {it} has a reason and is not allowed", True


def main(expanded, log, *options):
    calls = {}
    for line in pathlib.Path(log).read_text().splitlines():
        name, call = line.split(" ")
        calls.setdefault(name.removeprefix("notifications-"), set()).add(call)
    resources = json.loads(pathlib.Path(expanded).read_text())["Resources"]
    found = list(problems(resources, calls))
    print("\n".join(line for line, _ in found))
    if any(always or "--strict" in options for _, always in found):
        sys.exit("the roles and the calls differ")
    print(f"{len(calls)} functions may do what they were seen to do")


main(*sys.argv[1:])

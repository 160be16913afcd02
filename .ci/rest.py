"""What a deployment costs a month while nothing happens, from the expanded template and the price list: a table in Markdown.

    python .ci/expand.py template.yaml > expanded.json
    python .ci/rest.py expanded.json                       # prints the table, with the template's defaults
    python .ci/rest.py expanded.json Amqp=off              # with other parameters
    python .ci/rest.py expanded.json --check shared/docs/deploy.md --most 3.5
"""
import json
import pathlib
import sys

PRICES = json.loads((pathlib.Path(__file__).parent / "prices.json").read_text())


class Template:
    """The expanded template with the values of its parameters."""

    def __init__(self, text, given):
        self.template = json.loads(text)
        known = self.template["Parameters"]
        unknown = set(given) - set(known)
        if unknown:
            sys.exit(f"no such parameter: {', '.join(sorted(unknown))}")
        self.values = {name: str(given.get(name, it.get("Default", ""))) for name, it in known.items()}

    def value(self, it):
        """The text of a value; resources that are not parameters stay what they are."""
        if not isinstance(it, dict):
            return str(it).lower() if isinstance(it, bool) else str(it)
        [(name, inner)] = it.items()
        match name:
            case "Ref":
                return self.values.get(inner, inner)
            case "Fn::If":
                return self.value(inner[1] if self.holds({"Condition": inner[0]}) else inner[2])
            case "Fn::Select":
                return self.value(inner[1]["Fn::Split"][1]).split(inner[1]["Fn::Split"][0])[int(inner[0])]
            case _:
                return json.dumps(it)

    def holds(self, it):
        [(name, inner)] = it.items()
        match name:
            case "Condition":
                return self.holds(self.template["Conditions"][inner])
            case "Fn::Not":
                return not self.holds(inner[0])
            case "Fn::And":
                return all(map(self.holds, inner))
            case "Fn::Or":
                return any(map(self.holds, inner))
            case "Fn::Equals":
                return self.value(inner[0]) == self.value(inner[1])
            case _:
                sys.exit(f"a condition that is not known: {name}")

    def made(self, kind):
        """The properties of the resources of a type that are made."""
        for it in self.template["Resources"].values():
            if it["Type"] == kind and ("Condition" not in it or self.holds({"Condition": it["Condition"]})):
                yield it.get("Properties", {})


def units(price, count):
    return max(0, count - price.get("free", 0)) * price["million"] / 1e6


def rows(template):
    """The lines of the table: what, how many, and US dollars a month."""
    seconds = PRICES["hours"] * 3600
    pollers, sweep = PRICES["pollers"], PRICES["sweep"]
    alarms = sum(max(1, len(it.get("Metrics", []))) for it in template.made("AWS::CloudWatch::Alarm"))
    yield f"alarms, by the metrics that they read: {alarms}", alarms * PRICES["alarm_metric"]
    keys = len(list(template.made("AWS::KMS::Key")))
    yield f"KMS keys: {keys}", keys * PRICES["kms_key"]

    few = many = 0
    for it in template.made("AWS::Lambda::EventSourceMapping"):
        queue = "SQS" in json.dumps(it) or "Queue" in json.dumps(it["EventSourceArn"])
        if not queue or template.value(it.get("Enabled", True)) == "false":
            continue
        if "ScalingConfig" in it:
            many += 1
        else:
            few += 1
    polls = (few * pollers["least"] + many * pollers["with_maximum_concurrency"]) * seconds / pollers["poll_seconds"]
    queues = len(list(template.made("AWS::SQS::Queue")))
    looks = queues * seconds / 60 / sweep["look_minutes"]
    sqs = PRICES["sqs_requests"]
    text = f"SQS: {few} queues with {pollers['least']} pollers, {many} with {pollers['with_maximum_concurrency']}, and the looks of `sweep` at {queues} queues: {(polls + looks) / 1e6:.2f} million requests, {sqs['free'] / 1e6:.0f} million free"
    yield text, units(sqs, polls + looks)

    runs = seconds / 60
    memory = template.template["Resources"]["Sweep"]["Properties"]["MemorySize"] / 1024
    compute = units(PRICES["lambda_requests"], runs) + units(PRICES["lambda_gb_seconds"], runs * memory * sweep["milliseconds"] / 1000)
    yield f"`sweep`: {runs:,.0f} runs", compute
    rows_cost = units(PRICES["dynamodb_write_units"], runs * sweep["write_units"]) + units(PRICES["dynamodb_read_units"], runs * sweep["read_units"])
    yield "its units of DynamoDB", rows_cost
    yield "its lines of the log", runs * sweep["log_bytes"] / 1e9 * PRICES["log_gb"]
    dashboards = len(list(template.made("AWS::CloudWatch::Dashboard")))
    if dashboards:
        yield f"dashboards: {dashboards}, unless the account has fewer than three others", dashboards * PRICES["dashboard"]


def table(template):
    lines = list(rows(template))
    total = sum(price for _, price in lines)
    text = ["| at rest, a month | US dollars |", "|---|---|"]
    text += [f"| {what} | {price:.2f} |" for what, price in lines]
    text.append(f"| in all | {total:.2f} |")
    return "\n".join(text), total


def main(arguments):
    options = {}
    while len(arguments) > 1 and arguments[-2].startswith("--"):
        options[arguments[-2]] = arguments[-1]
        arguments = arguments[:-2]
    given = dict(it.split("=", 1) for it in arguments[1:])
    text, total = table(Template(pathlib.Path(arguments[0]).read_text(), given))
    print(text)
    if "--check" in options and text not in pathlib.Path(options["--check"]).read_text():
        sys.exit(f"{options['--check']} has another table")
    if total > float(options.get("--most", "inf")):
        sys.exit(f"that is more than {options['--most']}")


main(sys.argv[1:])

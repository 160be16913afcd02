"""Expands the SAM template as CloudFormation does, so that a linter sees what is deployed."""
import json
import os
import re
import sys

os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse


class Policies:
    def load(self):
        return {}


text = open(sys.argv[1]).read()
text = re.sub(r"CodeUri: [^,\s]+", "CodeUri: s3://bucket/k", text)
print(json.dumps(transform(yaml_parse(text), {}, Policies()), default=str, indent=1))

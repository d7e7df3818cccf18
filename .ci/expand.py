"""Expands template.yaml as CloudFormation's SAM transform does, and writes the result as JSON.

    python expand.py TEMPLATE OUTPUT [Parameter=value ...]

Needs aws-sam-translator, which the SAM CLI brings. `tests/deploy/test_template.py` judges the
output, and so does cfn-lint.
"""

import collections
import json
import os
import sys

from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse


class ManagedPolicies:
    """The policies of AWS that SAM adds to a function's role."""

    def load(self):
        names = [
            "service-role/AWSLambdaBasicExecutionRole",
            "AWSXRayDaemonWriteAccess",
            "AWSXrayWriteOnlyAccess",
        ]
        return {name.split("/")[-1]: f"arn:aws:iam::aws:policy/{name}" for name in names}


def expand(path, parameters):
    """The expanded template of that file, with these values of parameters."""
    os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
    with open(path, encoding="utf-8") as file:
        template = yaml_parse(file.read())
    # `sam package` leaves the address of the uploaded zip here.
    template["Globals"]["Function"]["CodeUri"] = "s3://bucket/key"
    return transform(template, parameters, ManagedPolicies())


def main():
    source, output, *given = sys.argv[1:]
    expanded = expand(source, dict(argument.split("=", 1) for argument in given))
    with open(output, "w", encoding="utf-8") as file:
        json.dump(expanded, file, indent=1)
    kinds = collections.Counter(item["Type"] for item in expanded["Resources"].values())
    most = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common(6))
    print(f"{sum(kinds.values())} resources: {most}, …")


if __name__ == "__main__":
    main()

"""Expands the SAM template as the cloud does, which says more than a check of its form, and counts what CloudFormation would make."""

import collections
import os
import sys

from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

LIMIT = 500  # of resources in a stack: docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html


class ManagedPolicies:
    """The policies of AWS that SAM adds to a function's role."""

    def load(self):
        names = ["service-role/AWSLambdaBasicExecutionRole", "AWSXRayDaemonWriteAccess", "AWSXrayWriteOnlyAccess"]
        return {name.split("/")[-1]: f"arn:aws:iam::aws:policy/{name}" for name in names}


def main():
    os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
    with open(sys.argv[1], encoding="utf-8") as file:
        template = yaml_parse(file.read())
    template["Globals"]["Function"]["CodeUri"] = "s3://bucket/key"  # as `sam package` leaves it
    expanded = transform(template, {}, ManagedPolicies())
    kinds = collections.Counter(resource["Type"] for resource in expanded["Resources"].values())
    total = sum(kinds.values())
    print(f"{total} resources of {LIMIT}:", ", ".join(f"{count} {kind}" for kind, count in kinds.most_common(6)), "…")
    sys.exit(total > LIMIT)


main()

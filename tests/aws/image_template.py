"""deploy/aws/template-image.yaml, made from template.yaml: functions as a container image.

SAM wants ``PackageType`` as a word, not as a condition, so that one template cannot be both.
"""

import re

from tests.docs.markdown import ROOT

TEMPLATE = ROOT / "deploy" / "aws" / "template.yaml"
IMAGE_TEMPLATE = ROOT / "deploy" / "aws" / "template-image.yaml"

_HEADER = """\
# Written by scripts/write-image-template from template.yaml: change that one.
"""
_PARAMETER = """\
  ImageUri:
    Type: String
    Description: "The functions' image in ECR: ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME@sha256:DIGEST."
"""
_FUNCTION = re.compile(r"(    Type: AWS::Serverless::Function\n(?:    .*\n)*?    Properties:\n)")
_OF_A_ZIP = re.compile(r"    (?:CodeUri|Handler|Runtime): .*\n")


def image_template() -> str:
    """Its text."""
    text = TEMPLATE.read_text("utf-8")
    text, of_a_zip = _OF_A_ZIP.subn("", text)
    text, functions = _FUNCTION.subn(
        r"\1      PackageType: Image\n      ImageUri: !Ref ImageUri\n", text
    )
    assert (of_a_zip, functions) == (3, text.count("AWS::Serverless::Function\n"))
    return _HEADER + text.replace(
        "  Sources:\n    Type: String\n", f"{_PARAMETER}  Sources:\n    Type: String\n", 1
    )


if __name__ == "__main__":
    IMAGE_TEMPLATE.write_text(image_template(), "utf-8")

"""As much of the AWS CLI as the commands that icaguard prints need. It stands on botocore, whose models, documents and
--query the real one uses, so a command that runs here is one that the AWS CLI takes.
"""

import json
import sys

import botocore.exceptions
import botocore.session
import jmespath
from botocore import xform_name


def value(shape, text):
    if text.startswith("file://"):
        with open(text[len("file://"):]) as file:
            text = file.read()
    if shape.type_name in ("structure", "list"):
        return json.loads(text)
    return int(text) if shape.type_name in ("integer", "long") else text


def main(service, command, *words):
    words = list(words)
    options = {}
    for name in ("--region", "--query", "--output"):
        if name in words:
            at = words.index(name)
            options[name] = words[at + 1]
            del words[at:at + 2]
    client = botocore.session.get_session().create_client({"s3api": "s3"}.get(service, service), region_name=options.get("--region", "us-east-1"))
    method = command.replace("-", "_")
    operation = client.meta.service_model.operation_model(client.meta.method_to_api_mapping[method])
    members = {"--" + xform_name(name, "-"): (name, shape) for name, shape in operation.input_shape.members.items()}
    arguments = {}
    while words:
        name, shape = members[words.pop(0)]
        arguments[name] = True if shape.type_name == "boolean" else value(shape, words.pop(0))
    answer = getattr(client, method)(**arguments)
    answer.pop("ResponseMetadata", None)
    if "--query" in options:
        answer = jmespath.search(options["--query"], answer)
    if options.get("--output") == "text":
        print(answer)
    elif answer:
        print(json.dumps(answer, default=str))


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except (botocore.exceptions.ClientError, botocore.exceptions.ParamValidationError) as error:
        sys.exit(f"aws: {error}")

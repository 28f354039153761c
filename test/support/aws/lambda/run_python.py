"""Loads a handler as Lambda's Python does, and answers events: a line of JSON each, from standard
input to file descriptor 3."""

import importlib
import json
import os
import sys
import traceback


def answer(value):
    os.write(3, (json.dumps(value) + "\n").encode())


def describe(error):
    return {
        "errorType": type(error).__name__,
        "errorMessage": str(error),
        "stackTrace": traceback.format_tb(error.__traceback__),
    }


class Context:
    def __init__(self, request_id):
        self.aws_request_id = request_id


sys.path.insert(0, os.getcwd())
try:
    module, _, name = os.environ["_HANDLER"].rpartition(".")
    handler = getattr(importlib.import_module(module.replace("/", ".")), name)
    answer({"ready": True})
except Exception as error:
    answer({"error": describe(error)})
    sys.exit(1)
for line in sys.stdin:
    request = json.loads(line)
    try:
        told = {"result": handler(request["event"], Context(request["requestId"]))}
    except Exception as error:
        told = {"error": describe(error)}
    # So much has been written when the answer comes.
    for stream in (sys.stdout, sys.stderr):
        stream.write("\0%s\n" % request["requestId"])
        stream.flush()
    answer(told)

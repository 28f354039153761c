"""Counts the visits of the site: POST counts one and answers the new number, GET only answers it."""

import json

import mokapot  # The driver that the runtime brings; it keeps one connection between invocations.

# One statement, so that two visits in the same instant are two visits.
COUNT_ONE = """
    INSERT INTO visits (page, count) VALUES ($1, 1)
    ON CONFLICT (page) DO UPDATE SET count = visits.count + 1
    RETURNING count
"""
READ = "SELECT count FROM visits WHERE page = $1"

PAGE = "home"


def handler(event, context):
    method = event["requestContext"]["http"]["method"]
    if method == "POST":
        rows = mokapot.query(COUNT_ONE, PAGE)
    elif method == "GET":
        rows = mokapot.query(READ, PAGE)
    else:
        return answer(405, {"error": "method not allowed"}, {"allow": "GET, POST"})
    return answer(200, {"count": int(rows[0]["count"]) if rows else 0})


def answer(status, body, more_headers=None):
    headers = {"content-type": "application/json", "cache-control": "no-store"}
    headers.update(more_headers or {})
    return {"statusCode": status, "headers": headers, "body": json.dumps(body)}

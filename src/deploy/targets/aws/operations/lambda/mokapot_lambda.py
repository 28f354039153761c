"""Gives a function on Lambda a DATABASE_URL with a password that IAM checks. Standard library only.

The password is made anew before each invocation and is good for 15 minutes, which is the longest
that an invocation takes; a session that has begun goes on. Nobody is asked for it.
"""

import hashlib
import hmac
import os
import time
from urllib.parse import quote, unquote, urlsplit

_LIFETIME_SECONDS = 15 * 60

_url = os.environ.get("DATABASE_URL", "")


def database_token(kind, host, port, user, region, keys, now):
    """The password: a request that is signed in its query (Signature Version 4) and never sent."""
    access_key, secret_key, session_token = keys
    if kind == "rds":
        service, address = "rds-db", "%s:%d" % (host, port)
        parameters = {"Action": "connect", "DBUser": user}
    else:
        service, address = "dsql", host
        parameters = {"Action": "DbConnectAdmin" if user == "admin" else "DbConnect"}
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    scope = "%s/%s/%s/aws4_request" % (stamp[:8], region, service)
    parameters["X-Amz-Algorithm"] = "AWS4-HMAC-SHA256"
    parameters["X-Amz-Credential"] = "%s/%s" % (access_key, scope)
    parameters["X-Amz-Date"] = stamp
    parameters["X-Amz-Expires"] = str(_LIFETIME_SECONDS)
    parameters["X-Amz-SignedHeaders"] = "host"
    if session_token:
        parameters["X-Amz-Security-Token"] = session_token
    query = "&".join(
        sorted("%s=%s" % (quote(name, safe=""), quote(value, safe="")) for name, value in parameters.items())
    )
    canonical = "\n".join(("GET", "/", query, "host:" + address, "", "host", _sha256("")))
    text = "\n".join(("AWS4-HMAC-SHA256", stamp, scope, _sha256(canonical)))
    key = ("AWS4" + secret_key).encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    return "%s/?%s&X-Amz-Signature=%s" % (address, query, signature)


def _sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


def database_url(now=None):
    """The database's address with a password that is good for 15 minutes from now."""
    kind = os.environ.get("MOKA_DATABASE_IAM")
    if kind is None:
        return _url
    parts = urlsplit(_url)
    environ = os.environ
    keys = (
        environ.get("AWS_ACCESS_KEY_ID", ""),
        environ.get("AWS_SECRET_ACCESS_KEY", ""),
        environ.get("AWS_SESSION_TOKEN"),
    )
    token = database_token(
        kind,
        parts.hostname,
        parts.port or 5432,
        unquote(parts.username),
        environ.get("AWS_REGION", ""),
        keys,
        time.time() if now is None else now,
    )
    scheme, rest = _url.split("://", 1)
    user, address = rest.split("@", 1)
    return "%s://%s:%s@%s" % (scheme, user, quote(token, safe=""), address)


def renew():
    os.environ["DATABASE_URL"] = database_url()


def load(module_name, handler_name):
    """The function's handler, before each call of which the password is made anew."""
    from importlib import import_module

    renew()
    handler = getattr(import_module(module_name), handler_name)

    def with_database(event, context):
        renew()
        return handler(event, context)

    return with_database

"""The Python runtime: loads a handler and serves the Lambda runtime API (2018-06-01) over one raw
connection. Runs in a process that the zygote forked. What is not needed for the first answer is
imported when it is.
"""

import _socket
import gc
import json
import os
import sys
import time

_API = "/2018-06-01/runtime"
_MAX_RESPONSE_BYTES = 6 * 1024 * 1024 + 100


class _RuntimeError(Exception):
    def __init__(self, error_type, message, stack=()):
        super().__init__(message)
        self.described = {
            "errorMessage": message,
            "errorType": error_type,
            "requestId": "",
            "stackTrace": list(stack),
        }


class _Connection:
    """One keep-alive HTTP/1.1 connection. Our own server answers: status, headers, length, body."""

    def __init__(self, address, key):
        host, _, port = address.partition(":")
        self._host = address
        self._socket = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
        self._socket.connect((host, int(port)))
        self._socket.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
        self._pending = b""
        self._first = "mokapot-key: %s\r\n" % key

    def send(self, *requests):
        """Sends requests in one write and returns headers and body of the answer to the last."""
        parts = []
        for method, path, headers, body in requests:
            length = "" if body is None else "content-length: %d\r\n" % len(body)
            head = "%s %s%s HTTP/1.1\r\nhost: %s\r\n%s%s%s\r\n" % (
                method, _API, path, self._host, self._first, length, headers,
            )  # fmt: skip
            self._first = ""
            parts += (head.encode("latin-1"), body or b"")
        self._socket.sendall(b"".join(parts))
        for _ in requests:
            answer = self._read()
        return answer

    def _read(self):
        data = self._pending
        while b"\r\n\r\n" not in data:
            data += self._receive()
        head, _, data = data.partition(b"\r\n\r\n")
        headers = {}
        for line in head.decode("latin-1").split("\r\n")[1:]:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        length = int(headers.get("content-length", 0))
        if len(data) < length:
            chunks = [data]
            missing = length - len(data)
            while missing > 0:
                chunk = self._receive()
                chunks.append(chunk)
                missing -= len(chunk)
            data = b"".join(chunks)
        self._pending = data[length:]
        return headers, data[:length]

    def _receive(self):
        data = self._socket.recv(262144)
        if not data:
            os._exit(1)  # the cloud is gone
        return data


class LambdaContext:
    """The second argument of a handler, with the names that Lambda gives."""

    def __init__(self, headers):
        environ = os.environ
        self.aws_request_id = headers["lambda-runtime-aws-request-id"]
        self.invoked_function_arn = headers.get("lambda-runtime-invoked-function-arn")
        self.function_name = environ.get("AWS_LAMBDA_FUNCTION_NAME")
        self.function_version = environ.get("AWS_LAMBDA_FUNCTION_VERSION")
        self.memory_limit_in_mb = environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.log_group_name = environ.get("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = environ.get("AWS_LAMBDA_LOG_STREAM_NAME")
        self.identity = None
        self.client_context = None
        self._deadline_ms = int(headers["lambda-runtime-deadline-ms"])

    def get_remaining_time_in_millis(self):
        return max(self._deadline_ms - int(time.time() * 1000), 0)

    def log(self, message):
        sys.stdout.write(str(message))

    def __repr__(self):
        return "LambdaContext(aws_request_id=%s, function_name=%s)" % (
            self.aws_request_id,
            self.function_name,
        )


class _LoggingFinder:
    """Gives the root logger Lambda's handler when a function first imports `logging`."""

    request_id = ""

    def install(self):
        if "logging" in sys.modules:
            self._add_handler(sys.modules["logging"])
        else:
            sys.meta_path.insert(0, self)

    def find_spec(self, name, path=None, target=None):
        if name != "logging":
            return None
        sys.meta_path.remove(self)
        from importlib.util import find_spec

        spec = find_spec(name)
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            self._add_handler(module)

        spec.loader.exec_module = exec_module
        return spec

    def _add_handler(self, logging):
        finder = self

        class Handler(logging.StreamHandler):
            def __init__(self):
                super().__init__(sys.stdout)
                form = "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s"
                formatter = logging.Formatter(form, "%Y-%m-%dT%H:%M:%S")
                formatter.converter = time.gmtime
                self.setFormatter(formatter)

            def emit(self, record):
                record.aws_request_id = finder.request_id
                super().emit(record)

        logging.root.addHandler(Handler())


_logging = _LoggingFinder()


def _load_handler(name, task_root):
    module_name, dot, function_name = name.rpartition(".")
    if not dot or not module_name or not function_name:
        message = "Bad handler '%s': not enough values to unpack (expected 2, got 1)" % name
        raise _RuntimeError("Runtime.MalformedHandlerName", message)
    module_name = module_name.replace("/", ".")
    try:
        __import__(module_name)
        module = sys.modules[module_name]
    except ImportError as error:
        message = "Unable to import module '%s': %s" % (module_name, error)
        raise _RuntimeError("Runtime.ImportModuleError", message)
    except SyntaxError as error:
        stack = '  File "%s" Line %s\n    %s' % (error.filename, error.lineno, (error.text or "").strip())
        message = "Syntax error in module '%s': %s" % (module_name, error)
        raise _RuntimeError("Runtime.UserCodeSyntaxError", message, [stack])
    handler = getattr(module, function_name, None)
    if handler is None:
        message = "Handler '%s' missing on module '%s'" % (function_name, module_name)
        raise _RuntimeError("Runtime.HandlerNotFound", message)
    if not callable(handler):
        raise _RuntimeError("Runtime.HandlerNotFound", "Handler '%s' is not callable" % name)
    return handler


def _describe(error, request_id):
    if isinstance(error, _RuntimeError):
        error.described["requestId"] = request_id
        return error.described
    import traceback

    # The frames of this file say nothing to the one who wrote the function.
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    return {
        "errorMessage": str(error),
        "errorType": type(error).__name__,
        "requestId": request_id,
        "stackTrace": traceback.format_list(traceback.extract_tb(trace)),
    }


def _encode_default(value):
    if type(value).__name__ == "Decimal":  # DynamoDB's numbers; Lambda's encoder takes them too
        return float(value)
    raise TypeError("Object of type %s is not JSON serializable" % type(value).__name__)


def _encode(result):
    try:
        body = json.dumps(result, default=_encode_default).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise _RuntimeError("Runtime.MarshalError", "Unable to marshal response: %s" % error)
    if len(body) > _MAX_RESPONSE_BYTES:
        message = "Response payload size exceeded maximum allowed payload size (%d bytes)."
        raise _RuntimeError("Function.ResponseSizeTooLarge", message % _MAX_RESPONSE_BYTES)
    return body


def _error_request(path, described):
    kind = described["errorType"].encode("ascii", "replace").decode()
    header = "lambda-runtime-function-error-type: %s\r\n" % kind
    return ("POST", path, header, json.dumps(described).encode())


def run(api_key, after_first):
    """Serves invocations until the process is ended from outside. `after_first` is called when the
    first answer is out and nobody waits."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)
    if hasattr(time, "tzset"):
        time.tzset()
    task_root = os.environ["LAMBDA_TASK_ROOT"]
    paths = os.environ.get("PYTHONPATH", "").split(":")
    sys.path[0:0] = [task_root] + [path for path in paths if path]
    connection = _Connection(os.environ["AWS_LAMBDA_RUNTIME_API"], api_key)
    _logging.install()
    try:
        handler = _load_handler(os.environ["_HANDLER"], task_root)
    except Exception as error:
        sys.stdout.flush()
        connection.send(_error_request("/init/error", _describe(error, "")))
        raise SystemExit(1)
    gc.enable()
    _serve(connection, handler, after_first)


def _serve(connection, handler, after_first):
    following = ("GET", "/invocation/next", "", None)
    headers, body = connection.send(following)
    while True:
        request_id = headers["lambda-runtime-aws-request-id"]
        os.environ["_X_AMZN_TRACE_ID"] = headers.get("lambda-runtime-trace-id", "")
        _logging.request_id = request_id
        try:
            result = handler(json.loads(body), LambdaContext(headers))
            path = "/invocation/%s/response" % request_id
            answer = ("POST", path, "", _encode(result))
        except Exception as error:
            path = "/invocation/%s/error" % request_id
            answer = _error_request(path, _describe(error, request_id))
        result = error = None
        sys.stdout.flush()
        sys.stderr.flush()
        if after_first is not None:
            connection.send(answer)
            after_first()
            after_first = None
            headers, body = connection.send(following)
        else:
            headers, body = connection.send(answer, following)

"""Forks one Python process for each execution environment.

Reads lines `TOKEN SOCKET` on standard input and forks a child for each, which asks at that socket
what it is to become: a function's variables never are in this process, whose memory all children
have a copy of. Tells `forked TOKEN PID` and
`exited PID CODE` on standard output. Ends at end of input. The first lines are served before
anything costly is loaded; the rest is loaded while nobody waits, so that later children find it
there. There must be no thread in this process.
"""

import _socket
import gc
import json
import os
import select
import signal
import sys

# What functions import most, in the order of use. Whatever is missing here is left out.
_WARM = (
    "ctypes", "mokapot_bootstrap", "mokapot", "logging", "traceback", "socket", "hashlib", "hmac", "secrets",
    "struct", "base64", "datetime", "decimal", "urllib.parse", "ssl", "http.client",
    "urllib.request", "uuid", "random", "string", "html", "pathlib", "dataclasses", "typing",
    "functools", "itertools", "contextlib", "threading", "csv", "io", "time", "zlib", "email.utils",
)  # fmt: skip

# linux/prctl.h
_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_NO_NEW_PRIVS = 38


def main():
    _close_inherited()
    signal_read, signal_write = _socket.socketpair()
    signal_read.setblocking(False)
    signal_write.setblocking(False)
    signal.set_wakeup_fd(signal_write.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    poll = select.poll()
    poll.register(0, select.POLLIN)
    poll.register(signal_read.fileno(), select.POLLIN)
    warm = list(_WARM)
    pending = b""
    while True:
        ready = [fd for fd, _ in poll.poll(0 if warm else None)]
        if signal_read.fileno() in ready:
            signal_read.recv(4096)
            _reap()
        if 0 in ready:
            data = os.read(0, 1 << 20)
            if not data:
                os._exit(0)  # the cloud is gone: the kernel ends our children with us
            *lines, pending = (pending + data).split(b"\n")
            for line in lines:
                _fork(line, (signal_read, signal_write))
        if not ready and warm:
            _import(warm.pop(0))
            if not warm:
                gc.collect()
                gc.freeze()  # keeps the collector's marks off pages shared with the children


def _close_inherited():
    """Closes what the cloud had open without O_CLOEXEC, its object index above all."""
    folder = "/proc/self/fd" if sys.platform == "linux" else "/dev/fd"
    for fd in [int(name) for name in os.listdir(folder)]:
        if fd > 2:
            try:
                os.close(fd)
            except OSError:  # the one that read the folder
                pass


def _import(name):
    try:
        __import__(name)
    except Exception:
        pass


def _reap():
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        _tell("exited %d %d" % (pid, os.waitstatus_to_exitcode(status)))


def _tell(line):
    os.write(1, line.encode() + b"\n")


def _fork(line, sockets):
    token, _, address = line.partition(b" ")
    parent = os.getpid()
    try:
        pid = os.fork()
    except OSError as error:
        _tell("failed %s %d" % (token.decode(), error.errno))
        return
    if pid:
        _tell("forked %s %d" % (token.decode(), pid))
        return
    code = 1
    try:
        os.setsid()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for held in sockets:
            held.close()
        _become(token, os.fsdecode(address), parent)
        code = 0
    except SystemExit as ending:
        code = _exit_code(ending)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        _leave(code)


def _become(token, address, parent):
    """Turns the child into the function's process, which never returns from here."""
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.close(null)
    request = None
    for number, name in ((1, b"stdout"), (2, b"stderr")):
        stream = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        stream.connect(address)
        stream.sendall(b"%s %s\n" % (token, name))
        if number == 1:
            request = _read_line(stream)
        os.dup2(stream.fileno(), number)
        os.set_inheritable(number, True)
        stream.close()
    request = json.loads(request)
    os.environ.clear()
    os.environ.update(request["variables"])
    user = request.get("user")
    if user:
        _change_user(user, request["taskRoot"], parent)
        parent = None
    os.chdir(request["taskRoot"])
    if parent and "ctypes" in sys.modules:
        end_with_parent(parent)
        parent = None
    import mokapot_bootstrap

    mokapot_bootstrap.run(
        request["apiKey"], after_first=lambda: parent and end_with_parent(parent)
    )


def _read_line(stream):
    data = b""
    while not data.endswith(b"\n"):
        chunk = stream.recv(65536)
        if not chunk:
            os._exit(1)  # the cloud is gone
        data += chunk
    return data


def _change_user(user, task_root, parent):
    """Gives up root for good: the user that the function's code meets owns its home alone."""
    uid, gid = user["uid"], user["gid"]
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    # After it, since a change of user undoes both: it dies with us, and can see itself in /proc.
    prctl = _find_prctl()
    prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
    prctl(_PR_SET_DUMPABLE, 1)
    prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if os.getppid() != parent:  # it died before we asked
        os._exit(1)
    _compile_into(os.path.join(user["home"], ".pycache"), os.path.join(task_root, ""))


def _find_prctl():
    # ctypes itself takes 4 ms to load, and the first function of all would wait for it.
    try:
        import _ctypes

        address = _ctypes.dlsym(_ctypes.dlopen(None, 0), "prctl")
        return lambda *arguments: _ctypes.call_function(address, arguments)
    except (ImportError, AttributeError):
        import ctypes

        return ctypes.CDLL(None).prctl


def _compile_into(folder, task_root):
    """Keeps the compiled form of the function's modules, whose own folder is read-only for it."""
    import _frozen_importlib_external as external  # what the loaders take it from

    original = external.cache_from_source

    def cache_from_source(path, *arguments, **options):
        if not path.startswith(task_root):
            return original(path, *arguments, **options)
        sys.pycache_prefix = folder
        try:
            return original(path, *arguments, **options)
        finally:
            sys.pycache_prefix = None

    external.cache_from_source = cache_from_source


def end_with_parent(parent):
    """Has the kernel kill this process when the zygote dies, stopped or not."""
    if sys.platform != "linux":
        return
    import ctypes

    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before we asked
        os._exit(1)


def _exit_code(ending):
    if ending.code is None:
        return 0
    if isinstance(ending.code, int):
        return ending.code & 0xFF
    print(ending.code, file=sys.stderr)
    return 1


def _leave(code):
    """Ends as an interpreter does: atexit functions, flushed output, then gone."""
    try:
        import atexit

        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:
        pass
    os._exit(code)

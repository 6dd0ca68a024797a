"""Start script of a worker that knows some more tasks, which misbehave on request. Run by the tests in the place of the package's own."""

import ctypes
import importlib.util
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

PACKAGE = Path(os.environ.get("INSDL_TEST_PACKAGE") or Path(__file__).parents[2] / "mantid_insdl")


def echo(maps, options, progress):
    return dict(maps), options


def describe(maps, options, progress):
    import mantid_insdl

    return {}, {
        "pid": os.getpid(),
        "package": mantid_insdl.__file__,
        "executable": sys.executable,
        "path": sys.path,
        "environment": dict(os.environ),
        "directory": os.getcwd(),
        "descriptors": [os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{fd}")],
    }


def sleep(maps, options, progress):
    end = time.monotonic() + options["seconds"]
    while time.monotonic() < end:
        progress(0.5, "sleeping")
        time.sleep(0.02)
    return {}, {"pid": os.getpid()}


def block(maps, options, progress):
    """A long call into C without a Python instruction in between; the GIL is held."""
    ctypes.PyDLL(None).sleep(options["seconds"])
    return {}, {}


def chatter(maps, options, progress):
    """Writes to stdout in every way, and reads stdin, as a careless library does."""
    print("hello from Python", flush=True)
    os.write(1, b"hello from C\n" * 1000)
    subprocess.run([sys.executable, "-c", "print('hello from a child')"], check=True)
    return {}, {"stdin": sys.stdin.read()}


def crash(maps, options, progress):
    print("about to crash", file=sys.stderr, flush=True)
    os.kill(os.getpid(), getattr(signal, options["signal"]))
    time.sleep(10)


def leave(maps, options, progress):
    sys.stderr.write("leaving\n")
    sys.stderr.flush()
    os._exit(3)


def fail(maps, options, progress):
    from mantid_insdl import errors

    if options["error"] == "Special":

        class SpecialMapError(errors.MapError):
            pass

        raise SpecialMapError("it is special", "so", "fix it")
    if hasattr(errors, options["error"]):
        raise getattr(errors, options["error"])("it is wrong", "for a reason", "do this")
    if options["error"] == "ModuleNotFoundError":
        import a_module_that_is_not_there  # noqa: F401
    raise {"ValueError": ValueError, "MemoryError": MemoryError}[options["error"]]("bad\nluck")


def unsendable(maps, options, progress):
    return {}, {"answer": object()}


def keras(maps, options, progress):
    from mantid_insdl.networks.backend import import_keras

    return {}, {"version": import_keras().__version__}


def children(maps, options, progress):
    """Starts a child that would live for a minute, and waits."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    progress(0.1, str(child.pid))
    child.wait()


if __name__ == "__main__":
    spec = importlib.util.spec_from_file_location("bootstrap", PACKAGE / "worker" / "bootstrap.py")
    bootstrap = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bootstrap)
    load_package = bootstrap._load_package

    def load_with_tasks(directory):
        load_package(directory)
        from mantid_insdl.worker.tasks import TASKS

        TASKS.update({f.__name__: f for f in (echo, describe, sleep, block, chatter, crash, leave, fail, unsendable, keras, children)})

    bootstrap._load_package = load_with_tasks
    bootstrap.main()

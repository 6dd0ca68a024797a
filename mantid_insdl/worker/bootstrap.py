"""First lines of the worker process, run as a script by whatever interpreter the user configured.

Uses the standard library only and no syntax newer than Python 3.6, so that a wrong interpreter can still say what is wrong with it.
"""

import importlib.util
import json
import os
import signal
import sys

OLDEST_PYTHON = (3, 11)
OLDEST_PYDANTIC = (2, 7)
REQUIRED = ("numpy", "scipy", "h5py", "pydantic", "yaml", "periodictable", "threadpoolctl")
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""Of the libraries of linear algebra, which read them as they are loaded: our own threads share the work."""


def main():
    requests, replies = _private_pipes()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal is the caller's to handle
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [entry for entry in sys.path if entry != here]
    problem = _problem()
    if problem:
        content = json.dumps(dict(problem, kind="failed", maps={}, arrays=[])).encode()
        frame = _load("frame", os.path.join(here, "frame.py"))
        replies.write(frame.MAGIC + frame.LENGTH.pack(len(content)) + content)
        replies.flush()
        return
    for name in ONE_THREAD:
        os.environ.setdefault(name, "1")
    _load_package(os.path.dirname(here))
    from mantid_insdl.worker.server import serve

    serve(requests, replies)


def _private_pipes():
    """The caller's pipes, moved away from stdin and stdout, so that nothing that a library prints or reads can disturb the messages."""
    requests = os.fdopen(os.dup(0), "rb")
    replies = os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return requests, replies


def _problem():
    if sys.version_info < OLDEST_PYTHON:
        return {
            "summary": f"the interpreter {sys.executable} cannot run mantid_insdl",
            "reason": f"it is Python {_dotted(sys.version_info[:2])}, and {_dotted(OLDEST_PYTHON)} or newer is needed",
            "fix": "set INSDL_PYTHON to another one",
        }
    missing = [name for name in REQUIRED if importlib.util.find_spec(name) is None]
    reason = f"it lacks {', '.join(missing)}" if missing else _wrong_pydantic()
    if reason:
        return {
            "summary": f"the interpreter {sys.executable} cannot run mantid_insdl",
            "reason": reason,
            "fix": 'install "mantid_insdl[cpu]" there, or set INSDL_PYTHON to another one',
        }
    return None


def _wrong_pydantic():
    """What is wrong with pydantic, which pip leaves as it is where the package is installed without its dependencies."""
    try:
        import pydantic
    except Exception as error:  # a pydantic-core of another version raises a SystemError
        return f"its pydantic cannot be imported ({type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''})"
    version = str(pydantic.VERSION)
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST_PYDANTIC:
        return f"it has pydantic {version}, and {_dotted(OLDEST_PYDANTIC)} or newer is needed"
    return None


def _dotted(version):
    return ".".join(str(part) for part in version)


def _load_package(directory):
    """Import this very package from its own place, even if the interpreter has another copy or none, without adding to its search path."""
    _load("mantid_insdl", os.path.join(directory, "__init__.py"), [directory])


def _load(name, file, search=None):
    """Run a file as the module `name`; `search` is the folder of its submodules, where it is a package."""
    spec = importlib.util.spec_from_file_location(name, file, submodule_search_locations=search)
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main()

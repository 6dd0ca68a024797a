"""Threads: order, cancelling, and the threads of linear algebra below them."""

import platform
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import scipy.linalg  # noqa: F401 (its library is limited too)
from threadpoolctl import threadpool_info, threadpool_limits

from mantid_insdl import parallel
from mantid_insdl.parallel import beside, in_threads
from mantid_insdl.progress import ignore_progress


def blas_threads(_):
    np.ones((4, 4)) @ np.ones((4, 4))
    return [one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"]


def test_linear_algebra_has_one_thread_inside_and_its_own_after():
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads(None)
        assert before and set(before) == {2}
        inside = list(in_threads(blas_threads, range(4), 2))
        assert all(set(one) == {1} for one in inside)
        assert blas_threads(None) == before


def test_linear_algebra_has_one_thread_where_one_core_is_allowed(monkeypatch):
    with threadpool_limits(2, user_api="blas"):
        for allowed in (1, 2):
            monkeypatch.setattr(parallel, "cores", lambda allowed=allowed: allowed)
            (inside,) = in_threads(blas_threads, range(1))
            assert set(inside) == {allowed}


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="of the GNU C library")
def test_memory_of_freed_arrays_is_kept_for_the_next_ones():
    """In a process of its own: the library's limits are those of a whole process."""
    program = (
        "import resource, numpy as np\n"
        "from mantid_insdl.parallel import in_threads\n"
        "def faults(): return resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "def work(_):\n"
        "    for _ in range(50): [np.ones(250_000) for _ in range(4)]\n"
        "def during(action):\n"
        "    before = faults()\n"
        "    action()\n"
        "    return faults() - before\n"
        "work(0)\n"
        "def kept(): return list(in_threads(work, range(2), 1))\n"
        "print(during(lambda: work(0)), during(kept), during(kept))\n"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    before, _, after = map(int, result.stdout.split())
    assert before > 10_000 and after < 5_000  # pages: a tenth of those of one array in each of its turns


def test_a_library_that_comes_later_is_held_too():
    program = (
        "from threadpoolctl import threadpool_info, threadpool_limits\n"
        "import numpy\n"
        "from mantid_insdl.parallel import in_threads\n"
        "def most(_): return max(one['num_threads'] for one in threadpool_info())\n"
        "assert list(in_threads(most, range(2), 2)) == [1, 1]\n"
        "import scipy.linalg\n"
        "threadpool_limits(2, user_api='blas')\n"
        "assert (most(None), *in_threads(most, range(2), 2)) == (2, 1, 1)\n"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_results_are_in_order_and_an_error_ends_the_rest():
    started = []

    def work(item):
        started.append(item)
        if item == 2:
            raise ValueError("two")
        time.sleep(0.001)  # or all are done before the error is seen
        return -item

    assert list(in_threads(lambda item: -item, range(20), 3)) == [-item for item in range(20)]
    with pytest.raises(ValueError, match="two"):
        list(in_threads(work, range(1000), 2))
    assert len(started) < 1000
    assert threading.active_count() < 50


def test_work_beside_other_work_tells_how_far_it_is_and_ends_with_it():
    begun, seen, ended = threading.Event(), [], []

    def work(told):
        begun.set()
        try:
            for number in range(1000):
                told(number / 1000, "counting")
                time.sleep(0.001 if number < 500 else 0.01)
        except Exception:
            ended.append(number)
            raise
        return number

    with beside(lambda told: 7) as result:
        assert result(ignore_progress) == 7
    with threadpool_limits(2, user_api="blas"):
        with beside(work) as result:
            assert begun.wait(10) and set(blas_threads(None)) == {1}
            with pytest.raises(KeyboardInterrupt):
                result(lambda fraction, text: seen.append((fraction, text)) if len(seen) < 3 else (_ for _ in ()).throw(KeyboardInterrupt))
        assert set(blas_threads(None)) == {2}
    assert len(ended) == 1 and ended[0] < 999  # nobody waited for it to its end
    assert len(seen) == 3 and seen[0][0] <= seen[-1][0] < 1 and seen[-1][1] == "counting"


def test_an_error_beside_is_one_of_who_waits():
    def work(told):
        raise ValueError("beside")

    with beside(work) as result, pytest.raises(ValueError, match="beside"):
        result(ignore_progress)

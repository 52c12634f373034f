"""What waits, a socket or a lock, straight from C."""

import threading
from time import monotonic

from cpython.exc cimport PyErr_CheckSignals
from cpython.pythread cimport (
    NOWAIT_LOCK,
    PyThread_acquire_lock,
    PyThread_allocate_lock,
    PyThread_free_lock,
    PyThread_release_lock,
    PyThread_type_lock,
)
from fastws._wire cimport Wire, wait_and_receive

cdef extern from "Python.h" nogil:
    ctypedef enum PyLockStatus:
        PY_LOCK_ACQUIRED
        PY_LOCK_INTR
    PyLockStatus PyThread_acquire_lock_timed(PyThread_type_lock lock, long long microseconds,
                                             int interruptible)

__all__ = ["BlockingWire", "Lock"]


cdef class BlockingWire(Wire):
    """Sends without waiting, receives with.

    Anybody may close the socket, and its descriptor be another one's then: it is asked for each
    time.
    """

    def __init__(self, sock):
        Wire.__init__(self, sock)
        self._fileno = sock.fileno

    cpdef Py_ssize_t wait(self, object buffer) except -2:
        """Fill a writable buffer; return how many bytes, 0 at the end, -1 if none came in time."""
        return wait_and_receive(self._fileno(), buffer)

    cpdef Py_ssize_t send(self, object data) except -1:
        self._fd = self._fileno()
        return Wire.send(self, data)

    cpdef Py_ssize_t send_both(self, object first, object second) except -1:
        self._fd = self._fileno()
        return Wire.send_both(self, first, second)


cdef class Lock:
    """A ``threading.Lock`` that C takes at the cost of a test; in a program of gevent's, its own.

    Whoever has the GIL may look at the flag and change it. Only one that has to wait, and who
    wakes it, go to the system.
    """

    def __cinit__(self):
        self._bell = PyThread_allocate_lock()
        if self._bell is NULL:
            raise MemoryError
        PyThread_acquire_lock(self._bell, NOWAIT_LOCK)

    def __init__(self):
        other = threading.Lock()
        self._other = None if type(other).__module__ == "_thread" else other

    def __dealloc__(self):
        if self._bell is not NULL:
            if not self._rung:
                PyThread_release_lock(self._bell)
            PyThread_free_lock(self._bell)

    cpdef bint acquire(self, bint blocking=True, double timeout=-1) except -1:
        if self._other is not None:
            return self._other.acquire(blocking, timeout)
        if not self._held:
            self._held = True
            return True
        return blocking and self._wait(timeout)

    cdef bint _wait(self, double timeout) except -1:
        cdef PyLockStatus status
        cdef double until = 0 if timeout < 0 else monotonic() + timeout
        cdef long long microseconds = -1
        self._waiting += 1
        try:
            while self._held:
                if timeout >= 0:
                    microseconds = <long long> (max(until - <double> monotonic(), 0) * 1e6)
                with nogil:
                    status = PyThread_acquire_lock_timed(self._bell, microseconds, 1)
                if status == PY_LOCK_ACQUIRED:
                    self._rung = False
                elif status == PY_LOCK_INTR:
                    PyErr_CheckSignals()
                elif self._held:
                    return False
            self._held = True
            return True
        finally:
            self._waiting -= 1

    cpdef release(self):
        if self._other is not None:
            self._other.release()
            return
        if not self._held:
            raise RuntimeError("release unlocked lock")
        self._held = False
        # Nobody is sure to get it then: who is awake may be faster than who wakes up.
        if self._waiting > 0 and not self._rung:
            self._rung = True
            PyThread_release_lock(self._bell)

    def locked(self):
        return self._held if self._other is None else self._other.locked()

    def __enter__(self):
        return self.acquire()

    def __exit__(self, *error):
        self.release()

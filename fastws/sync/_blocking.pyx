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

cdef extern from * nogil:
    """
    /* Numbers that several threads change. Whoever has the lock of the interpreter is alone; where
       there is none, each change is one step that all threads see in the same order. */
    #ifndef Py_GIL_DISABLED
    static int fastws_swap(int *number, int value) {
        int old = *number;
        *number = value;
        return old;
    }
    static void fastws_add(int *number, int value) { *number += value; }
    static int fastws_read(int *number) { return *number; }
    #elif defined(_MSC_VER)
    #include <intrin.h>
    static int fastws_swap(int *number, int value) {
        return (int) _InterlockedExchange((volatile long *) number, value);
    }
    static void fastws_add(int *number, int value) {
        _InterlockedExchangeAdd((volatile long *) number, value);
    }
    static int fastws_read(int *number) {
        return (int) _InterlockedOr((volatile long *) number, 0);
    }
    #else
    static int fastws_swap(int *number, int value) {
        return __atomic_exchange_n(number, value, __ATOMIC_SEQ_CST);
    }
    static void fastws_add(int *number, int value) {
        __atomic_fetch_add(number, value, __ATOMIC_SEQ_CST);
    }
    static int fastws_read(int *number) { return __atomic_load_n(number, __ATOMIC_SEQ_CST); }
    #endif
    """
    int fastws_swap(int *number, int value)
    void fastws_add(int *number, int value)
    int fastws_read(int *number)

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

    Only one that has to wait, and who wakes it, go to the system.
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
            if not fastws_read(&self._rung):
                PyThread_release_lock(self._bell)
            PyThread_free_lock(self._bell)

    cpdef bint acquire(self, bint blocking=True, double timeout=-1) except -1:
        if self._other is not None:
            return self._other.acquire(blocking, timeout)
        if not fastws_swap(&self._held, True):
            return True
        return blocking and self._wait(timeout)

    cdef bint _wait(self, double timeout) except -1:
        cdef PyLockStatus status
        cdef double until = 0 if timeout < 0 else monotonic() + timeout
        cdef long long microseconds = -1
        fastws_add(&self._waiting, 1)
        try:
            # Who is counted before it finds the lock taken is seen by whoever gives it back after.
            while fastws_swap(&self._held, True):
                if timeout >= 0:
                    microseconds = <long long> (max(until - <double> monotonic(), 0) * 1e6)
                with nogil:
                    status = PyThread_acquire_lock_timed(self._bell, microseconds, 1)
                if status == PY_LOCK_ACQUIRED:
                    fastws_swap(&self._rung, False)
                elif status == PY_LOCK_INTR:
                    PyErr_CheckSignals()
                elif fastws_read(&self._held):
                    return False
            return True
        finally:
            fastws_add(&self._waiting, -1)

    cpdef release(self):
        if self._other is not None:
            self._other.release()
            return
        if not fastws_swap(&self._held, False):
            raise RuntimeError("release unlocked lock")
        # Nobody is sure to get it then: who is awake may be faster than who wakes up.
        if fastws_read(&self._waiting) > 0 and not fastws_swap(&self._rung, True):
            PyThread_release_lock(self._bell)

    def locked(self):
        return bool(fastws_read(&self._held)) if self._other is None else self._other.locked()

    def __enter__(self):
        return self.acquire()

    def __exit__(self, *error):
        self.release()

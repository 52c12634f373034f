from cpython.pythread cimport PyThread_type_lock
from fastws._wire cimport Wire


cdef class BlockingWire(Wire):
    cdef object _fileno

    cpdef Py_ssize_t wait(self, object buffer) except -2


cdef class Lock:
    cdef int _held
    cdef int _waiting
    cdef PyThread_type_lock _bell  # open for one who waits to wake up
    cdef int _rung
    cdef object _other

    cdef bint _wait(self, double timeout) except -1
    cpdef bint acquire(self, bint blocking=*, double timeout=*) except -1
    cpdef release(self)

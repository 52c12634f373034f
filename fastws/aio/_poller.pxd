# What poller.py is compiled with.

cimport cython
from fastws.aio._sockets cimport Watched as CWatched
from fastws.aio._readiness cimport Readiness as CReadiness

cdef int _ROUNDS_PER_TURN, _SERVED_PER_LOOK
cdef double _SECONDS_PER_TURN


cdef class Poller:
    cdef object _loop
    cdef CReadiness _readiness
    cdef dict _watched
    cdef int _unserved
    cdef double _until
    cdef object __weakref__

    @cython.locals(readiness=CReadiness)
    cpdef _serve_ready(self)
    @cython.locals(readiness=CReadiness, watched=CWatched, count=int, i=int, much=bint)
    cdef bint _serve(self, int first) except -1
    cdef bint _is_late(self) except -1

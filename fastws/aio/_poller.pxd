# What poller.py is compiled with.

cimport cython
from fastws.aio._sockets cimport Watched as CWatched
from fastws.aio._readiness cimport Readiness as CReadiness

cdef int _ROUNDS_PER_TURN


cdef class Poller:
    cdef object _loop
    cdef CReadiness _readiness
    cdef dict _watched
    cdef object __weakref__

    @cython.locals(readiness=CReadiness, watched=CWatched, count=int, i=int)
    cpdef _serve_ready(self)

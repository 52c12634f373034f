# What sockets.py is compiled with.

cimport cython
from fastws._frame cimport FrameBuffer as CFrameBuffer
from fastws.aio._channel cimport Channel as CChannel
from fastws.aio._wire cimport Readiness as CReadiness
from fastws.aio._wire cimport Wire as CWire


cdef int _READS_PER_TURN, _ROUNDS_PER_TURN, _READ, _WRITE


cdef class Watched:
    cpdef on_ready(self, int events)


cdef class Poller:
    cdef object _loop
    cdef CReadiness _readiness
    cdef dict _watched
    cdef object __weakref__

    @cython.locals(readiness=CReadiness, watched=Watched, count=int, i=int)
    cpdef _serve_ready(self)


cdef class SocketTransport(Watched):
    cdef object _loop
    cdef object _sock
    cdef CWire _wire
    cdef int _fd
    cdef CChannel _connection
    cdef Poller _poller
    cdef object _backlog
    cdef Py_ssize_t _backlog_bytes
    cdef Py_ssize_t _high
    cdef Py_ssize_t _low
    cdef bint _writing_paused
    cdef int _events
    cdef bint _closing
    cdef bint _eof_wanted
    cdef object _sockname
    cdef object _peername

    @cython.locals(nbytes=Py_ssize_t, reads=int, frames=CFrameBuffer)
    cpdef _read_ready(self)
    cpdef _watch(self, int events)
    @cython.locals(sent=Py_ssize_t)
    cpdef write(self, data)
    @cython.locals(sent=Py_ssize_t)
    cpdef write_frames(self, CFrameBuffer frames)
    @cython.locals(sent=Py_ssize_t)
    cpdef write_both(self, head, payload)
    cpdef _keep(self, data)
    @cython.locals(sent=Py_ssize_t)
    cpdef _write_ready(self)
    cpdef _lose(self, error)

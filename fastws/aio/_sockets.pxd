# What sockets.py is compiled with.

from fastws.aio._channel cimport Channel as CChannel


cdef class Poller:
    cdef object _loop
    cdef object _poll
    cdef dict _ready

    cpdef _serve_ready(self)


cdef class SocketTransport:
    cdef object _loop
    cdef object _sock
    cdef object _recv_into
    cdef object _send
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
    cdef dict _extra

    cpdef _on_ready(self, int events)
    cpdef _read_ready(self)
    cpdef _watch(self, int events)
    cpdef write(self, data)
    cpdef _write_ready(self)
    cpdef _lose(self, error)

# What sockets.py is compiled with.

cimport cython
from fastws._frame cimport FrameBuffer as CFrameBuffer
from fastws.aio._channel cimport Channel as CChannel
from fastws.aio._records cimport Records as CRecords
from fastws._wire cimport Wire as CWire


cdef int _READS_PER_TURN, _READ, _WRITE


cdef class Watched:
    cpdef bint on_ready(self, int events) except -1


cdef class SocketTransport(Watched):
    cdef object _loop
    cdef object _sock
    cdef CWire _wire
    cdef int _fd
    cdef CChannel _connection
    cdef object _poller
    cdef CRecords _records
    cdef bint _undecrypted
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

    @cython.locals(nbytes=Py_ssize_t, reads=int, full=bint)
    cpdef bint _read_ready(self) except -1
    @cython.locals(frames=CFrameBuffer)
    cdef _take(self, Py_ssize_t nbytes)
    cdef _buffer(self)
    @cython.locals(nbytes=Py_ssize_t)
    cpdef _decrypt(self, CRecords records)
    cdef _encrypt(self, CRecords records, data)
    @cython.locals(sent=Py_ssize_t)
    cdef _write(self, data)
    cpdef _watch(self, int events)
    cpdef write(self, data)
    @cython.locals(sent=Py_ssize_t)
    cpdef write_frames(self, CFrameBuffer frames)
    @cython.locals(sent=Py_ssize_t)
    cpdef write_both(self, head, payload)
    cpdef _keep(self, data)
    @cython.locals(sent=Py_ssize_t)
    cpdef _write_ready(self)
    cpdef _lose(self, error)

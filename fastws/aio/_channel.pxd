# What channel.py is compiled with.

cimport cython
from fastws._frame cimport FrameBuffer as CFrameBuffer
from fastws._frame cimport MessageReader
from fastws.aio._waiter cimport Waiter as CWaiter


cdef Py_ssize_t _LARGE_BYTES, _BURST_MESSAGES


cdef class Channel:
    cdef public object protocol
    cdef public object loop
    cdef public MessageReader _reader
    cdef public object _buffer
    cdef public bint _direct
    cdef public object _transport
    cdef public bint _foreign
    cdef public bint _opened
    cdef public bint _can_send
    cdef public object _incoming
    cdef public list _messages
    cdef public Py_ssize_t _taken
    cdef public double _high
    cdef public double _low
    cdef public bint _reading_paused
    cdef public CWaiter _waiter
    cdef public bint _write_paused
    cdef public bint _corked
    cdef public CFrameBuffer _frames
    cdef bint _masked
    cdef long long _threshold
    cdef bint _compresses
    cdef public bint _in_fragments
    cdef public Py_ssize_t _burst
    cdef public long long _received
    cdef public long long _sent
    cdef public long long _sent_bytes
    cdef list _out
    cdef list _urgent
    cdef object _pongs
    cdef list _handshake_out

    @cython.locals(messages=list, taken=Py_ssize_t)
    cdef take(self)
    cdef wait(self)
    cdef get_buffer(self)
    cdef buffer_updated(self, Py_ssize_t nbytes)
    cdef deliver(self, list events)
    @cython.locals(frames=CFrameBuffer)
    cdef int send_now(self, message) except -1
    @cython.locals(frames=CFrameBuffer)
    cdef flush(self)

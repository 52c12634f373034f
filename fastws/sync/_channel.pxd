# What channel.py is compiled with.

cimport cython
from fastws._frame cimport FrameBuffer as CFrameBuffer
from fastws._frame cimport MessageReader
from fastws.sync._blocking cimport BlockingWire, Lock


cdef object get_ident, monotonic
cdef double _NEVER, _LOOK_SECONDS
cdef Py_ssize_t _FRAME_BYTES, _LARGE_BYTES


cdef class Channel:
    cdef public object protocol
    cdef public object _stream
    cdef BlockingWire _wire
    cdef public MessageReader _reader
    cdef object _buffer
    cdef unsigned long long _thread
    cdef public object _incoming
    cdef public object _messages
    cdef bint _partial
    cdef public double _deadline
    cdef public bint _can_send
    cdef public bint _eof_read
    cdef public bint _write_failed
    cdef public bint _in_fragments
    cdef CFrameBuffer _frames
    cdef bint _masked
    cdef long long _threshold
    cdef bint _compresses
    cdef list _out
    cdef list _urgent
    cdef object _pongs
    cdef list _handshake_out
    cdef public Lock _recv_lock
    cdef public object _message_lock
    cdef public Lock _read_lock
    cdef public Lock _write_lock
    cdef public object _state_lock

    @cython.locals(messages=list)
    cdef next(self, double deadline)
    @cython.locals(now=double, seconds=double, due=bint, direct=bint, reader=MessageReader,
                   nbytes=Py_ssize_t, messages=list)
    cdef list read_once(self, double until)
    @cython.locals(thread=cython.ulonglong)
    cdef thread_buffer(self)
    cdef bint send_now(self, message) except -1
    cdef bint something_waits(self) except -1
    @cython.locals(sent=Py_ssize_t, frames=CFrameBuffer)
    cdef write_message(self, message)
    @cython.locals(sent=Py_ssize_t)
    cdef write(self, data, Py_ssize_t length)

# What channel.py is compiled with.

cimport cython
from fastws._frame cimport FrameBuffer as CFrameBuffer
from fastws._frame cimport MessageReader
from fastws.sync._blocking cimport BlockingWire, Lock


cdef extern from *:
    """
    /* What one thread may write while another reads it, each without the other's lock. */
    #if !defined(Py_GIL_DISABLED) || defined(_MSC_VER) || SIZEOF_VOID_P < 8
    typedef int fastws_flag;
    typedef double fastws_time;
    #else
    typedef _Atomic int fastws_flag;
    typedef _Atomic double fastws_time;
    #endif
    """
    ctypedef bint fastws_flag
    ctypedef double fastws_time


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
    cdef public fastws_time _deadline
    cdef public fastws_flag _can_send
    cdef public fastws_flag _eof_read
    cdef public fastws_flag _write_failed
    cdef public fastws_flag _in_fragments
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

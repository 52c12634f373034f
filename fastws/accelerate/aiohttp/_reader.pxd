# C types for reader.py, when it is compiled.

cimport cython
from fastws._frame cimport FrameTaker as CFrameTaker


cdef bint _STALLS
cdef tuple _GOOD


cdef class WebSocketReader:
    cdef object __weakref__
    cdef object _original
    cdef object _queue
    cdef object _put
    cdef bint _decode
    cdef dict _templates
    cdef CFrameTaker _taker
    cdef object _max_length
    cdef Py_ssize_t _limit
    cdef Py_ssize_t _left
    cdef object _position
    cdef object _arriving
    cdef bint _passes

    @cython.locals(end=Py_ssize_t)
    cdef object _feed(self, bytes data, bint raises)
    cdef bint _begin(self, bytes data, Py_ssize_t offset) except -1
    @cython.locals(size=Py_ssize_t)
    cdef Py_ssize_t _room(self) except? -1
    cdef object _finish(self, bint raises)
    cdef object _leave(self, bytes data, bint raises)
    cdef object _pass_on(self, bytes data, bint raises)

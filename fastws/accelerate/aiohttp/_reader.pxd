# C types for reader.py, when it is compiled.

cdef class WebSocketReader:
    cdef object __weakref__
    cdef object _original
    cdef object _queue
    cdef object _put
    cdef bint _decode
    cdef dict _templates
    cdef object _max_length
    cdef Py_ssize_t _limit
    cdef object _position
    cdef object _arriving
    cdef bint _passes

    cdef Py_ssize_t _take(self, bytes data, Py_ssize_t offset) except -1
    cdef int _deliver(self, message) except -1
    cdef object _leave(self, bytes data, bint raises)
    cdef object _feed(self, data, bint raises)
    cdef object _pass_on(self, bytes data, bint raises)

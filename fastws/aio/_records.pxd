# What records.py is compiled with.

cimport cython


cdef class Records:
    cdef readonly object context
    cdef readonly object ssl_object
    cdef object _incoming
    cdef object _outgoing
    cdef object _read
    cdef object _write
    cdef object _pending
    cdef object _put
    cdef object _take
    cdef bint _ended

    cpdef receive(self, data, Py_ssize_t nbytes)
    cpdef Py_ssize_t decrypt(self, buffer) except -2
    @cython.locals(left=Py_ssize_t, taken=Py_ssize_t)
    cpdef bytes encrypt(self, data)
    cpdef bytes data_to_send(self)
    cpdef bytes goodbye(self)

cdef Py_ssize_t wait_and_receive(int fd, object buffer) except -2


cdef class Wire:
    cdef object _sock
    cdef int _fd

    cdef Py_ssize_t _send(self, const char *data, Py_ssize_t length) except -1
    cpdef Py_ssize_t receive(self, object buffer) except -2
    cpdef Py_ssize_t send(self, object data) except -1
    cpdef Py_ssize_t send_both(self, object first, object second) except -1

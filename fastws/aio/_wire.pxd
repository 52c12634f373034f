cdef class Wire:
    cdef object _sock
    cdef int _fd

    cdef int _raise(self) except -1
    cdef Py_ssize_t _send(self, const char *data, Py_ssize_t length) except -1
    cpdef Py_ssize_t receive(self, object buffer) except -2
    cpdef Py_ssize_t send(self, object data) except -1
    cpdef Py_ssize_t send_both(self, object first, object second) except -1


cdef struct Event:
    unsigned int events
    int fd


cdef class Readiness:
    cdef int _epoll
    cdef Event _batch[256]
    cdef int _count
    cdef object _other  # where there is no epoll

    cdef int _control(self, int how, int fd, unsigned int events) except -1
    cdef int _poll_other(self) except -1
    cdef int _check(self, int index) except -1
    cpdef int poll(self) except -1
    cpdef int fd(self, int index) except? -1
    cpdef int events(self, int index) except? -1

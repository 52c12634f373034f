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
    cpdef int count(self) except -1
    cpdef int fd(self, int index) except? -1
    cpdef int events(self, int index) except? -1

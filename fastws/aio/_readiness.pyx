"""Which descriptors are ready, asked of epoll from C; `readiness.py` is the twin."""

from cpython.exc cimport PyErr_CheckSignals, PyErr_SetFromErrno
from libc.errno cimport EINTR, errno
from libc.string cimport memset

from .readiness import Readiness as OtherReadiness

cdef extern from * nogil:
    """
    #ifdef _WIN32
    #define fastws_close(fd) (-1)  /* nothing to close: there is no epoll */
    #else
    #include <unistd.h>
    #define fastws_close(fd) close(fd)
    #endif

    #if defined(__linux__) && !defined(FASTWS_WITHOUT_EPOLL)
    #include <sys/epoll.h>
    #define FASTWS_HAS_EPOLL 1
    #else
    #define FASTWS_HAS_EPOLL 0
    enum { EPOLL_CTL_ADD, EPOLL_CTL_MOD, EPOLL_CTL_DEL, EPOLL_CLOEXEC };
    struct epoll_event { unsigned int events; union { int fd; } data; };
    static int epoll_create1(int flags) { return -1; }
    static int epoll_ctl(int epoll, int how, int fd, struct epoll_event *event) { return -1; }
    static int epoll_wait(int epoll, struct epoll_event *events, int count, int wait) { return -1; }
    #endif
    """
    int fastws_close(int fd)
    const bint FASTWS_HAS_EPOLL
    const int EPOLL_CTL_ADD
    const int EPOLL_CTL_MOD
    const int EPOLL_CTL_DEL
    const int EPOLL_CLOEXEC
    ctypedef union epoll_data_t:
        int fd
    ctypedef struct epoll_event "struct epoll_event":
        unsigned int events
        epoll_data_t data
    int epoll_create1(int flags)
    int epoll_ctl(int epoll, int how, int fd, epoll_event *event)
    int epoll_wait(int epoll, epoll_event *events, int count, int wait)

__all__ = ["Readiness"]

cdef class Readiness:
    """Which of many descriptors are ready: one epoll, that has a descriptor itself.

    ``poll`` returns how many are, without waiting; ``fd(i)`` and ``events(i)`` tell of each.
    """

    def __cinit__(self):
        self._epoll = -1
        self._count = 0
        if not FASTWS_HAS_EPOLL:
            self._other = OtherReadiness()
            return
        self._epoll = epoll_create1(EPOLL_CLOEXEC)
        if self._epoll < 0:
            PyErr_SetFromErrno(OSError)

    def __dealloc__(self):
        if self._epoll >= 0:
            fastws_close(self._epoll)

    def fileno(self):
        return self._epoll if self._other is None else self._other.fileno()

    def close(self):
        if self._other is not None:
            self._other.close()
        elif self._epoll >= 0:
            fastws_close(self._epoll)
            self._epoll = -1

    cdef int _control(self, int how, int fd, unsigned int events) except -1:
        cdef epoll_event event
        memset(&event, 0, sizeof(event))
        event.events = events
        event.data.fd = fd
        if epoll_ctl(self._epoll, how, fd, &event) < 0:
            PyErr_SetFromErrno(OSError)
        return 0

    def register(self, int fd, unsigned int events):
        if self._other is not None:
            self._other.register(fd, events)
        else:
            self._control(EPOLL_CTL_ADD, fd, events)

    def modify(self, int fd, unsigned int events):
        if self._other is not None:
            self._other.modify(fd, events)
        else:
            self._control(EPOLL_CTL_MOD, fd, events)

    def unregister(self, int fd):
        if self._other is not None:
            self._other.unregister(fd)
        else:
            self._control(EPOLL_CTL_DEL, fd, 0)

    cpdef int poll(self) except -1:
        cdef epoll_event events[256]
        cdef int count, i
        self._count = 0
        if self._other is not None:
            return self._poll_other()
        while True:
            count = epoll_wait(self._epoll, events, 256, 0)
            if count >= 0:
                break
            if errno != EINTR:
                PyErr_SetFromErrno(OSError)
            PyErr_CheckSignals()
        for i in range(count):
            self._batch[i].events = events[i].events
            self._batch[i].fd = events[i].data.fd
        self._count = count
        return count

    cdef int _poll_other(self) except -1:
        cdef int i
        cdef int count = min(256, self._other.poll())  # the next time tells of any more
        for i in range(count):
            self._batch[i].events = self._other.events(i)
            self._batch[i].fd = self._other.fd(i)
        self._count = count
        return count

    cpdef int count(self) except -1:
        """Return how many ``poll`` found."""
        return self._count

    cpdef int fd(self, int index) except? -1:
        self._check(index)
        return self._batch[index].fd

    cpdef int events(self, int index) except? -1:
        self._check(index)
        return self._batch[index].events

    cdef int _check(self, int index) except -1:
        if not 0 <= index < self._count:
            raise IndexError("list index out of range")
        return 0

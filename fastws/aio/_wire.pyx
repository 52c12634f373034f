"""System calls on plain sockets, straight from C; `wire.py` is the twin."""

from cpython.buffer cimport (
    PyBUF_SIMPLE,
    PyBUF_WRITABLE,
    PyBuffer_Release,
    PyObject_GetBuffer,
)
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_GET_SIZE
from cpython.exc cimport PyErr_CheckSignals, PyErr_SetFromErrno
from libc.errno cimport EAGAIN, EINTR, errno
from libc.string cimport memset

from .wire import Readiness as OtherReadiness

cdef extern from * nogil:
    """
    #include <errno.h>
    #include <string.h>
    #ifdef _WIN32
    /* Event loops do not tell when a socket is ready there, so nobody comes here. */
    static Py_ssize_t fastws_refuse(void) { errno = ENOSYS; return -1; }
    #define fastws_recv(fd, buffer, length) fastws_refuse()
    #define fastws_send(fd, data, length) fastws_refuse()
    #define fastws_send_both(fd, first, length1, second, length2) fastws_refuse()
    #define fastws_close(fd) fastws_refuse()
    #else
    #include <sys/socket.h>
    #include <sys/types.h>
    #include <sys/uio.h>
    #include <unistd.h>
    #ifdef MSG_NOSIGNAL
    #define FASTWS_NO_SIGNAL MSG_NOSIGNAL
    #else
    #define FASTWS_NO_SIGNAL 0  /* Python ignores SIGPIPE anyway */
    #endif
    #define fastws_recv(fd, buffer, length) recv(fd, buffer, length, 0)
    #define fastws_send(fd, data, length) send(fd, data, length, FASTWS_NO_SIGNAL)
    #define fastws_close(fd) close(fd)

    static Py_ssize_t fastws_send_both(int fd, void *first, size_t length1, void *second, size_t length2)
    {
        struct iovec pieces[2] = {{first, length1}, {second, length2}};
        struct msghdr message;
        memset(&message, 0, sizeof message);
        message.msg_iov = pieces;
        message.msg_iovlen = 2;
        return sendmsg(fd, &message, FASTWS_NO_SIGNAL);
    }
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
    Py_ssize_t fastws_recv(int fd, void *buffer, size_t length)
    Py_ssize_t fastws_send(int fd, const void *data, size_t length)
    Py_ssize_t fastws_send_both(int fd, void *first, size_t length1, void *second, size_t length2)
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

__all__ = ["Readiness", "Wire"]

# A call that copies more than this lets other threads run meanwhile.
cdef Py_ssize_t RELEASE_GIL = 64 * 1024


cdef class Wire:
    """Bytes in and out of a connected non-blocking socket. Errors of the system are OSError."""

    def __init__(self, sock):
        self._sock = sock  # keeps the descriptor ours
        self._fd = sock.fileno()

    cpdef Py_ssize_t receive(self, object buffer) except -2:
        """Fill a writable buffer; return how many bytes, 0 at the end, -1 if there are none yet."""
        cdef Py_buffer target
        cdef Py_ssize_t taken
        PyObject_GetBuffer(buffer, &target, PyBUF_WRITABLE)
        try:
            while True:
                taken = fastws_recv(self._fd, target.buf, target.len)
                if taken >= 0:
                    return taken
                if errno == EAGAIN:
                    return -1
                self._raise()
        finally:
            PyBuffer_Release(&target)

    cpdef Py_ssize_t send(self, object data) except -1:
        """Return how many bytes were taken, 0 for none."""
        cdef Py_buffer source
        if PyBytes_CheckExact(data):
            return self._send(PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))
        PyObject_GetBuffer(data, &source, PyBUF_SIMPLE)
        try:
            return self._send(<const char *> source.buf, source.len)
        finally:
            PyBuffer_Release(&source)

    cdef Py_ssize_t _send(self, const char *data, Py_ssize_t length) except -1:
        cdef Py_ssize_t taken
        while True:
            if length <= RELEASE_GIL:
                taken = fastws_send(self._fd, data, length)
            else:
                with nogil:
                    taken = fastws_send(self._fd, data, length)
            if taken >= 0:
                return taken
            if errno == EAGAIN:
                return 0
            self._raise()

    cpdef Py_ssize_t send_both(self, object first, object second) except -1:
        """Send two pieces as one; return how many bytes were taken of both together."""
        cdef Py_buffer head, rest
        cdef Py_ssize_t taken
        PyObject_GetBuffer(first, &head, PyBUF_SIMPLE)
        try:
            PyObject_GetBuffer(second, &rest, PyBUF_SIMPLE)
            try:
                while True:
                    with nogil:
                        taken = fastws_send_both(self._fd, head.buf, head.len, rest.buf, rest.len)
                    if taken >= 0:
                        return taken
                    if errno == EAGAIN:
                        return 0
                    self._raise()
            finally:
                PyBuffer_Release(&rest)
        finally:
            PyBuffer_Release(&head)

    cdef int _raise(self) except -1:
        if errno != EINTR:
            PyErr_SetFromErrno(OSError)
        PyErr_CheckSignals()
        return 0


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

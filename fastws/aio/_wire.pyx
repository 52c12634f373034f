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

cdef extern from "<sys/types.h>" nogil:
    ctypedef Py_ssize_t ssize_t

cdef extern from "<sys/uio.h>" nogil:
    ctypedef struct iovec "struct iovec":
        void *iov_base
        size_t iov_len

cdef extern from "<sys/socket.h>" nogil:
    ctypedef struct msghdr "struct msghdr":
        iovec *msg_iov
        size_t msg_iovlen
    ssize_t recv(int fd, void *buffer, size_t length, int flags)
    ssize_t c_send "send"(int fd, const void *data, size_t length, int flags)
    ssize_t sendmsg(int fd, const msghdr *message, int flags)

cdef extern from * nogil:
    """
    #ifdef MSG_NOSIGNAL
    #define FASTWS_NO_SIGNAL MSG_NOSIGNAL
    #else
    #define FASTWS_NO_SIGNAL 0  /* Python ignores SIGPIPE anyway */
    #endif

    #ifdef __linux__
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
    const int FASTWS_NO_SIGNAL
    const int FASTWS_HAS_EPOLL
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

cdef extern from "<unistd.h>" nogil:
    int c_close "close"(int fd)

__all__ = ["Readiness", "Wire"]

has_readiness = FASTWS_HAS_EPOLL != 0

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
        cdef ssize_t taken
        PyObject_GetBuffer(buffer, &target, PyBUF_WRITABLE)
        try:
            while True:
                taken = recv(self._fd, target.buf, target.len, 0)
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
        cdef ssize_t taken
        while True:
            if length <= RELEASE_GIL:
                taken = c_send(self._fd, data, length, FASTWS_NO_SIGNAL)
            else:
                with nogil:
                    taken = c_send(self._fd, data, length, FASTWS_NO_SIGNAL)
            if taken >= 0:
                return taken
            if errno == EAGAIN:
                return 0
            self._raise()

    cpdef Py_ssize_t send_both(self, object first, object second) except -1:
        """Send two pieces as one; return how many bytes were taken of both together."""
        cdef Py_buffer head, rest
        cdef iovec pieces[2]
        cdef msghdr message
        cdef ssize_t taken
        PyObject_GetBuffer(first, &head, PyBUF_SIMPLE)
        try:
            PyObject_GetBuffer(second, &rest, PyBUF_SIMPLE)
            try:
                pieces[0].iov_base = head.buf
                pieces[0].iov_len = head.len
                pieces[1].iov_base = rest.buf
                pieces[1].iov_len = rest.len
                memset(&message, 0, sizeof(message))
                message.msg_iov = pieces
                message.msg_iovlen = 2
                while True:
                    with nogil:
                        taken = sendmsg(self._fd, &message, FASTWS_NO_SIGNAL)
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
        self._epoll = epoll_create1(EPOLL_CLOEXEC)
        if self._epoll < 0:
            PyErr_SetFromErrno(OSError)

    def __dealloc__(self):
        self.close()

    def fileno(self):
        return self._epoll

    def close(self):
        if self._epoll >= 0:
            c_close(self._epoll)
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
        self._control(EPOLL_CTL_ADD, fd, events)

    def modify(self, int fd, unsigned int events):
        self._control(EPOLL_CTL_MOD, fd, events)

    def unregister(self, int fd):
        self._control(EPOLL_CTL_DEL, fd, 0)

    cpdef int poll(self) except -1:
        cdef epoll_event events[256]
        cdef int count, i
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
        return count

    cpdef int fd(self, int index):
        return self._batch[index].fd

    cpdef int events(self, int index):
        return self._batch[index].events

"""System calls on plain sockets, straight from C."""

from cpython.buffer cimport (
    PyBUF_SIMPLE,
    PyBUF_WRITABLE,
    PyBuffer_Release,
    PyObject_GetBuffer,
)
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_GET_SIZE
from cpython.exc cimport PyErr_CheckSignals, PyErr_SetFromErrno
from libc.errno cimport EAGAIN, EINTR, errno

cdef extern from * nogil:
    """
    #include <errno.h>
    #include <string.h>
    #ifdef _WIN32
    /* Sockets are the event loop's or Python's there, so nobody comes here. */
    #define FASTWS_WAIT 0
    #define FASTWS_NO_WAIT 0
    static Py_ssize_t fastws_refuse(void) { errno = ENOSYS; return -1; }
    #define fastws_recv(fd, buffer, length, flags) fastws_refuse()
    #define fastws_send(fd, data, length) fastws_refuse()
    #define fastws_send_both(fd, first, length1, second, length2) fastws_refuse()
    #else
    #include <sys/socket.h>
    #include <sys/types.h>
    #include <sys/uio.h>
    #define FASTWS_WAIT 0
    #define FASTWS_NO_WAIT MSG_DONTWAIT
    #ifdef MSG_NOSIGNAL
    #define FASTWS_SEND (MSG_DONTWAIT | MSG_NOSIGNAL)
    #else
    #define FASTWS_SEND MSG_DONTWAIT  /* Python ignores SIGPIPE anyway */
    #endif
    #define fastws_recv(fd, buffer, length, flags) recv(fd, buffer, length, flags)
    #define fastws_send(fd, data, length) send(fd, data, length, FASTWS_SEND)

    static Py_ssize_t fastws_send_both(int fd, void *first, size_t length1, void *second, size_t length2)
    {
        struct iovec pieces[2] = {{first, length1}, {second, length2}};
        struct msghdr message;
        memset(&message, 0, sizeof message);
        message.msg_iov = pieces;
        message.msg_iovlen = 2;
        return sendmsg(fd, &message, FASTWS_SEND);
    }
    #endif
    """
    const int FASTWS_WAIT
    const int FASTWS_NO_WAIT
    Py_ssize_t fastws_recv(int fd, void *buffer, size_t length, int flags)
    Py_ssize_t fastws_send(int fd, const void *data, size_t length)
    Py_ssize_t fastws_send_both(int fd, void *first, size_t length1, void *second, size_t length2)

__all__ = ["Wire"]

# A call that copies more than this lets other threads run meanwhile.
cdef Py_ssize_t RELEASE_GIL = 64 * 1024


cdef int _raise() except -1:
    if errno != EINTR:
        PyErr_SetFromErrno(OSError)
    PyErr_CheckSignals()
    return 0


cdef Py_ssize_t wait_and_receive(int fd, object buffer) except -2:
    """Fill a writable buffer as ``Wire.receive``, but wait for as long as the socket may block.

    Signals end the wait, after their handlers: who waits has to see what they did.
    """
    cdef Py_buffer target
    cdef Py_ssize_t taken
    PyObject_GetBuffer(buffer, &target, PyBUF_WRITABLE)
    try:
        with nogil:
            taken = fastws_recv(fd, target.buf, target.len, FASTWS_WAIT)
        if taken < 0 and errno != EAGAIN:
            _raise()
        return taken
    finally:
        PyBuffer_Release(&target)


cdef class Wire:
    """Bytes in and out of a connected socket, without waiting. Errors of the system are OSError."""

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
                taken = fastws_recv(self._fd, target.buf, target.len, FASTWS_NO_WAIT)
                if taken >= 0:
                    return taken
                if errno == EAGAIN:
                    return -1
                _raise()
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
            _raise()

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
                    _raise()
            finally:
                PyBuffer_Release(&rest)
        finally:
            PyBuffer_Release(&head)

# cython: binding=False, embedsignature=True, embedsignature.format=clinic
"""Receiving and sending without a coroutine for each message; `messages.py` is the twin."""

cimport cython
from cpython.bytes cimport PyBytes_CheckExact
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF
from cpython.unicode cimport PyUnicode_CheckExact

from ..errors import ConnectionClosedOK
from .messages import Messages as Twin
from .suspend import suspend

from fastws.aio._channel cimport Channel

cdef extern from "Python.h":
    ctypedef enum PySendResult:
        PYGEN_RETURN
        PYGEN_ERROR
        PYGEN_NEXT
    PySendResult PyIter_Send(object coroutine, object value, PyObject **result) except PYGEN_ERROR
    ctypedef PyObject *(*iternextfunc)(PyObject *) except? NULL
    ctypedef struct PyTypeObject:
        iternextfunc tp_iternext
    int PyErr_WarnFormat(object category, Py_ssize_t level, const char *text, ...) except -1
    void Py_DECREF(PyObject *)

cdef extern from *:
    """
    /* Raise StopIteration(value), whose catcher is nearly always C that takes the value out and drops
       the exception: then the same one serves again. It keeps its last value alive, so only small
       ones go this way. */
    static PyObject *fastws_spare = NULL;

    static void fastws_stop(PyObject *value, int small)
    {
    #ifndef Py_GIL_DISABLED
        if (small) {
            PyStopIterationObject *spare = (PyStopIterationObject *) fastws_spare;
            if (spare == NULL) {
                spare = (PyStopIterationObject *) PyObject_CallNoArgs(PyExc_StopIteration);
                if (spare == NULL)
                    return;
                fastws_spare = (PyObject *) spare;
            }
            if (Py_REFCNT(spare) == 1 && spare->traceback == NULL && spare->context == NULL
                && spare->cause == NULL) {
                PyObject *last = spare->value;
                spare->value = Py_NewRef(value);
                Py_XDECREF(last);
                Py_INCREF(spare);
    #if PY_VERSION_HEX >= 0x030C0000
                PyErr_SetRaisedException((PyObject *) spare);
    #else
                PyErr_Restore(Py_NewRef(PyExc_StopIteration), (PyObject *) spare, NULL);
    #endif
                return;
            }
            if (Py_REFCNT(spare) == 1)  /* somebody looked at it: it is no longer like new */
                Py_CLEAR(fastws_spare);
        }
    #endif
        PyErr_SetObject(PyExc_StopIteration, value);
    }
    """
    void fastws_stop(PyObject *value, bint small)

__all__ = ["Messages"]

# A message that may be kept alive until the next one.
cdef Py_ssize_t SMALL_MESSAGE = 4096

cdef enum:
    ENDED  # first: what a connection did not make cannot be awaited
    NEW
    UNDER_WAY

cdef enum:
    RECEIVE
    ITERATE
    SEND

cdef tuple NAMES = ("recv", "__anext__", "send")


# Frames for whoever looks at a task: of a wait that has not begun, and of one that has.
cdef object _new = suspend(None)
cdef object _suspended = suspend(None)
_suspended.send(None)

cdef object _overridden_anext = Twin.__anext__


@cython.final
@cython.freelist(64)
@cython.auto_pickle(False)
cdef class Operation:
    """What ``recv`` and ``send`` return: a coroutine to whoever awaits it."""

    cdef Messages connection
    cdef object message
    cdef object text
    cdef object option  # decode or compress
    cdef object delegate  # a coroutine, for the long way
    cdef int kind
    cdef int state

    def __await__(self):
        return self

    def __next__(self):
        return self.send(None)

    def send(self, value):
        """Go on, as ``coroutine.send``."""
        cdef PyObject *result = NULL
        cdef object taken
        cdef bint ended
        if value is not None and self.state == NEW:
            raise TypeError("can't send non-None value to a just-started coroutine")
        ended = self.go_on(value, &result)
        taken = <object> result
        Py_DECREF(result)
        if ended:
            raise StopIteration(taken)
        return taken

    def throw(self, kind, value=None, traceback=None):
        """Go on with an exception, as ``coroutine.throw``."""
        if self.state == ENDED:
            raise RuntimeError("cannot reuse already awaited coroutine")
        if self.delegate is not None:
            try:
                if value is None and traceback is None:
                    return self.delegate.throw(kind)
                return self.delegate.throw(kind, value, traceback)
            except BaseException as error:
                self.fail(error)
                raise
        self.end()
        error = kind if value is None else value
        if isinstance(kind, type) and not isinstance(error, BaseException):
            error = kind() if value is None else kind(value)
        raise error if traceback is None else error.with_traceback(traceback)

    def close(self):
        """End it wherever it is, as ``coroutine.close``."""
        delegate = self.delegate
        self.end()
        if delegate is not None:
            delegate.close()

    def __dealloc__(self):
        if self.state == NEW:
            PyErr_WarnFormat(RuntimeWarning, 1, "coroutine 'Connection.%U' was never awaited",
                             <PyObject *> NAMES[self.kind])

    # What asyncio, anyio and debuggers ask a task's coroutine.

    @property
    def __name__(self):
        return NAMES[self.kind]

    @property
    def __qualname__(self):
        return f"Connection.{self.__name__}"

    @property
    def cr_running(self):
        return self.delegate is not None and self.delegate.cr_running

    @property
    def cr_suspended(self):
        return self.state == UNDER_WAY and not self.cr_running

    @property
    def cr_state(self):  # since Python 3.15
        if self.state == ENDED:
            return "CORO_CLOSED"
        if self.state == NEW:
            return "CORO_CREATED"
        return "CORO_RUNNING" if self.cr_running else "CORO_SUSPENDED"

    @property
    def cr_await(self):
        if self.state != UNDER_WAY:
            return None
        return self.connection._waiter if self.delegate is None else self.delegate

    @property
    def cr_frame(self):
        if self.state == ENDED:
            return None
        if self.delegate is not None:
            return self.delegate.cr_frame
        return (_new if self.state == NEW else _suspended).gi_frame

    cdef int end(self) except -1:
        if self.state == UNDER_WAY and self.delegate is None:
            self.connection._waiter.waiting = False
        self.state = ENDED
        self.delegate = None
        return 0

    cdef int fail(self, object error) except -1:
        self.state = ENDED
        if self.kind == ITERATE and isinstance(error, ConnectionClosedOK):
            raise StopAsyncIteration from None
        return 0

    cdef bint receive(self, PyObject **result) except -1:
        cdef Messages connection = self.connection
        cdef object item
        if self.state == NEW and (connection._incoming is not None or self.option is not None):
            return self.go_the_long_way(connection._recv_slowly(self.option), result)
        item = connection.take()
        if item is None:
            try:
                item = connection.wait()
            except BaseException as error:
                self.fail(error)
                raise
            self.state = UNDER_WAY
            Py_INCREF(item)
            result[0] = <PyObject *> item
            return False
        if not (PyBytes_CheckExact(item) or PyUnicode_CheckExact(item)):
            return self.go_the_long_way(connection._join(item), result)
        self.state = ENDED
        Py_INCREF(item)
        result[0] = <PyObject *> item
        return True

    cdef bint send_message(self, PyObject **result) except -1:
        cdef Messages connection = self.connection
        cdef int sent = 0
        self.state = ENDED
        if self.text is None and self.option is None:
            sent = connection.send_now(self.message)
        if sent == 1:
            Py_INCREF(None)
            result[0] = <PyObject *> None
            return True
        if sent == 2:
            rest = connection._drain()
        elif sent == 3:
            rest = connection._yield()
        else:
            rest = connection._send_slowly(self.message, self.text, self.option)
        self.message = None
        self.state = UNDER_WAY
        return self.go_the_long_way(rest, result)

    cdef bint go_on(self, object value, PyObject **result) except -1:
        """Give what to wait for, or the result at the end: True. Both are new references."""
        cdef PySendResult status
        if self.state == ENDED:
            raise RuntimeError("cannot reuse already awaited coroutine")
        if self.delegate is None:
            if self.kind == SEND:
                return self.send_message(result)
            return self.receive(result)
        self.state = UNDER_WAY
        try:
            status = PyIter_Send(self.delegate, value, result)
        except BaseException as error:
            self.fail(error)
            raise
        if status == PYGEN_RETURN:
            self.state = ENDED
            self.delegate = None
            return True
        return False

    cdef bint go_the_long_way(self, object coroutine, PyObject **result) except -1:
        self.delegate = coroutine
        return self.go_on(None, result)


cdef PyObject *_next(PyObject *self) except? NULL:
    # What __next__ would be, but the result goes without building an exception in Python's way.
    cdef PyObject *result = NULL
    if not (<Operation> self).go_on(None, &result):
        return result
    if result != <PyObject *> None:
        fastws_stop(result, len(<object> result) <= SMALL_MESSAGE)
    Py_DECREF(result)
    return NULL


(<PyTypeObject *> Operation).tp_iternext = _next


cdef inline Operation _operation(Messages connection, int kind):
    cdef Operation operation = Operation.__new__(Operation)
    operation.connection = connection
    operation.kind = kind
    operation.state = NEW
    return operation


cdef class Messages(Channel):
    """``recv``, ``send`` and iteration, each a step or two of C where nothing has to be waited for."""

    def __cinit__(self, *args, **kwargs):
        self._own_recv = type(self).recv is Messages.recv

    def recv(self, decode=None):
        """Return the next message: ``str`` for text, ``bytes`` for binary.

        ``decode`` true gives ``str`` and false ``bytes`` in either case. Raises ConnectionClosed
        when no more will come, ConcurrencyError while another task receives. No message is lost
        when this is cancelled.
        """
        cdef Operation operation = _operation(self, RECEIVE)
        operation.option = decode
        return operation

    def __aiter__(self):
        return self

    def __anext__(self):
        if not self._own_recv:
            return _overridden_anext(self)
        return _operation(self, ITERATE)

    def send(self, message, text=None, *, compress=None):
        """Send a message: ``str`` as text, bytes-like as binary, unless ``text`` says otherwise.

        An iterable or asynchronous iterable of these is sent in fragments. Waits while more than
        ``write_limit`` bytes wait to be written. ``compress`` overrides the negotiated threshold.
        Raises ConnectionClosed when nothing can be sent any more.
        """
        cdef Operation operation = _operation(self, SEND)
        operation.message = message
        operation.text = text
        operation.option = compress
        return operation

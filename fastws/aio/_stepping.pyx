"""A coroutine that what it waits for may step itself, under an ordinary task of asyncio.

A task that waits knows no more than whom it waits for. So when a message resumes a handler, and the
handler comes back for the next one, the task need not hear of it: it still waits for the same. It
hears of everything else: another future to wait for, the end, an exception, a cancellation.
"""

from asyncio import current_task
from asyncio.tasks import _enter_task, _leave_task

from fastws.aio._waiter cimport Waiter

cdef extern from "Python.h":
    int PyContext_Enter(object context) except -1
    int PyContext_Exit(object context) except -1
    ctypedef struct PyObject
    ctypedef enum PySendResult:
        PYGEN_RETURN
        PYGEN_ERROR
        PYGEN_NEXT
    PySendResult PyIter_Send(object coroutine, object value, PyObject **result) except PYGEN_ERROR
    void Py_DECREF(PyObject *)

__all__ = ["run_stepped"]

cdef enum:
    NOTHING
    YIELDED
    RETURNED
    RAISED


class _Resumed:
    """What a task is told to have waited for: it may go on."""

    def result(self):
        return None


cdef object _RESUMED = _Resumed()


cdef class Stepped:
    """A coroutine around another one, for a task; a ``Waiter`` that it waits for steps it.

    To the task it is a coroutine like any other: the outcome of a step that the task did not make
    is what the task's own next step finds.
    """

    def __init__(self, coroutine, loop):
        self._coroutine = coroutine
        self._loop = loop

    def __getattr__(self, name):
        # Names, frame and state, for whoever looks at a task.
        return getattr(self._coroutine, name)

    def __await__(self):
        return self

    def __next__(self):
        return self.send(None)

    def send(self, value):
        """Go on; or give what the last step brought, if the task did not make it."""
        cdef int outcome = self._outcome
        if outcome == NOTHING:
            if self._rethrown is not None:
                error, self._rethrown = self._rethrown, None
                return self._go_on(self._coroutine.throw, (error,))
            if self._task is None:
                self._task = current_task(self._loop)
            return self._go_on(self._coroutine.send, (value,))
        value, self._value = self._value, None
        self._outcome = NOTHING
        if outcome == YIELDED:
            return self._given(value)
        self._task = None
        if outcome == RETURNED:
            raise StopIteration(value)
        raise value

    def throw(self, kind, value=None, traceback=None):
        """Go on with an exception."""
        cdef int outcome = self._outcome
        if outcome == NOTHING:
            # A task, too, is cancelled once, however often that was asked, and first of all.
            if self._rethrown is not None and isinstance(kind, Exception):
                kind, value, traceback = self._rethrown, None, None
            self._rethrown = None
            if value is None and traceback is None:
                return self._go_on(self._coroutine.throw, (kind,))
            return self._go_on(self._coroutine.throw, (kind, value, traceback))
        # The task was cancelled during a step that it did not make.
        error = kind if value is None else value
        if isinstance(error, type):
            error = error()
        value, self._value = self._value, None
        self._outcome = NOTHING
        if outcome != YIELDED:
            self._task = None
            raise error if outcome == RETURNED else value
        # As the task would have done: first it waits, then it cancels what it waits for.
        self._rethrown = error
        return self._given(value)

    def close(self):
        self._outcome = NOTHING
        self._value = self._rethrown = self._task = None
        self._coroutine.close()

    cdef object _go_on(self, object how, tuple arguments):
        try:
            waited_for = how(*arguments)
        except BaseException:
            self._task = None  # it holds us
            raise
        return self._given(waited_for)

    cdef object _given(self, object waited_for):
        if type(waited_for) is Waiter:
            (<Waiter> waited_for)._stepped = self
        return waited_for

    cpdef bint step(self, Waiter waiter) except -1:
        """Make the next step, now; False if it cannot be made here."""
        cdef PyObject *result = NULL
        cdef object callback = waiter._callback
        cdef object context = waiter._context
        cdef object task = self._task
        try:
            _enter_task(self._loop, task)
        except RuntimeError:
            return False  # another task is running
        try:
            PyContext_Enter(context)
        except RuntimeError:
            _leave_task(self._loop, task)
            return False  # something runs in it already
        waiter._callback = None
        waiter._context = None
        waiter._stepped = None
        waiter.waiting = False
        waiter._cancel_refused = False
        try:
            if PyIter_Send(self._coroutine, None, &result) == PYGEN_NEXT:
                self._outcome = YIELDED
            else:
                self._outcome = RETURNED
            self._value = <object> result
            Py_DECREF(result)
        except BaseException as error:
            self._outcome = RAISED
            self._value = error
        PyContext_Exit(context)
        _leave_task(self._loop, task)
        if self._value is waiter and waiter._callback is None and not waiter._done:
            # It waits for the same again.
            self._outcome = NOTHING
            self._value = None
            waiter._callback = callback
            waiter._context = context
            waiter._stepped = self
            waiter._asyncio_future_blocking = False
            if waiter._cancel_refused and task._must_cancel:
                waiter.cancel(task._cancel_message)
            return True
        self._tell_task(callback, context)
        return True

    cdef int _tell_task(self, object callback, object context) except -1:
        """Have the task make its step, which finds the outcome of ours."""
        waited_for = self._value
        task = self._task
        context.run(callback, _RESUMED)
        if (
            self._rethrown is not None
            and waited_for is not None
            and task._fut_waiter is waited_for  # else it refused to wait for that
            and waited_for.cancel(*self._rethrown.args)
        ):
            self._rethrown = None
        return 0


def run_stepped(loop, coroutine):
    """Start a task of a coroutine that mostly waits for messages."""
    # Whoever debugs wants to see every step made by the task.
    return loop.create_task(coroutine if loop.get_debug() else Stepped(coroutine, loop))

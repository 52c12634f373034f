from fastws.aio._waiter cimport Stepper, Waiter


cdef class Stepped(Stepper):
    cdef object _coroutine
    cdef object _loop
    cdef object _task
    cdef int _outcome
    cdef object _value
    cdef object _rethrown

    cdef object _go_on(self, object how, tuple arguments)
    cdef object _given(self, object waited_for)
    cpdef bint step(self, Waiter waiter) except -1
    cdef int _tell_task(self, object callback, object context) except -1

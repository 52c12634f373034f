# What waiter.py is compiled with.

cdef class Stepper:
    cpdef bint step(self, Waiter waiter) except -1


cdef class Waiter:
    cdef object _loop
    cdef public bint _asyncio_future_blocking
    cdef public bint waiting
    cdef bint _done
    cdef bint _cancelled
    cdef bint _cancel_refused
    cdef object _cancel_message
    cdef object _callback
    cdef object _context
    cdef list _more
    cdef Stepper _stepped

    cpdef bint begin(self) except -1
    cpdef wake(self)
    cdef _schedule_callbacks(self)

# What waiter.py is compiled with.

cdef class Waiter:
    cdef object _loop
    cdef public bint _asyncio_future_blocking
    cdef public bint waiting
    cdef bint _done
    cdef bint _cancelled
    cdef object _cancel_message
    cdef object _callback
    cdef object _context
    cdef list _more

    cpdef bint begin(self) except -1
    cpdef wake(self)
    cdef _schedule_callbacks(self)

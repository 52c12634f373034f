from fastws.aio._channel cimport Channel


cdef class Messages(Channel):
    cdef bint _own_recv  # no subclass has another

from fastws.aio._channel cimport Channel


cdef class Messages(Channel):
    pass

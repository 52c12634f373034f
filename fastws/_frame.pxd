# For Cython code of your own: `from fastws._frame cimport is_utf8_bytes, MessageReader`.

from libc.stdint cimport uint8_t, uint32_t
from cpython.object cimport PyObject

# True if data[0:length] is valid UTF-8 (RFC 3629).
cdef bint is_utf8_bytes(const unsigned char *data, size_t length) noexcept nogil

# Between two pieces of a text; all zero at the end of a code point.
cdef struct Utf8State:
    uint8_t missing
    uint8_t low
    uint8_t high


cdef class FrameBuffer:
    cdef readonly Py_ssize_t length
    cdef public object filler
    cdef bytes _room

    cpdef bint add(self, message, bint masked) except -1
    cpdef clear(self)


cdef class FrameTaker:
    cdef dict _templates
    cdef tuple _template  # the last one, of the first byte
    cdef uint8_t _first
    cdef object _deliver
    cdef int _mask_bit
    cdef Py_ssize_t _limit
    cdef bint _decode
    cdef Py_ssize_t _overhead
    cdef readonly Py_ssize_t left

    cdef int _choose(self, dict templates, masked, max_length, bint decode) except -1
    cpdef Py_ssize_t take(self, data, Py_ssize_t offset, Py_ssize_t room) except -1
    cdef Py_ssize_t _take(self, data, Py_ssize_t offset, Py_ssize_t room, list frames) except -1
    cdef Py_ssize_t _take_bytes(self, const uint8_t *start, Py_ssize_t available, Py_ssize_t offset,
                                Py_ssize_t left, list frames) except -1


cdef class PayloadReader:
    cdef uint32_t _key
    cdef bint _text
    cdef bint _ascii
    cdef PyObject *_payload
    cdef object _final
    cdef Py_ssize_t _whole
    cdef Py_ssize_t _length
    cdef Py_ssize_t _capacity
    cdef Py_ssize_t _given

    cdef int _reserve(self, Py_ssize_t capacity) except -1
    cdef void _take(self, const uint8_t *data, Py_ssize_t length) noexcept


cdef class MessageReader:
    cdef readonly bint has_control
    cdef readonly unsigned long long bytes_received
    cdef public object inflate
    cdef readonly bint decode
    cdef public bint fragments
    cdef uint8_t _mask_bit
    cdef bint _ended
    cdef Py_ssize_t _max_size
    cdef Py_ssize_t _max_deflated
    cdef Py_ssize_t _max_fragments

    # The header of the frame under way, while incomplete.
    cdef uint8_t _head[14]
    cdef uint8_t _head_length

    # The frame under way.
    cdef bint _in_frame
    cdef bint _fin
    cdef uint8_t _opcode
    cdef uint32_t _key
    cdef Py_ssize_t _left
    cdef Py_ssize_t _given
    cdef uint8_t _control_length
    cdef uint8_t _control[125]

    # The message under way; its opcode is 0 when there is none.
    cdef uint8_t _message_opcode
    cdef bint _deflated
    cdef bint _ascii
    cdef Utf8State _utf8
    cdef Py_ssize_t _fragments
    cdef bint _split
    cdef Py_ssize_t _taken
    cdef PyObject *_payload
    cdef Py_ssize_t _capacity
    cdef Py_ssize_t _length
    cdef Py_ssize_t _deflated_length
    cdef Py_ssize_t _inflated_length
    cdef list _pieces

    cpdef list receive(self, data, Py_ssize_t nbytes=*)
    cdef int _take_given(self, Py_ssize_t nbytes, list events) except -1
    cdef int receive_bytes(self, const uint8_t *data, Py_ssize_t length, list events) except -1
    cdef const uint8_t *_fast(self, const uint8_t *data, const uint8_t *end, list events) except NULL
    cdef int _start(self, list events) except -1
    cdef object _short_text(self, const uint8_t *data, Py_ssize_t length, uint32_t key)
    cdef str _check_start(self)
    cdef uint8_t *_storage(self) noexcept
    cdef int _reserve(self, Py_ssize_t extra) except -1
    cdef int _resize(self, Py_ssize_t capacity) except -1
    cdef int _take(self, const uint8_t *data, Py_ssize_t length, list events) except -1
    cdef int _finish_frame(self, list events) except -1
    cdef int _finish_control(self, list events) except -1
    cdef int _inflate_frame(self, list events) except -1
    cdef object _finish_inflated(self)
    cdef object _finish_payload(self)
    cdef object _take_fragment(self)
    cdef int _violation(self, list events, object reason, int code) except -1
    cdef void _forget_message(self) noexcept

# cython: binding=True, embedsignature=False
"""Frames (RFC 6455 §5) and UTF-8, compiled; `_fallback.py` is its twin."""

import os

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_FillInfo, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport (
    PyBytes_AS_STRING,
    PyBytes_CheckExact,
    PyBytes_FromStringAndSize,
    PyBytes_GET_SIZE,
)
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from .errors import PayloadTooBig, ProtocolError
from .frames import Close, CloseCode, Fragment, Header, Ping, Pong, Role

cdef extern from "Python.h":
    PyObject *PyDict_GetItemWithError(object mapping, object key) except? NULL
    object PyType_GenericAlloc(type kind, Py_ssize_t items)
    Py_ssize_t PyTuple_GET_SIZE(object items)
    PyObject *PyTuple_GET_ITEM(object items, Py_ssize_t i)
    void PyTuple_SET_ITEM(object items, Py_ssize_t i, object item)
    object PyUnicode_New(Py_ssize_t size, Py_UCS4 maxchar)
    object PyUnicode_DecodeUTF8(const char *data, Py_ssize_t size, const char *errors)
    bytes PyUnicode_AsUTF8String(object text)
    bint PyUnicode_IS_ASCII(object text)
    void *PyUnicode_DATA(object text)
    void *PyUnicode_DATA_of "PyUnicode_DATA"(PyObject *text)
    Py_ssize_t PyUnicode_GET_LENGTH(object text)
    int PyUnicode_Resize(PyObject **text, Py_ssize_t length) except -1
    int _PyBytes_Resize(PyObject **data, Py_ssize_t length) except -1
    char *PyBytes_AS_STRING_of "PyBytes_AS_STRING"(PyObject *data)
    void Py_CLEAR(PyObject *)

cdef extern from *:
    """
    /* What nobody else refers to may be resized where it is. */
    #if PY_VERSION_HEX >= 0x030E0000
    #define fastws_is_ours(object) PyUnstable_Object_IsUniquelyReferenced(object)
    #else
    #define fastws_is_ours(object) (Py_REFCNT(object) == 1)
    #endif

    /* Without the lock of the interpreter, threads must not take keys from one pool. */
    #ifndef Py_GIL_DISABLED
    #define FASTWS_PER_THREAD
    #elif defined(_MSC_VER)
    #define FASTWS_PER_THREAD __declspec(thread)
    #else
    #define FASTWS_PER_THREAD _Thread_local
    #endif
    #define FASTWS_POOL_BYTES 4096
    typedef struct { size_t left; unsigned char bytes_[FASTWS_POOL_BYTES]; } fastws_key_pool;
    static FASTWS_PER_THREAD fastws_key_pool fastws_pool;
    """
    bint fastws_is_ours(PyObject *)
    const size_t POOL_BYTES "FASTWS_POOL_BYTES"
    ctypedef struct fastws_key_pool:
        size_t left
        uint8_t *bytes_
    fastws_key_pool fastws_pool

cdef extern from "cpu.h" nogil:
    const char *fastws_cpu_forced_row()

cdef extern from "mask.h" nogil:
    ctypedef void (*fastws_mask_run)(uint8_t *, const uint8_t *, size_t, uint32_t) noexcept nogil
    ctypedef int (*fastws_mask_ascii_run)(
        uint8_t *, const uint8_t *, size_t, uint32_t
    ) noexcept nogil
    ctypedef struct fastws_mask_row:
        fastws_mask_run run
        fastws_mask_ascii_run run_ascii
    const fastws_mask_row *fastws_mask_choose(const char *name)
    uint32_t fastws_mask_rotate(uint32_t key, size_t offset)

cdef extern from "utf8.h" nogil:
    ctypedef struct fastws_utf8_state:
        uint8_t missing
    ctypedef int (*fastws_utf8_run)(const uint8_t *, size_t) noexcept nogil
    ctypedef struct fastws_utf8_row:
        fastws_utf8_run run
    const fastws_utf8_row *fastws_utf8_choose(const char *name)
    size_t fastws_utf8_receive(
        const fastws_utf8_row *, fastws_utf8_state *, const uint8_t *, size_t
    )

cdef const fastws_mask_row *_mask_row = fastws_mask_choose(fastws_cpu_forced_row())
cdef const fastws_utf8_row *_utf8_row = fastws_utf8_choose(fastws_cpu_forced_row())
if _mask_row == NULL or _utf8_row == NULL:
    raise ImportError(f"FASTWS_SIMD={fastws_cpu_forced_row().decode(errors='replace')} "
                      "is not available here")
cdef fastws_mask_run _mask = _mask_row.run
cdef fastws_mask_ascii_run _mask_ascii = _mask_row.run_ascii
cdef fastws_utf8_run _is_utf8 = _utf8_row.run

cdef enum:
    CONTINUATION = 0x0
    TEXT = 0x1
    BINARY = 0x2
    CLOSE = 0x8
    PING = 0x9
    PONG = 0xA

    FIN_BIT = 0x80
    RSV_BITS = 0x70
    RSV1_BIT = 0x40
    OPCODE_BITS = 0x0F
    MASK_BIT = 0x80

    MAX_CONTROL = 125

cdef enum:
    PROTOCOL_ERROR = 1002
    INVALID_DATA = 1007
    MESSAGE_TOO_BIG = 1009
    INTERNAL_ERROR = 1011

# Memory given to a message on the word of its header alone; beyond, it grows as the bytes arrive.
cdef Py_ssize_t ALLOCATE_AHEAD = 1024 * 1024

# A payload with less than this to come is not worth a buffer of its own.
cdef Py_ssize_t DIRECT_BUFFER = 16 * 1024

# Above this the work outweighs what giving up the interpreter lock costs.
cdef Py_ssize_t RELEASE_GIL = 64 * 1024

cdef Py_ssize_t NO_LIMIT = <Py_ssize_t> ((<size_t> -1) >> 1)


cdef bint is_utf8_bytes(const unsigned char *data, size_t length) noexcept nogil:
    return _is_utf8(data, length)


def is_utf8(data):
    """Tell whether ``data``, any contiguous buffer, is valid UTF-8 as RFC 3629 defines it."""
    cdef Py_buffer source
    cdef bint valid
    if PyBytes_CheckExact(data) and PyBytes_GET_SIZE(data) < RELEASE_GIL:
        return _is_utf8(<const uint8_t *> PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data)) != 0
    PyObject_GetBuffer(data, &source, PyBUF_SIMPLE)
    if source.len < RELEASE_GIL:
        valid = _is_utf8(<const uint8_t *> source.buf, source.len)
    else:
        with nogil:
            valid = _is_utf8(<const uint8_t *> source.buf, source.len)
    PyBuffer_Release(&source)
    return valid


cdef class Utf8Validator:
    """Validate a text that arrives in pieces; know of the first bad byte when it arrives."""

    cdef Utf8State _state
    cdef bint _valid
    cdef uint64_t _position

    def __cinit__(self):
        self.reset()

    def reset(self):
        """Start a new text."""
        with cython.critical_section(self):
            self._state.missing = 0
            self._valid = True
            self._position = 0

    @property
    def valid(self):
        with cython.critical_section(self):
            return self._valid

    @property
    def position(self):
        with cython.critical_section(self):
            return self._position

    @property
    def complete(self):
        """Whether the text so far is valid and ends with a whole code point."""
        with cython.critical_section(self):
            return self._valid and self._state.missing == 0

    def receive(self, data):
        """Take the next piece; return False from the first byte on that no valid text could have.

        ``position`` then is that byte's index in the whole text; before, the bytes received so far.
        """
        cdef Py_buffer source
        cdef size_t good
        PyObject_GetBuffer(data, &source, PyBUF_SIMPLE)
        try:
            with cython.critical_section(self):
                if self._valid:
                    good = fastws_utf8_receive(_utf8_row, <fastws_utf8_state *> &self._state,
                                               <const uint8_t *> source.buf, source.len)
                    self._valid = good == <size_t> source.len
                    self._position += good
                return self._valid
        finally:
            PyBuffer_Release(&source)


cdef inline Py_ssize_t _header_length(uint8_t second) noexcept nogil:
    cdef Py_ssize_t length = 2 + (4 if second & MASK_BIT else 0)
    if second & 0x7F == 126:
        length += 2
    elif second & 0x7F == 127:
        length += 8
    return length


cdef inline uint64_t _payload_length(const uint8_t *head) noexcept nogil:
    cdef uint64_t length = head[1] & 0x7F
    cdef int i
    if length == 126:
        return <uint64_t> head[2] << 8 | head[3]
    if length == 127:
        length = 0
        for i in range(2, 10):
            length = length << 8 | head[i]
    return length


cdef str _check_length(const uint8_t *head, uint64_t length):
    """The violation of RFC 6455 §5.2 in a complete header, or None."""
    if length >> 63:
        return "payload length has its most significant bit set"
    if (head[1] & 0x7F == 126 and length < 126) or (head[1] & 0x7F == 127 and length < 65536):
        return "payload length is not encoded in the fewest bytes"
    return None


cdef str _check_opcode(uint8_t first, uint8_t second):
    """The violation that the first two bytes of any frame can show alone, or None."""
    cdef uint8_t opcode = first & OPCODE_BITS
    if BINARY < opcode < CLOSE or opcode > PONG:
        return f"reserved opcode {opcode:#x}"
    if opcode >= CLOSE:
        if not first & FIN_BIT:
            return "fragmented control frame"
        if second & 0x7F > MAX_CONTROL:
            return "control frame payload over 125 bytes"
    return None


def parse_header(buffer, Py_ssize_t offset=0):
    """Return the ``Header`` of the frame at ``buffer[offset]``, or None while it is incomplete.

    Raises ProtocolError, with its close code, for what no header may be whatever the role and the
    extensions: a reserved opcode, a fragmented or long control frame, a length not encoded in the
    fewest bytes or with its top bit set (RFC 6455 §5.2, §5.5).
    """
    cdef Py_buffer source
    cdef const uint8_t *head
    cdef Py_ssize_t available, header_length
    cdef uint64_t length
    cdef str problem
    if offset < 0:
        raise ValueError(f"offset must not be negative, not {offset}")
    PyObject_GetBuffer(buffer, &source, PyBUF_SIMPLE)
    try:
        available = source.len - offset
        if available < 2:
            return None
        head = <const uint8_t *> source.buf + offset
        problem = _check_opcode(head[0], head[1])
        if problem is not None:
            raise ProtocolError(problem)
        header_length = _header_length(head[1])
        if available < header_length:
            return None
        length = _payload_length(head)
        problem = _check_length(head, length)
        if problem is not None:
            raise ProtocolError(problem)
        key = None
        if head[1] & MASK_BIT:
            key = PyBytes_FromStringAndSize(<const char *> head + header_length - 4, 4)
        return Header(head[0] & FIN_BIT != 0, (head[0] & RSV_BITS) >> 4, head[0] & OPCODE_BITS,
                      key, length, header_length)
    finally:
        PyBuffer_Release(&source)


def take_frames(data, dict templates, *, masked, max_length, Py_ssize_t offset=0,
                bint decode=False):
    """Return the whole frames at ``data[offset]`` that a caller wants, and where the others begin.

    For servers that have a parser of their own and want the common frames faster. ``templates``
    says which: it maps a frame's first byte (RFC 6455 §5.2) to a tuple, perhaps of a subclass, of
    at least two items; the frame comes out as a copy of it whose item 1 is the unmasked payload, as
    bytes, or with ``decode`` as str where the first byte is 0x81 (a whole text). ``masked`` tells
    whether frames must be masked or must not; None takes both.

    It stops at the first frame that is incomplete, of another first byte or masking, longer than
    ``max_length`` bytes (None: no limit), with a length not in the fewest bytes, or a text to
    decode that is not UTF-8. What it stops at is the caller's to judge: it raises nothing.
    """
    cdef list frames = []
    cdef FrameTaker taker = FrameTaker.__new__(FrameTaker)
    taker._choose(templates, masked, max_length, decode)
    return frames, taker._take(data, offset, NO_LIMIT, frames)


cdef class FrameTaker:
    """``take_frames`` for one connection: each frame goes to ``deliver(frame, payload_length)``.

    The length is in bytes of the wire. ``take`` returns where the others begin. It also stops once
    the payloads taken, each counted with ``overhead`` bytes more, are over ``room``; ``left`` is
    what of it was left.
    """

    def __init__(self, dict templates, deliver, *, masked, max_length, bint decode=False,
                 Py_ssize_t overhead=0):
        self._choose(dict(templates), masked, max_length, decode)
        self._deliver = deliver
        self._overhead = overhead

    cdef int _choose(self, dict templates, masked, max_length, bint decode) except -1:
        self._templates = templates
        self._mask_bit = -1 if masked is None else MASK_BIT if masked else 0
        self._limit = NO_LIMIT if max_length is None else max_length
        self._decode = decode
        return 0

    cpdef Py_ssize_t take(self, data, Py_ssize_t offset, Py_ssize_t room) except -1:
        """Deliver the whole frames at ``data[offset]``; return where the others begin."""
        with cython.critical_section(self):
            return self._take(data, offset, room, None)

    cdef Py_ssize_t _take(self, data, Py_ssize_t offset, Py_ssize_t room,
                          list frames) except -1:
        cdef Py_buffer source
        if PyBytes_CheckExact(data):
            return self._take_bytes(<const uint8_t *> PyBytes_AS_STRING(data),
                                    PyBytes_GET_SIZE(data), offset, room, frames)
        PyObject_GetBuffer(data, &source, PyBUF_SIMPLE)
        try:
            return self._take_bytes(<const uint8_t *> source.buf, source.len, offset, room, frames)
        finally:
            PyBuffer_Release(&source)

    cdef Py_ssize_t _take_bytes(self, const uint8_t *start, Py_ssize_t available,
                                Py_ssize_t offset, Py_ssize_t left, list frames) except -1:
        cdef const uint8_t *head = start + offset
        cdef const uint8_t *end = start + available
        cdef Py_ssize_t header_length
        cdef uint64_t length
        cdef uint32_t key
        cdef PyObject *template
        if not 0 <= offset <= available:
            raise ValueError(f"offset {offset} is not within {available} bytes")
        while end - head >= 2 and left >= 0:
            if self._template is None or head[0] != self._first:
                template = PyDict_GetItemWithError(self._templates, head[0])
                if template == NULL:
                    break
                self._first = head[0]
                self._template = <tuple> template
            if self._mask_bit >= 0 and head[1] & MASK_BIT != self._mask_bit:
                break
            header_length = _header_length(head[1])
            if end - head < header_length:
                break
            length = _payload_length(head)
            if (
                length > <uint64_t> self._limit
                or length > <uint64_t> (end - head - header_length)
                or _check_length(head, length) is not None
            ):
                break
            key = 0
            if head[1] & MASK_BIT:
                memcpy(&key, head + header_length - 4, 4)
            if self._decode and self._first == FIN_BIT | TEXT:
                payload = _unmasked_text(head + header_length, <Py_ssize_t> length, key)
                if payload is None:
                    break
            else:
                payload = PyBytes_FromStringAndSize(NULL, <Py_ssize_t> length)
                _mask(<uint8_t *> PyBytes_AS_STRING(payload), head + header_length, length, key)
            frame = _filled(self._template, payload)
            if frames is None:
                self._deliver(frame, <Py_ssize_t> length)
            else:
                frames.append(frame)
            left -= <Py_ssize_t> length + self._overhead
            head += header_length + <Py_ssize_t> length
        self.left = left
        return head - start


cdef object _filled(tuple template, object payload):
    """A copy of a tuple, of its own type, with another item 1."""
    cdef Py_ssize_t i, size = PyTuple_GET_SIZE(template)
    if size < 2:
        raise ValueError(f"a template needs at least two items, not {size}")
    filled = PyType_GenericAlloc(type(template), size)
    for i in range(size):
        item = payload if i == 1 else <object> PyTuple_GET_ITEM(template, i)
        Py_INCREF(item)
        PyTuple_SET_ITEM(filled, i, item)
    return filled


cdef object _unmasked_text(const uint8_t *data, Py_ssize_t length, uint32_t key):
    """The payload of a text as str; None if it is not UTF-8."""
    cdef uint8_t *storage
    if length < 2:  # such a str is shared, so not to be written to
        short = PyBytes_FromStringAndSize(NULL, length)
        storage = <uint8_t *> PyBytes_AS_STRING(short)
        _mask(storage, data, length, key)
        return short.decode() if _is_utf8(storage, length) else None
    text = PyUnicode_New(length, 127)
    storage = <uint8_t *> PyUnicode_DATA(text)
    if not _mask_ascii(storage, data, length, key):
        # The payload is unmasked by now, in what would have been the str.
        try:
            text = PyUnicode_DecodeUTF8(<const char *> storage, length, NULL)
        except UnicodeDecodeError:
            return None
    return text


def serialize_frame(int opcode, payload, *, bint fin=True, int rsv=0, masking_key=None):
    """Return one frame as bytes (RFC 6455 §5.2).

    ``payload`` is any contiguous buffer, or a str, which goes out as UTF-8. ``rsv`` is a 3-bit
    number: RSV1 is 4. ``masking_key`` is 4 bytes on a client, None on a server.

    Raises ValueError for what RFC 6455 forbids to send: a reserved opcode, a control frame that is
    fragmented or longer than 125 bytes, a wrong key.
    """
    cdef Py_buffer source
    cdef bytes encoded
    cdef const uint8_t *key = NULL
    if masking_key is not None:
        if not PyBytes_CheckExact(masking_key):
            masking_key = bytes(memoryview(masking_key))
        if PyBytes_GET_SIZE(masking_key) != 4:
            raise ValueError(f"masking key must be 4 bytes, not {len(masking_key)}")
        key = <const uint8_t *> PyBytes_AS_STRING(masking_key)
    if isinstance(payload, str):
        if PyUnicode_IS_ASCII(payload):
            return _serialize(opcode, fin, rsv, <const uint8_t *> PyUnicode_DATA(payload),
                              PyUnicode_GET_LENGTH(payload), key)
        payload = PyUnicode_AsUTF8String(payload)
    if PyBytes_CheckExact(payload):
        return _serialize(opcode, fin, rsv, <const uint8_t *> PyBytes_AS_STRING(payload),
                          PyBytes_GET_SIZE(payload), key)
    PyObject_GetBuffer(payload, &source, PyBUF_SIMPLE)
    try:
        return _serialize(opcode, fin, rsv, <const uint8_t *> source.buf, source.len, key)
    finally:
        PyBuffer_Release(&source)


cdef bytes _serialize(int opcode, bint fin, int rsv, const uint8_t *payload, Py_ssize_t length,
                      const uint8_t *key):
    cdef uint8_t head[14]
    cdef Py_ssize_t head_length
    cdef bytes frame
    if not (CONTINUATION <= opcode <= BINARY or CLOSE <= opcode <= PONG):
        raise ValueError(f"opcode must be one of 0, 1, 2, 8, 9, 10, not {opcode}")
    if not 0 <= rsv <= 7:
        raise ValueError(f"rsv must be a 3-bit number, not {rsv}")
    if opcode >= CLOSE:
        if not fin:
            raise ValueError("a control frame cannot be fragmented")
        if length > MAX_CONTROL:
            raise ValueError(f"a control frame's payload is at most 125 bytes, not {length}")
    if length > NO_LIMIT - 64:
        raise OverflowError("payload too long for one frame")
    head_length = _fill_header(
        head, (FIN_BIT if fin else 0) | <uint8_t> (rsv << 4) | <uint8_t> opcode, length, key
    )
    frame = PyBytes_FromStringAndSize(NULL, head_length + length)
    _fill_frame(<uint8_t *> PyBytes_AS_STRING(frame), head, head_length, payload, length, key)
    return frame


cdef inline Py_ssize_t _fill_header(uint8_t *head, uint8_t first, Py_ssize_t length,
                                    const uint8_t *key) noexcept nogil:
    """Write a header, at most 14 bytes; return its length."""
    cdef Py_ssize_t head_length
    cdef int i
    head[0] = first
    if length < 126:
        head[1] = <uint8_t> length
        head_length = 2
    elif length < 65536:
        head[1] = 126
        head[2] = <uint8_t> (length >> 8)
        head[3] = <uint8_t> length
        head_length = 4
    else:
        head[1] = 127
        for i in range(8):
            head[2 + i] = <uint8_t> (<uint64_t> length >> (56 - 8 * i))
        head_length = 10
    if key != NULL:
        head[1] |= MASK_BIT
        memcpy(head + head_length, key, 4)
        head_length += 4
    return head_length


cdef inline void _fill_frame(uint8_t *dst, const uint8_t *head, Py_ssize_t head_length,
                             const uint8_t *payload, Py_ssize_t length,
                             const uint8_t *key) noexcept nogil:
    cdef uint32_t key_word
    memcpy(dst, head, head_length)
    dst += head_length
    if key == NULL:
        memcpy(dst, payload, length)
    else:
        memcpy(&key_word, key, 4)
        _mask(dst, payload, length, key_word)


# Keys are taken from a pool a few bytes at a time: a system call for each would cost more than the
# frame. Predictable keys would let a page's script choose the bytes a proxy sees (RFC 6455 §10.3).


def _empty_pool():
    fastws_pool.left = 0


if hasattr(os, "register_at_fork"):
    # Parent and child must not send the same keys; of its threads, the child has the one that forked.
    os.register_at_fork(after_in_child=_empty_pool)


cdef const uint8_t *_take_key() except NULL:
    """Four bytes of the pool, good until the next call in this thread."""
    cdef bytes random
    if fastws_pool.left == 0:
        random = os.urandom(POOL_BYTES)
        memcpy(fastws_pool.bytes_, PyBytes_AS_STRING(random), POOL_BYTES)
        fastws_pool.left = POOL_BYTES
    fastws_pool.left -= 4
    return fastws_pool.bytes_ + fastws_pool.left


def new_masking_key():
    """Return 4 bytes that no peer can foresee (RFC 6455 §5.3)."""
    return PyBytes_FromStringAndSize(<const char *> _take_key(), 4)


def serialize_message(message, bint masked):
    """Return a whole message as one frame, with a new key if it is to be masked.

    A str is text and a buffer is binary.
    """
    cdef const uint8_t *key = _take_key() if masked else NULL
    if PyBytes_CheckExact(message):
        return _serialize(BINARY, True, 0, <const uint8_t *> PyBytes_AS_STRING(message),
                          PyBytes_GET_SIZE(message), key)
    if isinstance(message, str) and PyUnicode_IS_ASCII(message):
        return _serialize(TEXT, True, 0, <const uint8_t *> PyUnicode_DATA(message),
                          PyUnicode_GET_LENGTH(message), key)
    return serialize_frame(
        TEXT if isinstance(message, str) else BINARY, message,
        masking_key=PyBytes_FromStringAndSize(<const char *> key, 4) if masked else None,
    )


def split_message(message):
    """Return a whole message as an unmasked frame in two parts: its header, and its payload.

    The payload is ``message`` itself, or a view of it; only a str with characters beyond ASCII is
    encoded.
    """
    cdef uint8_t head[14]
    cdef Py_ssize_t length
    cdef object payload = message
    cdef uint8_t opcode = BINARY
    if isinstance(message, str):
        opcode = TEXT
        if PyUnicode_IS_ASCII(message):
            payload = _view(message, PyUnicode_DATA(message), PyUnicode_GET_LENGTH(message), True)
        else:
            payload = PyUnicode_AsUTF8String(message)
    length = _fill_header(head, FIN_BIT | opcode, len(payload), NULL)
    return PyBytes_FromStringAndSize(<const char *> head, length), payload


cdef class FrameBuffer:
    """Room for frames of whole messages, one behind the other, until they are written.

    The buffer of the object itself is the ``length`` bytes that are there. ``filler`` is for those
    who share it: whose frames these are.
    """

    def __cinit__(self):
        self._room = b""

    def __init__(self, Py_ssize_t capacity=64 * 1024):
        self._room = PyBytes_FromStringAndSize(NULL, capacity)
        self.length = 0

    def __getbuffer__(self, Py_buffer *view, int flags):
        cdef Py_ssize_t length
        with cython.critical_section(self):
            length = self.length
        # The bytes stay where they are as long as the view does.
        PyBuffer_FillInfo(view, self._room, PyBytes_AS_STRING(self._room), length, 1, flags)

    cpdef clear(self):
        """Forget what is there."""
        with cython.critical_section(self):
            self.length = 0
            self.filler = None

    cpdef bint add(self, message, bint masked) except -1:
        """Add a str or bytes as one frame, masked with a new key; False if there is no room."""
        cdef const uint8_t *payload
        cdef Py_ssize_t length, head_length
        cdef uint8_t first = FIN_BIT
        cdef uint8_t head[14]
        cdef const uint8_t *key
        if PyBytes_CheckExact(message):
            payload = <const uint8_t *> PyBytes_AS_STRING(message)
            length = PyBytes_GET_SIZE(message)
            first |= BINARY
        else:
            if not isinstance(message, str):
                raise TypeError(f"message must be str or bytes, not {type(message).__name__}")
            if not PyUnicode_IS_ASCII(message):
                message = PyUnicode_AsUTF8String(message)
                payload = <const uint8_t *> PyBytes_AS_STRING(message)
                length = PyBytes_GET_SIZE(message)
            else:
                payload = <const uint8_t *> PyUnicode_DATA(message)
                length = PyUnicode_GET_LENGTH(message)
            first |= TEXT
        # First: while the system is asked for more, another thread may add a frame.
        key = _take_key() if masked else NULL
        with cython.critical_section(self):
            if length > PyBytes_GET_SIZE(self._room) - self.length - 14:
                return False
            head_length = _fill_header(head, first, length, key)
            _fill_frame(<uint8_t *> PyBytes_AS_STRING(self._room) + self.length, head, head_length,
                        payload, length, key)
            self.length += head_length + length
        return True


cdef bint _may_be_sent(int code) noexcept:
    # RFC 6455 §7.4 and the registry: 1004-1006 and 1015 are never on the wire, 1016-2999 not given.
    return 1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999


def parse_close(payload):
    """Return the ``Close`` that a close frame's payload says (RFC 6455 §5.5.1, §7.4).

    Raises ProtocolError with code 1002 for a half or forbidden status code, 1007 for a reason that
    is not UTF-8.
    """
    cdef bytes data = bytes(payload)
    cdef const uint8_t *bytes_ = <const uint8_t *> PyBytes_AS_STRING(data)
    cdef Py_ssize_t length = PyBytes_GET_SIZE(data)
    cdef int code
    if length == 0:
        return Close()
    if length == 1:
        raise ProtocolError("close frame with half a status code")
    code = bytes_[0] << 8 | bytes_[1]
    if not _may_be_sent(code):
        raise ProtocolError(f"close code {code} is not allowed on the wire")
    if not _is_utf8(bytes_ + 2, length - 2):
        raise ProtocolError("close reason is not UTF-8", CloseCode.INVALID_DATA)
    return Close(code, PyUnicode_DecodeUTF8(<const char *> bytes_ + 2, length - 2, NULL))


def serialize_close(code, str reason=""):
    """Return the payload of a close frame; ``code`` 1005 stands for an empty one.

    Raises ValueError for a code that is not allowed on the wire, and for a reason longer than
    123 bytes of UTF-8 (RFC 6455 §5.5.1, §7.4).
    """
    cdef bytes encoded = PyUnicode_AsUTF8String(reason)
    if code == CloseCode.NO_STATUS_RCVD:
        if encoded:
            raise ValueError("a close reason needs a status code")
        return b""
    if not (0 <= code <= 0xFFFF and _may_be_sent(code)):
        raise ValueError(
            f"close code {int(code)} is not allowed on the wire: "
            "use 1000-1003, 1007-1014 or 3000-4999"
        )
    if len(encoded) > MAX_CONTROL - 2:
        raise ValueError(f"a close reason is at most 123 bytes of UTF-8, not {len(encoded)}")
    return int(code).to_bytes(2, "big") + encoded


cdef class PayloadBuffer:
    """A view of a payload or of its rest; it keeps the payload alive."""

    cdef object _owner
    cdef void *_start
    cdef Py_ssize_t _length
    cdef bint _readonly

    def __len__(self):
        return self._length

    def __getbuffer__(self, Py_buffer *view, int flags):
        PyBuffer_FillInfo(view, self, self._start, self._length, self._readonly, flags)


cdef PayloadBuffer _view(object owner, void *start, Py_ssize_t length, bint readonly):
    cdef PayloadBuffer view = PayloadBuffer.__new__(PayloadBuffer)
    view._owner = owner
    view._start = start
    view._length = length
    view._readonly = readonly
    return view


cdef inline uint8_t *_payload_storage(PyObject *payload, bint text) noexcept:
    return <uint8_t *> (PyUnicode_DATA_of(payload) if text else PyBytes_AS_STRING_of(payload))


cdef int _resize_payload(PyObject **payload, bint text, Py_ssize_t length,
                         Py_ssize_t capacity) except -1:
    """Give a payload under way, of which ``length`` bytes are there, another capacity.

    It is a str (``text``) or bytes, or NULL before the first byte.
    """
    cdef PyObject *old = payload[0]
    cdef object new
    if old != NULL and fastws_is_ours(old):
        if text:
            PyUnicode_Resize(payload, capacity)
        else:
            _PyBytes_Resize(payload, capacity)
        return 0
    # None yet, or a PayloadBuffer still holds it: that one keeps the old memory.
    new = PyUnicode_New(capacity, 127) if text else PyBytes_FromStringAndSize(NULL, capacity)
    Py_INCREF(new)
    if old != NULL:
        memcpy(_payload_storage(<PyObject *> new, text), _payload_storage(old, text), length)
        Py_CLEAR(old)
    payload[0] = <PyObject *> new
    return 0


cdef class PayloadReader:
    """Unmask the payload of one frame as it comes, straight into the object that it will be.

    ``length`` bytes are to come, masked with ``masking_key`` (None: not masked); ``missing`` counts
    those that have not. Memory is given to them as they come, not on the header's word.

    With ``text`` the payload is a str if it is ASCII. Otherwise, also of a text with other
    characters, it is bytes, and nobody has looked whether they are UTF-8.

    Raises ValueError for a negative length, or a key that is not 4 bytes; OverflowError for a
    length that no object can have.
    """

    def __init__(self, Py_ssize_t length, masking_key=None, *, bint text=False):
        if length < 0:
            raise ValueError(f"length must not be negative, not {length}")
        self._key = 0
        if masking_key is not None:
            masking_key = bytes(memoryview(masking_key))
            if PyBytes_GET_SIZE(masking_key) != 4:
                raise ValueError(f"masking key must be 4 bytes, not {len(masking_key)}")
            memcpy(&self._key, PyBytes_AS_STRING(masking_key), 4)
        Py_CLEAR(self._payload)
        self._final = None
        self._length = self._capacity = self._given = 0
        self._whole = length
        self._ascii = text
        self._text = text and length > 1  # a shorter str is shared, so not to be written to

    def __dealloc__(self):
        Py_CLEAR(self._payload)

    @property
    def missing(self):
        return self._whole - self._length

    cdef int _reserve(self, Py_ssize_t capacity) except -1:
        """Make room for so many bytes, and for what the header promises within reason."""
        if capacity <= self._capacity:
            return 0
        if self._capacity <= NO_LIMIT // 2:
            capacity = max(capacity, 2 * self._capacity)
        capacity = min(max(capacity, ALLOCATE_AHEAD), self._whole)
        try:
            _resize_payload(&self._payload, self._text, self._length, capacity)
        except (MemoryError, OverflowError):
            # What was there is perhaps gone: never touch it again.
            Py_CLEAR(self._payload)
            self._length = self._capacity = 0
            raise
        self._capacity = capacity
        return 0

    def get_buffer(self):
        """Return a writable buffer for the next bytes, None if none are missing.

        Receive into it and call ``buffer_updated`` with the number of bytes; or ignore it and call
        ``receive``.
        """
        with cython.critical_section(self):
            if self._length == self._whole:
                return None
            self._reserve(self._length + 1)
            self._given = self._capacity - self._length
            return _view(<object> self._payload,
                         _payload_storage(self._payload, self._text) + self._length, self._given,
                         False)

    def buffer_updated(self, Py_ssize_t nbytes):
        """Take the ``nbytes`` written into the last ``get_buffer``."""
        cdef Py_ssize_t given
        with cython.critical_section(self):
            given = self._given
            self._given = 0
            if not 0 <= nbytes <= given:
                raise ValueError(f"{nbytes} bytes do not fit the buffer given out")
            if nbytes:
                self._take(_payload_storage(self._payload, self._text) + self._length, nbytes)

    def receive(self, data):
        """Take what belongs to the payload from the start of ``data``; return how much that is."""
        cdef Py_buffer source
        cdef Py_ssize_t length
        PyObject_GetBuffer(data, &source, PyBUF_SIMPLE)
        try:
            with cython.critical_section(self):
                self._given = 0
                length = min(source.len, self._whole - self._length)
                if length:
                    self._reserve(self._length + length)
                    self._take(<const uint8_t *> source.buf, length)
        finally:
            PyBuffer_Release(&source)
        return length

    cdef void _take(self, const uint8_t *data, Py_ssize_t length) noexcept:
        cdef uint8_t *dst = _payload_storage(self._payload, self._text) + self._length
        if not self._ascii:
            _mask(dst, data, length, self._key)
        elif not _mask_ascii(dst, data, length, self._key):
            self._ascii = False
        self._length += length
        if length & 3:
            self._key = fastws_mask_rotate(self._key, length & 3)

    def payload(self):
        """Return the whole payload; ValueError while bytes are missing."""
        with cython.critical_section(self):
            if self._length != self._whole:
                raise ValueError(f"{self._whole - self._length} bytes of the payload are missing")
            if self._final is None:
                if self._whole == 0:
                    self._final = "" if self._ascii else b""
                elif self._text and not self._ascii:
                    self._final = PyBytes_FromStringAndSize(
                        <const char *> PyUnicode_DATA_of(self._payload), self._length
                    )
                elif self._ascii and not self._text:
                    self._final = (<bytes> <object> self._payload).decode()
                else:
                    self._final = <object> self._payload
                Py_CLEAR(self._payload)
                self._capacity = 0
            return self._final


cdef class MessageReader:
    """Turn the bytes of a connection into messages and control frames (RFC 6455 §5).

    Text messages come out as ``str``, or as ``bytes`` if ``decode`` is false; binary messages as
    ``bytes``; control frames as ``Ping``, ``Pong`` and ``Close``; and a violation, once, as a
    ``ProtocolError`` with its close code. After a close frame or a violation all input is ignored.

    ``role`` is ours. ``max_size`` limits a message in bytes, all fragments and inflated bytes
    together (None: no limit); ``max_fragments`` its fragments, empty ones too. ``inflate`` is
    ``callable(payload, max_length, fin) -> bytes`` if compression was agreed (RFC 7692), else None.
    While ``fragments`` is true, messages that come in several frames are given out frame by frame.
    ``has_control`` tells whether the last events have anything else than messages;
    ``bytes_received`` counts all input: whoever compares it later knows of any sign of life.
    """

    def __init__(self, role, *, max_size=1024 * 1024, max_fragments=None, inflate=None, decode=True):
        if not isinstance(role, Role):
            raise TypeError(f"role must be Role.CLIENT or Role.SERVER, not {role!r}")
        self._forget_message()
        self._head_length = 0
        self._in_frame = self._ended = False
        self._mask_bit = MASK_BIT if role is Role.SERVER else 0
        if max_size is None:
            self._max_size = self._max_deflated = NO_LIMIT
        else:
            if max_size < 0:
                raise ValueError(f"max_size must be at least 0, or None, not {max_size}")
            self._max_size = min(max_size, NO_LIMIT)
            # Data that does not shrink grows by at most this (zlib's own bound, block headers).
            self._max_deflated = min(max_size + (max_size >> 3) + (max_size >> 6) + 1024, NO_LIMIT)
        if max_fragments is None:
            max_fragments = NO_LIMIT if max_size is None else max(4096, max_size // 64)
        elif max_fragments < 1:
            raise ValueError(f"max_fragments must be at least 1 or None, not {max_fragments}")
        self._max_fragments = min(max_fragments, NO_LIMIT)
        self.inflate = inflate
        self.decode = decode

    def __dealloc__(self):
        Py_CLEAR(self._payload)

    cpdef list receive(self, data, Py_ssize_t nbytes=-1):
        """Take bytes, cut anywhere; return what they complete, in order.

        With ``nbytes``, take only so many from the start of ``data``.
        """
        cdef Py_buffer source
        cdef list events = []
        if nbytes < 0 and PyBytes_CheckExact(data):
            with cython.critical_section(self):
                self.receive_bytes(<const uint8_t *> PyBytes_AS_STRING(data),
                                   PyBytes_GET_SIZE(data), events)
            return events
        PyObject_GetBuffer(data, &source, PyBUF_SIMPLE)
        try:
            if nbytes > source.len:
                raise ValueError(f"there are no {nbytes} bytes in {source.len}")
            with cython.critical_section(self):
                self.receive_bytes(<const uint8_t *> source.buf,
                                   source.len if nbytes < 0 else nbytes, events)
        finally:
            PyBuffer_Release(&source)
        return events

    def get_buffer(self):
        """Return a writable buffer for the next bytes of a large payload under way, else None.

        Receive into it and call ``buffer_updated`` with the number of bytes; or ignore it and call
        ``receive``.
        """
        with cython.critical_section(self):
            if (
                not self._in_frame
                or self._left < DIRECT_BUFFER
                or self._opcode >= CLOSE
                or self._ended
            ):
                return None
            if self._length == self._capacity:
                self._reserve(min(self._left, max(self._capacity, ALLOCATE_AHEAD)))
            self._given = min(self._left, self._capacity - self._length)
            return _view(<object> self._payload, self._storage() + self._length, self._given, False)

    def buffer_updated(self, Py_ssize_t nbytes):
        """Take the ``nbytes`` written into the last ``get_buffer``; return what they complete."""
        cdef list events = []
        with cython.critical_section(self):
            self._take_given(nbytes, events)
        return events

    cdef int _take_given(self, Py_ssize_t nbytes, list events) except -1:
        cdef Py_ssize_t given = self._given
        self.has_control = False
        self.bytes_received += nbytes if nbytes > 0 else 0
        self._given = 0
        if self._ended:
            return 0
        if not 0 <= nbytes <= given:
            raise ValueError(f"{nbytes} bytes do not fit the buffer given out")
        if self._take(self._storage() + self._length, nbytes, events) and self._left == 0:
            self._finish_frame(events)
        return 0

    cdef int receive_bytes(self, const uint8_t *data, Py_ssize_t length, list events) except -1:
        cdef const uint8_t *end = data + length
        cdef Py_ssize_t need, take
        self.has_control = False
        self.bytes_received += length
        self._given = 0
        while not self._ended:
            if not self._in_frame:
                if self._head_length == 0 and self._message_opcode == 0:
                    data = self._fast(data, end, events)
                if data == end:
                    return 0
                # Gather a header in pieces; the first two bytes tell how long it is.
                need = 2 if self._head_length < 2 else _header_length(self._head[1])
                take = min(need - self._head_length, end - data)
                memcpy(self._head + self._head_length, data, take)
                self._head_length += <uint8_t> take
                data += take
                if self._head_length < need:
                    return 0
                if need == 2:
                    problem = self._check_start()
                    if problem is not None:
                        return self._violation(events, problem, PROTOCOL_ERROR)
                    if _header_length(self._head[1]) > 2:
                        continue
                if not self._start(events):
                    return 0
            if self._left > 0:
                if data == end:
                    return 0
                take = min(self._left, end - data)
                if not self._take(data, take, events):
                    return 0
                data += take
                if self._left > 0:
                    return 0
            self._finish_frame(events)
        return 0

    cdef const uint8_t *_fast(self, const uint8_t *data, const uint8_t *end,
                              list events) except NULL:
        """Take unfragmented messages that lie whole in the input; stop at anything else."""
        cdef Py_ssize_t header_length, length
        cdef uint32_t key = 0
        cdef uint8_t first
        cdef uint8_t *storage
        cdef bytes binary
        while end - data >= 2:
            first = data[0]
            if first != FIN_BIT | BINARY and first != FIN_BIT | TEXT:
                break
            if data[1] & MASK_BIT != self._mask_bit:
                break
            length = data[1] & 0x7F
            header_length = 2
            if length >= 126:
                if length == 127 or end - data < 4:
                    break
                length = <Py_ssize_t> data[2] << 8 | data[3]
                if length < 126:
                    break
                header_length = 4
            if self._mask_bit:
                header_length += 4
            if end - data - header_length < length or length > self._max_size:
                break
            data += header_length
            if self._mask_bit:
                memcpy(&key, data - 4, 4)
            if first == FIN_BIT | BINARY:
                binary = PyBytes_FromStringAndSize(NULL, length)
                _mask(<uint8_t *> PyBytes_AS_STRING(binary), data, length, key)
                events.append(binary)
            elif length < 2 or not self.decode:
                text = self._short_text(data, length, key)
                if text is None:
                    self._violation(events, "text message is not UTF-8", INVALID_DATA)
                    return end
                events.append(text)
            else:
                text = PyUnicode_New(length, 127)
                storage = <uint8_t *> PyUnicode_DATA(text)
                if not _mask_ascii(storage, data, length, key):
                    # The payload is unmasked by now, in what would have been the str.
                    try:
                        text = PyUnicode_DecodeUTF8(<const char *> storage, length, NULL)
                    except UnicodeDecodeError:
                        self._violation(events, "text message is not UTF-8", INVALID_DATA)
                        return end
                events.append(text)
            data += length
        return data

    cdef object _short_text(self, const uint8_t *data, Py_ssize_t length, uint32_t key):
        """A text that is not to be a new str: of 0 or 1 bytes (those are shared), or undecoded."""
        cdef bytes unmasked = PyBytes_FromStringAndSize(NULL, length)
        _mask(<uint8_t *> PyBytes_AS_STRING(unmasked), data, length, key)
        if not _is_utf8(<const uint8_t *> PyBytes_AS_STRING(unmasked), length):
            return None
        return unmasked.decode() if self.decode else unmasked

    cdef str _check_start(self):
        """The violation in the first two bytes of a header, or None (RFC 6455 §5.2-§5.5)."""
        cdef uint8_t first = self._head[0], second = self._head[1]
        cdef uint8_t opcode = first & OPCODE_BITS
        cdef uint8_t rsv = first & RSV_BITS
        # RFC 7692 §6: RSV1 on the first frame of a message says that it is compressed.
        if rsv and not (rsv == RSV1_BIT and self.inflate is not None
                        and (opcode == TEXT or opcode == BINARY)):
            return "reserved bits set without an extension that defines them"
        problem = _check_opcode(first, second)
        if problem is not None:
            return problem
        if second & MASK_BIT != self._mask_bit:
            if self._mask_bit:
                return "frame from a client is not masked"
            return "frame from a server is masked"
        if opcode == CONTINUATION:
            if self._message_opcode == 0:
                return "continuation frame without a message to continue"
        elif opcode < CLOSE and self._message_opcode != 0:
            return "new message before the last one was finished"
        return None

    cdef int _start(self, list events) except -1:
        """Begin the frame whose header is complete. Returns 0 if it may not be."""
        cdef uint64_t length = _payload_length(self._head)
        cdef Py_ssize_t room
        problem = _check_length(self._head, length)
        if problem is not None:
            self._violation(events, problem, PROTOCOL_ERROR)
            return 0
        self._opcode = self._head[0] & OPCODE_BITS
        self._fin = self._head[0] & FIN_BIT != 0
        if self._opcode >= CLOSE:
            self._control_length = 0
        else:
            if self._opcode != CONTINUATION:
                self._message_opcode = self._opcode
                self._deflated = self._head[0] & RSV1_BIT != 0
                self._ascii = True
            self._fragments += 1
            if self._fragments > self._max_fragments:
                self._violation(
                    events, f"message over {self._max_fragments} fragments", MESSAGE_TOO_BIG
                )
                return 0
            # By the announced length, before any memory is given to it; a sum could overflow.
            if self._deflated:
                room = self._max_deflated - self._deflated_length
            else:
                room = self._max_size - self._taken - self._length
            if length > <uint64_t> room:
                self._violation(events, f"message over {self._max_size} bytes", MESSAGE_TOO_BIG)
                return 0
        self._key = 0
        if self._mask_bit:
            memcpy(&self._key, self._head + self._head_length - 4, 4)
        self._left = <Py_ssize_t> length
        self._head_length = 0
        self._in_frame = True
        return 1

    cdef uint8_t *_storage(self) noexcept:
        if self._payload == NULL:
            return NULL
        if self._message_opcode == TEXT and self.decode and not self._deflated:
            return <uint8_t *> PyUnicode_DATA_of(self._payload)
        return <uint8_t *> PyBytes_AS_STRING_of(self._payload)

    cdef int _reserve(self, Py_ssize_t extra) except -1:
        """Make room for ``extra`` more bytes, and for what the header promises within reason."""
        cdef Py_ssize_t need = self._length + extra
        cdef Py_ssize_t whole = self._length + self._left
        cdef Py_ssize_t twice
        if need <= self._capacity:
            return 0
        twice = 2 * self._capacity if self._capacity <= NO_LIMIT // 2 else NO_LIMIT
        if whole <= max(ALLOCATE_AHEAD, twice):
            need = whole
        else:
            need = max(need, max(ALLOCATE_AHEAD, twice))
        # More fragments may follow: doubling keeps the copies linear.
        if not self._fin and self._capacity and not self._deflated:
            need = max(need, twice)
        return self._resize(need)

    cdef int _resize(self, Py_ssize_t capacity) except -1:
        cdef bint text = self._message_opcode == TEXT and self.decode and not self._deflated
        try:
            _resize_payload(&self._payload, text, self._length, capacity)
        except (MemoryError, OverflowError):
            # The message cannot be kept, perhaps is gone: never touch it again.
            self._ended = True
            raise
        self._capacity = capacity
        return 0

    cdef int _take(self, const uint8_t *data, Py_ssize_t length, list events) except -1:
        """Take payload bytes of the frame under way. Returns 0 if they break the rules."""
        cdef uint8_t *dst
        if self._opcode >= CLOSE:
            dst = self._control + self._control_length
            _mask(dst, data, length, self._key)
            self._control_length += <uint8_t> length
        else:
            if data != self._storage() + self._length or self._payload == NULL:
                self._reserve(length)
            dst = self._storage() + self._length
            if self._message_opcode == TEXT and not self._deflated:
                if not _mask_ascii(dst, data, length, self._key):
                    self._ascii = False
                if not self._ascii and fastws_utf8_receive(
                    _utf8_row, <fastws_utf8_state *> &self._utf8, dst, length
                ) != <size_t> length:
                    self._violation(events, "text message is not UTF-8", INVALID_DATA)
                    return 0
            else:
                _mask(dst, data, length, self._key)
            self._length += length
        self._left -= length
        if length & 3:
            self._key = fastws_mask_rotate(self._key, length & 3)
        return 1

    cdef int _finish_frame(self, list events) except -1:
        self._in_frame = False
        if self._opcode >= CLOSE:
            return self._finish_control(events)
        if self._deflated:
            if not self._inflate_frame(events):
                return 0
        if not self._fin:
            if self.fragments:
                events.append(Fragment(self._take_fragment(), False))
            return 0
        if self._message_opcode == TEXT and self._utf8.missing:
            return self._violation(events, "text message is not UTF-8", INVALID_DATA)
        if self._split:
            message = Fragment(self._take_fragment(), True)
        else:
            message = self._finish_inflated() if self._deflated else self._finish_payload()
        self._forget_message()
        events.append(message)
        return 0

    cdef int _finish_control(self, list events) except -1:
        payload = PyBytes_FromStringAndSize(<const char *> self._control, self._control_length)
        self.has_control = True
        if self._opcode == PING:
            events.append(Ping(payload))
        elif self._opcode == PONG:
            events.append(Pong(payload))
        else:
            # RFC 6455 §5.5.1: nothing after a close frame means anything.
            self._ended = True
            try:
                events.append(parse_close(payload))
            except ProtocolError as error:
                events.append(error)
        return 0

    cdef int _inflate_frame(self, list events) except -1:
        """Inflate the frame just finished. Returns 0 if it may not be."""
        cdef bytes piece
        self._deflated_length += self._length
        payload = self._finish_payload()
        limit = None if self._max_size == NO_LIMIT else self._max_size - self._inflated_length
        try:
            piece = self.inflate(payload, limit, self._fin)
            if piece is None:
                raise TypeError("Expected bytes, got NoneType")
        except PayloadTooBig:
            # The limit in the call was what remained of it.
            self._violation(events, f"message over {self._max_size} bytes", MESSAGE_TOO_BIG)
            return 0
        except ProtocolError as error:
            self._violation(events, error.reason, error.code)
            return 0
        except Exception as error:
            self._violation(events, f"cannot inflate a message: {error!r}", INTERNAL_ERROR)
            return 0
        self._inflated_length += len(piece)
        if self._message_opcode == TEXT and fastws_utf8_receive(
            _utf8_row, <fastws_utf8_state *> &self._utf8,
            <const uint8_t *> PyBytes_AS_STRING(piece), PyBytes_GET_SIZE(piece)
        ) != <size_t> PyBytes_GET_SIZE(piece):
            self._violation(events, "text message is not UTF-8", INVALID_DATA)
            return 0
        if self._pieces is None:
            self._pieces = []
        self._pieces.append(piece)
        return 1

    cdef object _finish_inflated(self):
        whole = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        return whole.decode() if self._message_opcode == TEXT and self.decode else whole

    cdef object _finish_payload(self):
        """Take the payload out, as its final object."""
        cdef bint text = self._message_opcode == TEXT and self.decode and not self._deflated
        cdef object final
        if self._length == 0:
            final = "" if text else b""
        elif text and (not self._ascii or self._length == 1):
            final = PyUnicode_DecodeUTF8(<const char *> self._storage(), self._length, NULL)
        else:
            if self._capacity != self._length:
                self._resize(self._length)
            final = <object> self._payload
        Py_CLEAR(self._payload)
        self._capacity = 0
        self._length = 0
        return final

    cdef object _take_fragment(self):
        """Take out what of a message is there, but no half code point of a text."""
        cdef bytes data
        cdef Py_ssize_t whole
        if self._deflated:
            data = b"".join(self._pieces)
            self._pieces = []
        elif self._length == 0:
            data = b""
        else:
            data = PyBytes_FromStringAndSize(<const char *> self._storage(), self._length)
            Py_CLEAR(self._payload)
            self._capacity = 0
            self._length = 0
        self._split = True
        whole = len(data)
        if self._message_opcode == TEXT and self._utf8.missing:
            whole -= 1
            while PyBytes_AS_STRING(data)[whole] & 0xC0 == 0x80:
                whole -= 1
            rest = data[whole:]
            data = data[:whole]
            if self._deflated:
                self._pieces.append(rest)
            else:
                self._resize(len(rest))
                self._length = len(rest)
                memcpy(self._storage(), PyBytes_AS_STRING(rest), len(rest))
        self._taken += whole
        return data.decode() if self._message_opcode == TEXT and self.decode else data

    cdef void _forget_message(self) noexcept:
        Py_CLEAR(self._payload)
        self._message_opcode = 0
        self._fragments = 0
        self._split = False
        self._taken = 0
        self._length = 0
        self._capacity = 0
        self._deflated_length = 0
        self._inflated_length = 0
        self._utf8.missing = 0
        self._pieces = None

    cdef int _violation(self, list events, object reason, int code) except -1:
        """End the input with an error. Returns 0."""
        self._ended = True
        self.has_control = True
        self._forget_message()
        if code == MESSAGE_TOO_BIG:
            events.append(PayloadTooBig(reason))
        else:
            events.append(ProtocolError(reason, CloseCode(code)))
        return 0

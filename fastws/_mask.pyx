# cython: binding=True, embedsignature=False
"""Masking of payloads (RFC 6455 §5.3), compiled; `_fallback.py` is its twin."""

from cpython.buffer cimport (
    PyBUF_SIMPLE,
    PyBUF_WRITABLE,
    PyBuffer_Release,
    PyObject_CheckBuffer,
    PyObject_GetBuffer,
)
from cpython.bytearray cimport (
    PyByteArray_AS_STRING,
    PyByteArray_CheckExact,
    PyByteArray_GET_SIZE,
)
from cpython.bytes cimport (
    PyBytes_AS_STRING,
    PyBytes_CheckExact,
    PyBytes_FromStringAndSize,
    PyBytes_GET_SIZE,
)
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcpy

cdef extern from "cpu.h" nogil:
    const char *fastws_cpu_forced_row()

cdef extern from "mask.h" nogil:
    ctypedef void (*fastws_mask_run)(uint8_t *, const uint8_t *, size_t, uint32_t) noexcept nogil
    ctypedef struct fastws_mask_row:
        const char *name
        int (*supported)() noexcept nogil
        fastws_mask_run run
    const fastws_mask_row fastws_mask_rows[]
    const fastws_mask_row *fastws_mask_choose(const char *name)
    uint32_t fastws_mask_rotate(uint32_t key, size_t offset)

cdef extern from *:
    """
    #ifdef Py_GIL_DISABLED
    #define FASTWS_HAS_GIL 0
    #else
    #define FASTWS_HAS_GIL 1
    #endif
    """
    const bint FASTWS_HAS_GIL

# Above this the work outweighs what giving up the interpreter lock costs.
cdef size_t RELEASE_GIL = 64 * 1024


def available_simd():
    """Return the names of the instruction sets that run here, fastest last."""
    cdef size_t i = 0
    names = []
    while fastws_mask_rows[i].name != NULL:
        if fastws_mask_rows[i].supported():
            names.append(fastws_mask_rows[i].name.decode())
        i += 1
    return tuple(names)


cdef const fastws_mask_row *_row = fastws_mask_choose(fastws_cpu_forced_row())
if _row == NULL:
    raise ImportError(
        f"FASTWS_SIMD={fastws_cpu_forced_row().decode(errors='replace')} is not available here; "
        f"choose one of {', '.join(available_simd())}, or unset it"
    )
cdef fastws_mask_run _run = _row.run

simd = _row.name.decode()


cdef void xor_mask(unsigned char *dst, const unsigned char *src, size_t length,
                   const unsigned char *masking_key, size_t offset) noexcept nogil:
    cdef uint32_t key
    memcpy(&key, masking_key, 4)
    if offset & 3:
        key = fastws_mask_rotate(key, offset)
    _run(dst, src, length, key)


cdef int _read_key(object masking_key, uint32_t *key) except -1:
    cdef Py_buffer source
    if PyBytes_CheckExact(masking_key) and PyBytes_GET_SIZE(masking_key) == 4:
        memcpy(key, PyBytes_AS_STRING(masking_key), 4)
        return 0
    if not PyObject_CheckBuffer(masking_key):
        raise TypeError(f"masking key must be bytes-like, not {type(masking_key).__name__}")
    PyObject_GetBuffer(masking_key, &source, PyBUF_SIMPLE)
    try:
        if source.len != 4:
            raise ValueError(f"masking key must be 4 bytes, not {source.len}")
        memcpy(key, source.buf, 4)
    finally:
        PyBuffer_Release(&source)
    return 0


def apply_mask(data, masking_key, Py_ssize_t offset=0):
    """Return ``data`` XORed with the repeated 4-byte ``masking_key``, as new bytes.

    ``data`` is any contiguous buffer. ``offset`` counts the bytes of the payload that came before
    it, so a payload can be masked in pieces. Masking twice gives the original (RFC 6455 §5.3).

    Raises ValueError for a key that is not 4 bytes, TypeError for a wrong type, BufferError for a
    strided buffer.
    """
    cdef uint32_t key
    cdef Py_buffer source
    cdef bytes masked
    _read_key(masking_key, &key)
    if offset & 3:
        key = fastws_mask_rotate(key, <size_t> offset & 3)
    if PyBytes_CheckExact(data):
        return _masked(<const uint8_t *> PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data), key)
    if not PyObject_CheckBuffer(data):
        raise TypeError(f"data must be bytes-like, not {type(data).__name__}")
    PyObject_GetBuffer(data, &source, PyBUF_SIMPLE)
    try:
        masked = _masked(<const uint8_t *> source.buf, source.len, key)
    finally:
        PyBuffer_Release(&source)
    return masked


cdef inline bytes _masked(const uint8_t *src, Py_ssize_t length, uint32_t key):
    cdef bytes masked = PyBytes_FromStringAndSize(NULL, length)
    cdef uint8_t *dst = <uint8_t *> PyBytes_AS_STRING(masked)
    if <size_t> length >= RELEASE_GIL:
        with nogil:
            _run(dst, src, length, key)
    else:
        _run(dst, src, length, key)
    return masked


def apply_mask_inplace(buffer, masking_key, Py_ssize_t offset=0):
    """XOR ``buffer`` with the repeated 4-byte ``masking_key``, where it is.

    ``buffer`` is any contiguous writable buffer; ``offset`` is as in ``apply_mask``.

    Raises ValueError for a key that is not 4 bytes, TypeError for a wrong type, BufferError for a
    strided or read-only buffer; then no byte has changed.
    """
    cdef uint32_t key
    cdef uint8_t *bytes_
    cdef Py_buffer target
    _read_key(masking_key, &key)
    if offset & 3:
        key = fastws_mask_rotate(key, <size_t> offset & 3)
    # Nothing can resize the bytearray while the interpreter lock is held, so it needs no export.
    if (
        FASTWS_HAS_GIL
        and PyByteArray_CheckExact(buffer)
        and <size_t> PyByteArray_GET_SIZE(buffer) < RELEASE_GIL
    ):
        bytes_ = <uint8_t *> PyByteArray_AS_STRING(buffer)
        _run(bytes_, bytes_, PyByteArray_GET_SIZE(buffer), key)
        return
    if not PyObject_CheckBuffer(buffer):
        raise TypeError(f"buffer must be a writable bytes-like object, not {type(buffer).__name__}")
    PyObject_GetBuffer(buffer, &target, PyBUF_WRITABLE)
    if <size_t> target.len >= RELEASE_GIL:
        with nogil:
            _run(<uint8_t *> target.buf, <const uint8_t *> target.buf, target.len, key)
    else:
        _run(<uint8_t *> target.buf, <const uint8_t *> target.buf, target.len, key)
    PyBuffer_Release(&target)

# For Cython code of your own: `from fastws._mask cimport xor_mask`. Only plain C types, so nothing
# but this file is needed to compile against it.

# Mask or unmask: dst is src, or does not overlap it. `masking_key` points to 4 bytes; `offset` is how
# many bytes of the payload came before src[0] (RFC 6455 §5.3).
cdef void xor_mask(unsigned char *dst, const unsigned char *src, size_t length,
                   const unsigned char *masking_key, size_t offset) noexcept nogil

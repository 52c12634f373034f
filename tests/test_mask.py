"""`apply_mask` and `apply_mask_inplace` against the definition, byte by byte."""

import array
import ctypes
import hashlib
import mmap
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from wire import masked

KEY = b"\x12\xa9\x5c\xf7"
DATA = hashlib.shake_128(b"fastws").digest(300)
LENGTHS = range(301)
ALIGNMENTS = range(64)
OFFSETS = range(4)
MASKED = [masked(DATA, KEY, offset) for offset in OFFSETS]

# Around the sizes at which the code takes another path: vectors, look-ups, giving up the GIL.
LARGE = [511, 512, 599, 600, 601, 4095, 4096, 65535, 65536, 65537, 65536 + 127, 300_001]


@pytest.fixture
def page():
    """Memory that starts at a multiple of 64, filled with what is not to change."""
    with mmap.mmap(-1, 512) as memory, memoryview(memory) as view:
        assert ctypes.addressof(ctypes.c_char.from_buffer(memory)) % 64 == 0
        view[:] = b"\xa5" * 512
        yield view


def test_matches_the_definition_at_every_length_alignment_and_offset(mask_kernel, page):
    apply_mask = mask_kernel.apply_mask
    for alignment in ALIGNMENTS:
        page[alignment : alignment + 300] = DATA
        for length in LENGTHS:
            data = page[alignment : alignment + length]
            for offset in OFFSETS:
                assert apply_mask(data, KEY, offset) == MASKED[offset][:length]


def test_in_place_changes_exactly_the_buffer_at_every_length_alignment_and_offset(
    mask_kernel, page
):
    apply_mask_inplace = mask_kernel.apply_mask_inplace
    around = b"\xa5" * 512
    for alignment in ALIGNMENTS:
        before, after = around[:alignment], around[alignment:]
        for length in LENGTHS:
            end = alignment + length
            plain = DATA[:length]
            for offset in OFFSETS:
                page[alignment:end] = plain
                apply_mask_inplace(page[alignment:end], KEY, offset)
                assert page == before + MASKED[offset][:length] + after[length:]
            page[alignment:end] = around[:length]


def test_matches_the_definition_in_bytes_and_bytearray_at_every_length(mask_kernel):
    for length in LENGTHS:
        for offset in OFFSETS:
            expected = MASKED[offset][:length]
            assert mask_kernel.apply_mask(DATA[:length], KEY, offset) == expected
            assert mask_kernel.apply_mask(bytearray(DATA[:length]), KEY, offset) == expected
            buffer = bytearray(DATA[:length])
            assert mask_kernel.apply_mask_inplace(buffer, KEY, offset) is None
            assert buffer == expected


@pytest.mark.parametrize("length", LARGE)
def test_matches_the_definition_in_large_buffers(mask_kernel, length):
    data = hashlib.shake_128(b"large").digest(length)
    for offset in OFFSETS:
        expected = masked(data, KEY, offset)
        assert mask_kernel.apply_mask(data, KEY, offset) == expected
        assert mask_kernel.apply_mask(memoryview(data), KEY, offset) == expected
        for start in (0, 1, 31):
            buffer = bytearray(start) + data + bytes(64)
            view = memoryview(buffer)[start : start + length]
            mask_kernel.apply_mask_inplace(view, KEY, offset)
            assert buffer == bytes(start) + expected + bytes(64)
        buffer = bytearray(data)
        mask_kernel.apply_mask_inplace(buffer, KEY, offset)
        assert buffer == expected


def test_masks_in_pieces_what_it_masks_whole(mask_kernel):
    for split in range(131):
        first, second = DATA[:split], DATA[split:]
        pieces = mask_kernel.apply_mask(first, KEY) + mask_kernel.apply_mask(second, KEY, split)
        assert pieces == MASKED[0]


def test_masking_twice_gives_the_original(mask_kernel):
    assert mask_kernel.apply_mask(mask_kernel.apply_mask(DATA, KEY), KEY) == DATA


def test_every_key_byte_counts(mask_kernel):
    for i in range(4):
        for value in range(256):
            key = bytes(value if j == i else 0 for j in range(4))
            assert mask_kernel.apply_mask(DATA, key) == masked(DATA, key)


def test_new_bytes_leave_the_source_alone(mask_kernel):
    data = bytearray(DATA)
    result = mask_kernel.apply_mask(data, KEY)
    assert type(result) is bytes
    assert data == DATA
    assert mask_kernel.apply_mask(b"", KEY) == b""
    data = bytes(range(256))
    mask_kernel.apply_mask(data, KEY)
    assert data == bytes(range(256))


def in_array(data):
    return array.array("I", bytes(data))


def in_mmap(data):
    memory = mmap.mmap(-1, len(data))
    memory[:] = bytes(data)
    return memory


def in_ctypes(data):
    return (ctypes.c_char * len(data)).from_buffer_copy(bytes(data))


def in_ctypes_integers(data):
    return (ctypes.c_uint16 * (len(data) // 2)).from_buffer_copy(bytes(data))


def in_two_dimensions(data):
    return memoryview(bytearray(data)).cast("B", (len(data) // 4, 4))


def in_other_items(data):
    return memoryview(bytearray(data)).cast("d")


def in_numpy(data):
    return pytest.importorskip("numpy").frombuffer(bytearray(data), "u1")


def in_numpy_with_dimensions(data):
    numpy = pytest.importorskip("numpy")
    return numpy.frombuffer(bytearray(data), "<f4").reshape(2, -1, 3)


WRITABLE = [
    bytearray, in_array, in_mmap, in_ctypes, in_ctypes_integers, in_two_dimensions, in_other_items,
    in_numpy, in_numpy_with_dimensions,
]  # fmt: skip


@pytest.mark.parametrize("kind", [bytes, *WRITABLE])
@pytest.mark.parametrize("length", [24, 240, 240_000])
def test_reads_any_contiguous_buffer(mask_kernel, kind, length):
    data = (DATA * 1000)[:length]
    assert mask_kernel.apply_mask(kind(data), KEY, 3) == masked(data, KEY, 3)
    assert mask_kernel.apply_mask(memoryview(kind(data)), KEY, 3) == masked(data, KEY, 3)


@pytest.mark.parametrize("kind", WRITABLE)
@pytest.mark.parametrize("length", [24, 240, 240_000])
def test_masks_any_writable_contiguous_buffer_in_place(mask_kernel, kind, length):
    data = (DATA * 1000)[:length]
    buffer = kind(data)
    mask_kernel.apply_mask_inplace(buffer, KEY, 3)
    assert memoryview(buffer).tobytes() == masked(data, KEY, 3)


@pytest.mark.parametrize("kind", [bytes, bytearray, lambda data: array.array("B", data)])
def test_accepts_empty_buffers(mask_kernel, kind):
    assert mask_kernel.apply_mask(kind(b""), KEY) == b""
    assert mask_kernel.apply_mask(memoryview(kind(b"")), KEY) == b""
    if kind is not bytes:
        assert mask_kernel.apply_mask_inplace(kind(b""), KEY) is None


@pytest.mark.parametrize("size", [40, 400_000])
@pytest.mark.parametrize("step", [2, -1])
def test_refuses_a_strided_buffer_and_changes_nothing(mask_kernel, size, step):
    memory = bytearray(size)
    strided = memoryview(memory)[::step]
    with pytest.raises(BufferError):
        mask_kernel.apply_mask(strided, KEY)
    with pytest.raises(BufferError):
        mask_kernel.apply_mask_inplace(strided, KEY)
    assert memory == bytes(size)


def test_refuses_numpy_arrays_that_are_not_contiguous_or_writable(mask_kernel):
    numpy = pytest.importorskip("numpy")
    grid = numpy.zeros((8, 8), "u1")
    read_only = numpy.zeros(64, "u1")
    read_only.flags.writeable = False
    # numpy words its own refusals as ValueError.
    for strided in (grid[:, ::2], grid[:, :4], numpy.asfortranarray(grid)):
        with pytest.raises((BufferError, ValueError)):
            mask_kernel.apply_mask(strided, KEY)
        with pytest.raises((BufferError, ValueError)):
            mask_kernel.apply_mask_inplace(strided, KEY)
    with pytest.raises((BufferError, ValueError)):
        mask_kernel.apply_mask_inplace(read_only, KEY)
    assert not grid.any()
    assert not read_only.any()


@pytest.mark.parametrize("size", [0, 1, 40, 400_000])
def test_refuses_to_mask_read_only_memory_in_place(mask_kernel, size):
    data = bytes(size)
    for read_only in (data, memoryview(data), memoryview(bytearray(data)).toreadonly()):
        with pytest.raises(BufferError):
            mask_kernel.apply_mask_inplace(read_only, KEY)
    assert data == bytes(size)


@pytest.mark.parametrize("key", [b"", b"abc", b"abcde", bytearray(3), memoryview(b"abcdefgh")])
def test_refuses_a_key_of_the_wrong_length_before_a_byte_is_touched(mask_kernel, key):
    buffer = bytearray(DATA)
    with pytest.raises(ValueError, match=f"masking key must be 4 bytes, not {len(key)}"):
        mask_kernel.apply_mask(DATA, key)
    with pytest.raises(ValueError, match="masking key must be 4 bytes"):
        mask_kernel.apply_mask_inplace(buffer, key)
    assert buffer == DATA


@pytest.mark.parametrize("key", [None, "abcd", 1234, [1, 2, 3, 4]])
def test_refuses_a_key_of_the_wrong_type_before_a_byte_is_touched(mask_kernel, key):
    buffer = bytearray(DATA)
    with pytest.raises(TypeError, match="masking key must be bytes-like"):
        mask_kernel.apply_mask(DATA, key)
    with pytest.raises(TypeError, match="masking key must be bytes-like"):
        mask_kernel.apply_mask_inplace(buffer, key)
    assert buffer == DATA


@pytest.mark.parametrize("data", [None, "text", 12, [1, 2, 3], object()])
def test_refuses_data_of_the_wrong_type(mask_kernel, data):
    with pytest.raises(TypeError, match=f"bytes-like, not {type(data).__name__}"):
        mask_kernel.apply_mask(data, KEY)
    with pytest.raises(TypeError, match=f"bytes-like object, not {type(data).__name__}"):
        mask_kernel.apply_mask_inplace(data, KEY)


def test_takes_the_key_from_any_contiguous_buffer(mask_kernel):
    class Key(bytes):
        pass

    keys = [bytearray(KEY), memoryview(KEY), memoryview(b"xx" + KEY)[2:], Key(KEY), in_array(KEY)]
    for key in keys:
        assert mask_kernel.apply_mask(DATA, key) == MASKED[0]
        buffer = bytearray(DATA)
        mask_kernel.apply_mask_inplace(buffer, key)
        assert buffer == MASKED[0]
    with pytest.raises(BufferError):
        mask_kernel.apply_mask(DATA, memoryview(bytes(8))[::2])


def test_only_the_phase_of_the_offset_counts(mask_kernel):
    class Index:
        def __index__(self):
            return 2

    biggest = sys.maxsize
    middle = min(2**31, biggest)
    for offset in (4, 7, middle - 1, middle, biggest - 1, biggest, -1, -2, -5, -biggest - 1):
        assert mask_kernel.apply_mask(DATA, KEY, offset) == MASKED[offset % 4]
        buffer = bytearray(DATA)
        mask_kernel.apply_mask_inplace(buffer, KEY, offset)
        assert buffer == MASKED[offset % 4]
    assert mask_kernel.apply_mask(DATA, KEY, True) == MASKED[1]
    assert mask_kernel.apply_mask(DATA, KEY, Index()) == MASKED[2]


@pytest.mark.parametrize(
    ("offset", "error"),
    [(1.0, TypeError), ("1", TypeError), (None, TypeError), (2**64, OverflowError),
     (-(2**64), OverflowError)],
)  # fmt: skip
def test_refuses_an_offset_that_is_no_index(mask_kernel, offset, error):
    buffer = bytearray(DATA)
    with pytest.raises(error):
        mask_kernel.apply_mask(DATA, KEY, offset)
    with pytest.raises(error):
        mask_kernel.apply_mask_inplace(buffer, KEY, offset)
    assert buffer == DATA


def test_arguments_have_names(mask_kernel):
    assert mask_kernel.apply_mask(data=DATA, masking_key=KEY, offset=1) == MASKED[1]
    buffer = bytearray(DATA)
    mask_kernel.apply_mask_inplace(buffer=buffer, masking_key=KEY, offset=1)
    assert buffer == MASKED[1]


def test_the_key_may_lie_in_the_buffer_it_masks(mask_kernel):
    for start in (0, 1, 5, 296):
        buffer = bytearray(DATA)
        key = bytes(buffer[start : start + 4])
        mask_kernel.apply_mask_inplace(buffer, memoryview(buffer)[start : start + 4])
        assert buffer == masked(DATA, key)


def test_a_masked_buffer_can_be_resized_afterwards(mask_kernel):
    for size in (10, 200_000):
        buffer = bytearray(size)
        mask_kernel.apply_mask(buffer, KEY)
        mask_kernel.apply_mask_inplace(buffer, KEY)
        with pytest.raises(ValueError):
            mask_kernel.apply_mask(buffer, b"")
        buffer.append(0)  # refused while a buffer is exported
        assert len(buffer) == size + 1


def test_threads_mask_large_buffers_at_once(mask_kernel):
    size, threads = 400_000, 4
    together = threading.Barrier(threads)

    def work(number):
        key = bytes([number, 2 * number, 3 * number, 255 - number])
        data = hashlib.shake_128(key).digest(size)
        expected = masked(data, key)
        buffer = bytearray(data)
        together.wait()
        for _ in range(25):
            mask_kernel.apply_mask_inplace(buffer, key)
            assert mask_kernel.apply_mask(data, key) == expected == buffer
            mask_kernel.apply_mask_inplace(buffer, key)
            assert buffer == data

    with ThreadPoolExecutor(threads) as pool:
        for future in [pool.submit(work, number) for number in range(threads)]:
            future.result()


@pytest.mark.parametrize("name", ["apply_mask", "apply_mask_inplace"])
def test_large_buffers_let_other_threads_run(mask_kernel, name):
    if mask_kernel.simd == "python":
        pytest.skip("an operation on integers keeps the interpreter lock")
    call = getattr(mask_kernel, name)
    buffer = bytearray(4 * 1024 * 1024)
    gate, ran = threading.Lock(), []
    gate.acquire()
    interval = sys.getswitchinterval()
    thread = threading.Thread(target=lambda: gate.acquire() and ran.append(True))
    thread.start()
    try:
        # From here on only a thread that gives the lock away lets another one run.
        sys.setswitchinterval(1000)
        gate.release()
        tries = 0
        while not ran and tries < 1000:
            call(buffer, KEY)
            tries += 1
        assert ran
    finally:
        sys.setswitchinterval(interval)
        thread.join()


def test_names_the_instruction_set_in_use(mask_kernel, request):
    assert mask_kernel.simd == request.node.callspec.params["mask_kernel"]
    assert mask_kernel.simd in mask_kernel.available_simd()

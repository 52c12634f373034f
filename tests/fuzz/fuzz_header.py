"""Frame headers: parsed alike by both kernels, or refused alike; what is parsed can be written."""

from harness import KERNELS, Input, fuzz, the_same

from fastws.errors import ProtocolError


def parsed(kernel, data, offset):
    try:
        return kernel.parse_header(data, offset)
    except ProtocolError as error:
        return error.code, str(error)


def one_input(data):
    take = Input(data)
    offset = take.byte() % 20
    buffer = take.rest()
    header = the_same([parsed(kernel, buffer, offset) for kernel in KERNELS])
    if header is None or not hasattr(header, "opcode"):
        return
    assert 2 <= header.header_length <= 14
    # Nothing shorter is a header, and nothing after it matters.
    end = offset + header.header_length
    for kernel in KERNELS:
        assert kernel.parse_header(buffer[: end - 1], offset) is None
        assert kernel.parse_header(buffer[:end], offset) == header
    if header.payload_length < 70_000:
        payload = bytes(header.payload_length)
        frame = the_same(
            kernel.serialize_frame(
                header.opcode,
                payload,
                fin=header.fin,
                rsv=header.rsv,
                masking_key=header.masking_key,
            )
            for kernel in KERNELS
        )
        assert frame.startswith(buffer[offset:end])
        assert len(frame) == header.header_length + header.payload_length


if __name__ == "__main__":
    fuzz(one_input)

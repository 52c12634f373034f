"""Names that websockets 17 took back, for the tests of 16."""

from websockets import frames

for opcode in frames.Opcode:
    if not hasattr(frames, f"OP_{opcode.name}"):
        setattr(frames, f"OP_{opcode.name}", opcode)

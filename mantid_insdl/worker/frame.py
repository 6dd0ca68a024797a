"""How a message begins. Standard library only and no syntax newer than Python 3.6: `bootstrap` uses it before it knows its interpreter."""

import struct

MAGIC = b"INSDL1"
LENGTH = struct.Struct("<Q")

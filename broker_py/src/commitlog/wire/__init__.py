# SPDX-License-Identifier: Apache-2.0
"""What is on the socket: primitives, schemas, the compiled codec, headers, framing, error codes."""

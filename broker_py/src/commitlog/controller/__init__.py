# SPDX-License-Identifier: Apache-2.0
"""Controller election, the event queue, state machines, and the channel to brokers."""

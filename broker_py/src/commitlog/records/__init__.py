# SPDX-License-Identifier: Apache-2.0
"""Record batches v2, message sets v0/v1, compression, control records."""

# SPDX-License-Identifier: Apache-2.0
"""The transaction coordinator over __transaction_state."""

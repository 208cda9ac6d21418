# SPDX-License-Identifier: Apache-2.0
"""Who is there, and what they may do: principals, TLS, SASL, credentials, delegation tokens, quotas."""

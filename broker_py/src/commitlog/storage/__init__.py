# SPDX-License-Identifier: Apache-2.0
"""One file per file on disk, then the log, recovery, retention and the log manager."""

# -*- coding: utf-8 -*-
# Copyright: Contributors to the commitlog.kafka collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS as the connection options say it: certificates in files or in the options themselves, and errors that name the option."""

from __future__ import annotations

import contextlib
import os
import ssl
import tempfile
import typing as t

from ansible_collections.commitlog.kafka.plugins.module_utils._errors import ClusterUnreachable


def tls_context(params: dict[str, t.Any]) -> ssl.SSLContext:
    """The context for connections to brokers. Raises ClusterUnreachable, naming the option that is no good."""
    context = ssl.create_default_context()
    context.check_hostname = params["ssl_check_hostname"]
    source = "ssl_ca_pem" if params["ssl_ca_pem"] else "ssl_cafile"
    with _names(source, params):
        if params["ssl_ca_pem"]:
            context.load_verify_locations(cadata=params["ssl_ca_pem"])
        elif params["ssl_cafile"]:
            context.load_verify_locations(cafile=params["ssl_cafile"])
    # An empty password where none is said: asking for one would wait for a terminal.
    password = params["ssl_password"] or ""
    if params["ssl_certfile"]:
        with _names("ssl_certfile and ssl_keyfile", params):
            context.load_cert_chain(params["ssl_certfile"], params["ssl_keyfile"], password)
    elif params["ssl_certificate_pem"]:
        with _names("ssl_certificate_pem and ssl_key_pem", params), _as_file(params) as path:
            context.load_cert_chain(path, password=password)
    return context


@contextlib.contextmanager
def _names(option: str, params: dict[str, t.Any]) -> t.Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        place = params.get(option)
        where = " ({0})".format(place) if place and option == "ssl_cafile" else ""
        raise ClusterUnreachable("{0}{1}: {2}".format(option, where, error)) from error


@contextlib.contextmanager
def _as_file(params: dict[str, t.Any]) -> t.Iterator[str]:
    """The key and the certificate in a file for the moment in which Python's ssl reads them; only the owner can."""
    handle, path = tempfile.mkstemp(suffix=".pem")
    try:
        with os.fdopen(handle, "w") as file:
            file.write("{0}\n{1}\n".format(params["ssl_key_pem"].strip(), params["ssl_certificate_pem"].strip()))
        yield path
    finally:
        os.unlink(path)

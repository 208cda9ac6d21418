# -*- coding: utf-8 -*-
# Copyright: Contributors to the commitlog.kafka collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How every module begins and ends."""

from __future__ import annotations

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.commitlog.kafka.plugins.module_utils._connection import (
    connection_argument_spec,
    connection_rules,
    require_libraries,
)
from ansible_collections.commitlog.kafka.plugins.module_utils._errors import ModuleFailure

Run = t.Callable[[AnsibleModule], t.Dict[str, t.Any]]


def run_module(run: Run, options: dict[str, t.Any], *, quiet: bool = False, **rules: list[t.Any]) -> None:
    """End with what run() returns, or with the line that says why there is nothing to return.

    The options and rules (mutually_exclusive and its like) are those of the module alone; those of the connection come on top.
    quiet: the host's system log is not told the arguments, as an option that may be secret or not holds secrets among others.
    """
    together = connection_rules()
    for kind, further in rules.items():
        together[kind] = [*together.get(kind, []), *further]
    module = AnsibleModule(
        argument_spec=dict(options, **connection_argument_spec()), supports_check_mode=True, no_log=quiet, **together
    )
    require_libraries(module)
    try:
        module.exit_json(**run(module))
    except ModuleFailure as error:
        module.fail_json(msg=str(error))

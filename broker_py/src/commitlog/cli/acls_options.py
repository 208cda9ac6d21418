# SPDX-License-Identifier: Apache-2.0
"""The options of kafka-acls.sh (AclCommand.AclCommandOptions) and what is refused."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from commitlog.cli.jopt import Option, Parsed, UsageError, check_invalid, check_required

SUMMARY = "This tool helps to manage acls on kafka."

DEPRECATION = (
    "Warning: support for ACL configuration directly through the authorizer is deprecated and will be "
    "removed in a "
    "future release. Please use --bootstrap-server instead to set ACLs through the admin client."
)
OPERATIONS = (
    "All",
    "Read",
    "Write",
    "Create",
    "Delete",
    "Alter",
    "Describe",
    "ClusterAction",
    "DescribeConfigs",
    "AlterConfigs",
    "IdempotentWrite",
    "CreateTokens",
    "DescribeTokens",
)
ACTIONS = ("add", "remove", "list")

OPTIONS: Mapping[str, Option] = {
    "add": Option("Indicates you are trying to add ACLs."),
    "allow-host": Option(
        "Host from which principals listed in --allow-principal will have access. If you have "
        "specified --allow-principal then the default for this option will be set to '*' which "
        "allows access from all hosts.",
        "String: allow-host",
    ),
    "allow-principal": Option(
        "principal is in principalType:name format. Note that principalType must be supported by "
        "the Authorizer being used. For example, User:'*' is the wild card indicating all users.",
        "String: allow-principal",
    ),
    "authorizer": Option(
        "DEPRECATED: Fully qualified class name of the authorizer, which defaults to "
        "kafka.security.authorizer.AclAuthorizer if --bootstrap-server is not provided. " + DEPRECATION,
        "String: authorizer",
    ),
    "authorizer-properties": Option(
        "DEPRECATED: The properties required to configure an instance of the Authorizer specified "
        "by --authorizer. These are key=val pairs. For the default authorizer, example values "
        "are: zookeeper.connect=localhost:2181. " + DEPRECATION,
        "String: authorizer-properties",
    ),
    "bootstrap-server": Option(
        "A list of host/port pairs to use for establishing the connection to the Kafka cluster. "
        "This list should be in the form host1:port1,host2:port2,... This config is required for "
        "acl management using admin client API.",
        "String: server to connect to",
    ),
    "cluster": Option("Add/Remove cluster ACLs."),
    "command-config": Option(
        "A property file containing configs to be passed to Admin Client.",
        "String: command-config",
        optional=True,
    ),
    "consumer": Option(
        "Convenience option to add/remove ACLs for consumer role. This will generate ACLs that "
        "allows READ,DESCRIBE on topic and READ on group."
    ),
    "delegation-token": Option(
        "Delegation token to which ACLs should be added or removed. A value of '*' indicates ACL "
        "should apply to all tokens.",
        "String: delegation-token",
    ),
    "deny-host": Option(
        "Host from which principals listed in --deny-principal will be denied access. If you have "
        "specified --deny-principal then the default for this option will be set to '*' which "
        "denies access from all hosts.",
        "String: deny-host",
    ),
    "deny-principal": Option(
        "principal is in principalType:name format. By default anyone not added through "
        "--allow-principal is denied access. You only need to use this option as negation to "
        "already allowed set. Note that principalType must be supported by the Authorizer being "
        "used. For example if you wanted to allow access to all users in the system but not "
        "test-user you can define an ACL that allows access to User:'*' and specify "
        "--deny-principal=User:test@EXAMPLE.COM. AND PLEASE REMEMBER DENY RULES TAKES PRECEDENCE "
        "OVER ALLOW RULES.",
        "String: deny-principal",
    ),
    "force": Option("Assume Yes to all queries and do not prompt."),
    "group": Option(
        "Consumer Group to which the ACLs should be added or removed. A value of '*' indicates the "
        "ACLs should apply to all groups.",
        "String: group",
    ),
    "help": Option("Print usage information."),
    "idempotent": Option(
        "Enable idempotence for the producer. This should be used in combination with the "
        "--producer option. Note that idempotence is enabled automatically if the producer is "
        "authorized to a particular transactional-id."
    ),
    "list": Option(
        "List ACLs for the specified resource, use --topic <topic> or --group <group> or --cluster "
        "to specify a resource."
    ),
    "operation": Option(
        "Operation that is being allowed or denied. Valid operation names are: \n"
        + "\n".join(f"\t{name}" for name in OPERATIONS)
        + "\n",
        "String",
        default="All",
    ),
    "principal": Option(
        "List ACLs for the specified principal. principal is in principalType:name format. Note "
        "that principalType must be supported by the Authorizer being used. Multiple --principal "
        "option can be passed.",
        "String: principal",
        optional=True,
    ),
    "producer": Option(
        "Convenience option to add/remove ACLs for producer role. This will generate ACLs that "
        "allows WRITE,DESCRIBE and CREATE on topic."
    ),
    "remove": Option("Indicates you are trying to remove ACLs."),
    "resource-pattern-type": Option(
        "The type of the resource pattern or pattern filter. When adding acls, this should be a "
        "specific pattern type, e.g. 'literal' or 'prefixed'. When listing or removing acls, a "
        "specific pattern type can be used to list or remove acls from specific resource patterns, "
        "or use the filter values of 'any' or 'match', where 'any' will match any pattern type, "
        "but will match the resource name exactly, where as 'match' will perform pattern matching "
        "to list or remove all acls that affect the supplied resource(s). WARNING: 'match', when "
        "used in combination with the '--remove' switch, should be used with care.",
        "ANY|MATCH|LITERAL|PREFIXED",
        default="LITERAL",
    ),
    "topic": Option(
        "topic to which ACLs should be added or removed. A value of '*' indicates ACL should apply "
        "to all topics.",
        "String: topic",
    ),
    "transactional-id": Option(
        "The transactionalId to which ACLs should be added or removed. A value of '*' indicates "
        "the ACLs should apply to all transactionalIds.",
        "String: transactional-id",
    ),
    "user-principal": Option(
        "Specifies a user principal as a resource in relation with the operation. For instance one "
        "could grant CreateTokens or DescribeTokens permission on a given user principal.",
        "String: user-principal",
    ),
    "version": Option("Display Kafka version."),
    "zk-tls-config-file": Option(
        "DEPRECATED: Identifies the file where ZooKeeper client TLS connectivity properties are "
        "defined for the default authorizer kafka.security.authorizer.AclAuthorizer. Any "
        'properties other than the following (with or without an "authorizer." prefix) are '
        "ignored: zookeeper.clientCnxnSocket, zookeeper.ssl.cipher.suites, "
        "zookeeper.ssl.client.enable, zookeeper.ssl.crl.enable, zookeeper.ssl.enabled.protocols, "
        "zookeeper.ssl.endpoint.identification.algorithm, zookeeper.ssl.keystore.location, "
        "zookeeper.ssl.keystore.password, zookeeper.ssl.keystore.type, zookeeper.ssl.ocsp.enable, "
        "zookeeper.ssl.protocol, zookeeper.ssl.truststore.location, "
        "zookeeper.ssl.truststore.password, zookeeper.ssl.truststore.type. Note that if SASL is "
        "not configured and zookeeper.set.acl is supposed to be true due to mutual certificate "
        "authentication being used then it is necessary to explicitly specify "
        "--authorizer-properties zookeeper.set.acl=true. " + DEPRECATION,
        "String: Authorizer ZooKeeper TLS configuration",
    ),
}


def check_options(parsed: Parsed) -> None:
    """AclCommandOptions.checkArgs; raises UsageError."""
    if parsed.has("bootstrap-server") and parsed.has("authorizer"):
        raise UsageError("Only one of --bootstrap-server or --authorizer must be specified")
    if not parsed.has("bootstrap-server"):
        check_required(parsed, "authorizer-properties")
        print(DEPRECATION, file=sys.stderr)
    if parsed.has("command-config") and not parsed.has("bootstrap-server"):
        raise UsageError("The --command-config option can only be used with --bootstrap-server option")
    if parsed.has("authorizer-properties") and parsed.has("bootstrap-server"):
        raise UsageError("The --authorizer-properties option can only be used with --authorizer option")
    if sum(parsed.has(action) for action in ACTIONS) != 1:
        raise UsageError("Command must include exactly one action: --list, --add, --remove. ")
    principals = ("allow-host", "allow-principal", "deny-host", "deny-principal")
    check_invalid(parsed, "list", "producer", "consumer", *principals)
    for role in ("producer", "consumer"):
        check_invalid(parsed, role, "operation", "deny-principal", "deny-host")
    if parsed.has("principal") and not parsed.has("list"):
        raise UsageError("The --principal option is only available if --list is set")
    _check_roles(parsed)


def _check_roles(parsed: Parsed) -> None:
    if parsed.has("producer") and not parsed.has("topic"):
        raise UsageError("With --producer you must specify a --topic")
    if parsed.has("idempotent") and not parsed.has("producer"):
        raise UsageError("The --idempotent option is only available if --producer is set")
    if parsed.has("consumer"):
        alone = not parsed.has("producer")
        other = parsed.has("cluster") or parsed.has("transactional-id")
        if not parsed.has("topic") or not parsed.has("group") or (alone and other):
            raise UsageError(
                "With --consumer you must specify a --topic and a --group and no --cluster or "
                "--transactional-id "
                "option should be specified."
            )

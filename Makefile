# SPDX-License-Identifier: Apache-2.0
# Everything a person types. `make` alone lists it.
PYTHON ?= python3
VENV ?= .venv
BIN := $(abspath $(VENV))/bin
export PATH := $(BIN):$(PATH)
# Compiled once, outside the tree, whatever the environment says: processes start as they do where the broker is installed.
export PYTHONPYCACHEPREFIX = $(CURDIR)/.cache/pycache
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help venv changelog cluster destroy test packages sanity integration docs-site lint audit unit processes jvm jvm-libs client-libs clients simulate bench bench-quick bench-profiles bench-collection simulate-mistakes molecule molecule-default torture torture-destroy soak wheel artifact build clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

venv: ## make .venv with the pinned tools
	@$(PYTHON) vms/venv.py $(VENV)

cluster: venv ## make two hosts and the cluster on them, and prove it (VMS=docker|local forces the kind of hosts)
	@$(BIN)/python vms/cluster.py create

destroy: venv ## remove all that `make cluster` made (IMAGES=1: the images too)
	@$(BIN)/python vms/cluster.py destroy

test: lint unit processes molecule-default ## everything that must pass, the fast tests first

packages: venv
	@$(BIN)/python tests/packages.py

lint: venv ## ruff, mypy, ansible-lint, yamllint
	cd broker_py && ruff check . && ruff format --check . && mypy
	ruff check . && ruff format --check .
	yamllint .
	ansible-lint

audit: venv ## bandit over what is shipped: .bandit.yaml says what is not asked for, and why
	bandit -q -r -c .bandit.yaml broker_py/src plugins roles

unit: packages ## the tests that need no hosts and start no brokers, on every core
	cd broker_py && python -m pytest -q --numprocesses auto --dist loadfile --ignore tests/end_to_end --ignore tests/jvm --ignore tests/clients
	python -m pytest -q --numprocesses auto --dist loadfile tests --ignore tests/cluster

processes: packages ## brokers as real processes, with a real ZooKeeper and real clients; the modules with Apache Kafka, too, after `make jvm-libs`, all clients after `make client-libs`
	cd broker_py && python -m pytest -q tests/end_to_end tests/clients
	python -m pytest -q tests/cluster

sanity: $(if $(ANSIBLE_CORE),packages) ## ansible-test sanity and units, galaxy-importer, antsibull-docs and antsibull-changelog (ANSIBLE_CORE=2.17: ansible-test and all tests of plugins and roles with that one)
	ANSIBLE_CORE=$(ANSIBLE_CORE) PYTHON=$(PYTHON) tests/sanity.sh sanity units $(if $(ANSIBLE_CORE),project,docs changelog importer)

changelog: ## make CHANGELOG.md of the fragments in changelogs/fragments, which hold every entry
	PYTHON=$(PYTHON) tests/sanity.sh remake-changelog

integration: packages ## modules under ansible-test integration, against a broker that it starts 
	PYTHON=$(PYTHON) tests/sanity.sh integration

docs-site: ## the documentation as HTML in build/site/html, with a page for each module and role
	PYTHON=$(PYTHON) docs/site/build.sh

KAFKA_JVM := $(CURDIR)/.cache/kafka-jvm
JVM_LIBS := mvn -q -B -f broker_py/tests/jvm/pom.xml dependency:copy-dependencies -DincludeScope=runtime

jvm: packages jvm-libs ## this broker beside Apache Kafka, and in its place (needs mvn and java)
	cd broker_py && python -m pytest -q tests/jvm tests/storage/test_jvm.py $(AGAIN)

jvm-libs: ## fetch Apache Kafka's jars, with which the tests ask the JVM (needs mvn)
	$(JVM_LIBS) -P 3.9 -DoutputDirectory=$(KAFKA_JVM)/libs
	$(JVM_LIBS) -P 0.8 -DoutputDirectory=$(KAFKA_JVM)/libs-0.8
	$(JVM_LIBS) -P 2.1 -DoutputDirectory=$(KAFKA_JVM)/libs-2.1
	$(JVM_LIBS) -P 4 -DoutputDirectory=$(KAFKA_JVM)/libs-4

client-libs: venv ## fetch and build the clients of the matrix that are not in .venv (needs node and npm, go, javac and mvn)
	cd broker_py && python -m tests.clients.fetch

clients: packages client-libs ## try every client against a cluster, and write the table of what each can do
	cd broker_py && python -m tests.clients.matrix --write ../docs/client-matrix.md

simulate: venv ## clusters in one process under faults by seeds (SEEDS=100, from SEED=0, JOBS processes, else one for each processor; docs/simulation.md)
	cd broker_py && python -m tests.simulation.run --seeds $(or $(SEEDS),100) --first $(or $(SEED),0) --jobs $(or $(JOBS),$(shell nproc))

simulate-mistakes: venv ## plant known mistakes one at a time, and count in how many of SEEDS=10 each is found (docs/simulation.md)
	cd broker_py && python -m tests.simulation.run --mistakes "$(MISTAKE)" --seeds $(or $(SEEDS),10) --first $(or $(SEED),0) --jobs $(or $(JOBS),$(shell nproc))

BENCH := cd broker_py && python -m bench.run

bench-tools: packages
	@$(BIN)/python -m pip install -q --disable-pip-version-check -r broker_py/bench/requirements.txt

bench: bench-tools ## this broker beside Apache Kafka, Tansu, noida-db and the machine's floor (docs/bench; an hour or two)
	$(BENCH) --output ../docs/bench

bench-quick: bench-tools ## a tenth of it in minutes, its ratios beside those of docs/bench
	$(BENCH) --quick --peers commitlog --output ../.cache/bench --compare ../docs/bench/results.json

bench-profiles: bench-tools ## where the processor time of each hot path goes, by py-spy (docs/bench/profiles.md)
	cd broker_py && python -m bench.profile --output ../docs/bench

bench-collection: venv ## how long cluster.yml and the topic modules take on 2, 4 and 6 hosts (docs/bench/collection.md)
	@$(BIN)/python tests/timing/collection.py $(HOSTS)

molecule: venv ## the cluster on hosts, created, changed and broken by Molecule, all scenarios (or SCENARIO=rolling,upgrade; RETRY=1 tries once more what failed, BEGIN_WITHIN=30 begins none later than that many minutes); skipped aloud without a Docker engine
	@SCENARIO="$(SCENARIO)" RETRY="$(RETRY)" BEGIN_WITHIN="$(BEGIN_WITHIN)" $(BIN)/python vms/cluster.py molecule

molecule-default: venv ## the scenario `default` only
	@$(BIN)/python vms/cluster.py molecule-default

torture: venv ## three hosts under attack for MINUTES=5 by SEED=s, then judged (docs/durability.md)
	@MINUTES=$(MINUTES) SEED=$(SEED) $(BIN)/python vms/cluster.py torture

torture-destroy: venv ## remove the hosts of `make torture`
	@$(BIN)/python vms/cluster.py torture-destroy

soak: packages ## clients, groups and topics come and go for MINUTES=10: do memory and descriptors grow?
	cd broker_py && SOAK_S=$$(( 60 * $(or $(MINUTES),10) )) python -m pytest -q -s tests/end_to_end/test_overload.py -k soak --timeout 0

wheel: venv ## build the broker's wheel into the role
	@$(BIN)/python roles/broker/files/wheelhouse.py --source=broker_py --bundled=roles/broker/files --build-into=roles/broker/files

artifact: wheel ## build the collection's artifact into dist/
	ansible-galaxy collection build --force --output-path dist

build: artifact

clean: ## remove what builds left, but neither hosts nor .venv
	rm -rf dist build .cache roles/broker/files/commitlog-*.whl

# SPDX-License-Identifier: Apache-2.0
#
# What has to be on the machine, and the two commands that start from nothing: `make run` and `make test`.
# mk/packages asks dpkg first and calls apt only for what is missing, so that a second run needs neither root nor network.
# A test that needs another program adds its Debian package to TEST_PACKAGES.

BUILD_PACKAGES := gcc libc6-dev make clang llvm libbpf-dev bpftool libelf-dev libdw-dev libyaml-dev libjansson-dev \
	zlib1g-dev libzstd-dev libiberty-dev liblzma-dev libmicrohttpd-dev libcurl4-gnutls-dev libgnutls28-dev libseccomp-dev libcap-ng-dev pkg-config

TEST_PACKAGES := libcmocka-dev libclang-rt-dev clang-format python3 python3-yaml g++ binutils elfutils xz-utils zstd file procps util-linux \
	golang-go musl-tools gdb libc6-dbg linux-perf redis-server redis-tools nginx-light apache2-utils curl openssl prometheus-alertmanager \
	libjemalloc2 libtcmalloc-minimal4 libmimalloc2.0 openjdk-17-jdk-headless

JOBS ?= $(shell nproc)
# With a -j of the user's own, the jobs are shared out already.
parallel = $(if $(findstring -j,$(MAKEFLAGS)),,-j$(JOBS))

.PHONY: setup setup-test
setup: ## install what the build needs (Debian packages, root)
	$(Q)mk/packages setup $(BUILD_PACKAGES)

setup-test: ## install what the build and the tests need
	$(Q)mk/packages setup-test $(BUILD_PACKAGES) $(TEST_PACKAGES)

.PHONY: run
run: setup ## install, build and start the agent with profiler.yaml and its store in ./data (root)
	$(Q)$(MAKE) --no-print-directory $(parallel) all
	$(Q)exec $(BUILD)/everprof agent -c profiler.yaml --store ./data

.PHONY: test test-programs
test-programs: all $(UNIT_TESTS) $(BPF_TESTS)

# --keep-going, because a test that does not build is one failure and no reason to hide the others' results.
test: setup-test ## install, build and run every test that ends within 30 minutes; the last line sums them up
	$(Q)$(MAKE) --no-print-directory --keep-going $(parallel) test-programs fuzz-programs; \
	BUILD_STATUS=$$? BUILD=$(BUILD) UNIT_TESTS="$(UNIT_TESTS)" BPF_TESTS="$(BPF_TESTS)" tests/all

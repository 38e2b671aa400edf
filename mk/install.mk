# SPDX-License-Identifier: Apache-2.0
#
# `make install` puts the binary, the configuration, the systemd unit, the manual and the shell completion in place; DESTDIR is a root
# for packagers, PREFIX and SYSCONFDIR are where the programs will run. A configuration that is there is somebody's work: the new
# one is laid beside it. Nothing is enabled or started.

BINDIR ?= $(PREFIX)/bin
UNITDIR ?= $(PREFIX)/lib/systemd/system
MANDIR ?= $(PREFIX)/share/man
COMPLETIONDIR ?= $(PREFIX)/share/bash-completion/completions
CONFIG := $(DESTDIR)$(SYSCONFDIR)/everprof/profiler.yaml
MAN_PAGES := $(wildcard docs/man/*.[1-8])

.PHONY: install uninstall
install: all ## install below PREFIX (/usr/local); DESTDIR and SYSCONFDIR are honoured
	$(Q)install -D -m 755 $(BUILD)/everprof $(DESTDIR)$(BINDIR)/everprof
	$(Q)if [ ! -e $(CONFIG) ]; then install -D -m 644 profiler.yaml $(CONFIG); \
	elif ! cmp -s profiler.yaml $(CONFIG); then \
		install -m 644 profiler.yaml $(CONFIG).new; echo "kept $(CONFIG); the new one is $(CONFIG).new"; fi
	$(Q)install -d $(DESTDIR)$(UNITDIR)
	$(Q)sed -e 's|/usr/local/bin/|$(BINDIR)/|' -e 's|/etc/everprof/|$(SYSCONFDIR)/everprof/|' \
		deploy/systemd/everprof.service >$(DESTDIR)$(UNITDIR)/everprof.service
	$(Q)chmod 644 $(DESTDIR)$(UNITDIR)/everprof.service
	$(Q)install -D -m 644 deploy/completion/everprof.bash $(DESTDIR)$(COMPLETIONDIR)/everprof
	$(Q)for page in $(MAN_PAGES); do \
		install -D -m 644 $$page $(DESTDIR)$(MANDIR)/man$${page##*.}/$${page##*/} || exit 1; done
	$(if $(DESTDIR),,@echo 'installed; to start it now and at boot: systemctl daemon-reload && systemctl enable --now everprof')

uninstall: ## remove what install put there, but for the configuration
	$(Q)rm -f $(DESTDIR)$(BINDIR)/everprof $(DESTDIR)$(UNITDIR)/everprof.service $(DESTDIR)$(COMPLETIONDIR)/everprof \
		$(foreach p,$(MAN_PAGES),$(DESTDIR)$(MANDIR)/man$(subst .,,$(suffix $(p)))/$(notdir $(p)))

# Only what a build makes, by name: BUILD may be any folder of the user's, and what fuzzing found is work.
.PHONY: clean
clean: ## remove what was built
	$(Q)rm -rf $(BUILD)/obj $(BUILD)/lib $(BUILD)/bpf $(BUILD)/tests $(BUILD)/workloads $(BUILD)/everprof $(BUILD)/everprof.bpf.o \
		$(SKELETON) compile_commands.json $(addprefix $(BUILD)/fuzz/,obj lib bpf tests everprof.bpf.o everprof.skel.h)
	$(Q)[ ! -d $(BUILD)/fuzz ] || rmdir --ignore-fail-on-non-empty $(BUILD)/fuzz
	$(Q)[ ! -d $(BUILD) ] || rmdir --ignore-fail-on-non-empty $(BUILD)

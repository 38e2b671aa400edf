# SPDX-License-Identifier: Apache-2.0
#
# Pages, scripts and styles that are part of the binary: pieces are put together, compressed, and taken in by user/base/asset.h.
# -n keeps names and times out of the bytes, so that the same sources give the same binary.

ASSETS := $(BUILD)/assets
VIEWER := exporters/format/viewer
ALL_CFLAGS += -DEVERPROF_ASSETS='"$(ASSETS)"'

asset = $(call msg,ASSET,$@); mkdir -p $(@D) && cat $^ | gzip -9n >$@

$(ASSETS)/viewer.js.gz: $(addprefix $(VIEWER)/,match.js tree.js draw.js viewer.js)
	$(Q)$(asset)
$(ASSETS)/svg.js.gz: $(addprefix $(VIEWER)/,match.js svg.js)
	$(Q)$(asset)
$(ASSETS)/viewer.css.gz $(ASSETS)/report.js.gz: $(ASSETS)/%.gz: $(VIEWER)/%
	$(Q)$(asset)

$(BUILD)/obj/exporters/format/flamegraph.o: $(ASSETS)/svg.js.gz
$(BUILD)/obj/exporters/format/report.o: $(addprefix $(ASSETS)/,viewer.js.gz viewer.css.gz report.js.gz)

$(addprefix $(ASSETS)/,page.html.gz page.css.gz address.js.gz): $(ASSETS)/%.gz: user/server/web/%
	$(Q)$(asset)
$(ASSETS)/page.js.gz: $(addprefix user/server/web/,panel.js live.js captures.js rules.js sessions.js timeline.js page.js)
	$(Q)$(asset)

$(BUILD)/obj/user/server/route_page.o: $(addprefix $(ASSETS)/,page.html.gz page.css.gz address.js.gz page.js.gz)

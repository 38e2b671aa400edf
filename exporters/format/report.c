/* SPDX-License-Identifier: Apache-2.0 */
#include "exporters/format/report.h"

#include "exporters/format/call_tree.h"
#include "exporters/format/compress.h"
#include "exporters/format/flame_json.h"
#include "user/base/asset.h"
#include "user/base/buf.h"

ASSET(viewer_js, "viewer.js.gz");
ASSET(viewer_css, "viewer.css.gz");
ASSET(report_js, "report.js.gz");

#define PART_MAX ((size_t)4 << 20)

struct asset report__viewer_js(void)
{
	return ASSET_OF(viewer_js);
}

struct asset report__viewer_css(void)
{
	return ASSET_OF(viewer_css);
}

static int append_part(struct buf *to, const char *before, struct asset a, const char *after)
{
	int err;

	buf__append_str(to, before);
	err = decompress(a.bytes, a.len, PART_MAX, to);
	buf__append_str(to, after);
	return err;
}

int report__write_html(const struct profile *head, const struct call_tree *t, struct buf *to)
{
	int err;

	buf__append_str(to, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
			    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
			    "<meta name=\"generator\" content=\"everprof " EVERPROF_VERSION "\">\n"
			    "<title>everprof</title>\n");
	err = append_part(to, "<style>\n", ASSET_OF(viewer_css), "</style>\n</head>\n<body>\n");
	buf__append_str(to, "<div id=\"viewer\"></div>\n<script type=\"application/json\" id=\"profile\">");
	if (!err)
		err = flame_json__write(head, t, to);
	if (!err)
		err = append_part(to, "</script>\n<script>\n", ASSET_OF(viewer_js), "</script>\n");
	if (!err)
		err = append_part(to, "<script>\n", ASSET_OF(report_js), "</script>\n</body>\n</html>\n");
	return err ? err : buf__err(to);
}

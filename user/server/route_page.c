/* SPDX-License-Identifier: Apache-2.0 */
/* The page, and the pieces that it is made of. They are part of the binary; the viewer is the one of the self-contained report. */
#include <string.h>

#include "exporters/format/report.h"
#include "user/server/server.h"

ASSET(page_html, "page.html.gz");
ASSET(page_css, "page.css.gz");
ASSET(page_js, "page.js.gz");
ASSET(address_js, "address.js.gz");

static void answer_asset(struct server *s, const struct http_request *r, struct response *to)
{
	const struct {
		const char *name;
		struct asset asset;
	} pieces[] = {{"address.js", ASSET_OF(address_js)},
		      {"viewer.js", report__viewer_js()},
		      {"page.js", ASSET_OF(page_js)},
		      {"viewer.css", report__viewer_css()},
		      {"page.css", ASSET_OF(page_css)}};
	const char *name = server__rest(r, "/assets/*");

	(void)s;
	for (size_t i = 0; i < sizeof(pieces) / sizeof(*pieces); i++) {
		if (strcmp(name, pieces[i].name))
			continue;
		to->type = strstr(name, ".js") ? "text/javascript; charset=utf-8" : "text/css; charset=utf-8";
		to->asset = pieces[i].asset;
		return;
	}
	response__fail(to, 404, "there is no such page");
}

static void answer_page(struct server *s, const struct http_request *r, struct response *to)
{
	(void)s, (void)r;
	to->type = "text/html; charset=utf-8";
	to->asset = ASSET_OF(page_html);
}

const struct route page_routes[] = {
	{"/", ROLE_VIEW, WORK_QUICK, answer_page, NULL},
	{"/profiling", ROLE_VIEW, WORK_QUICK, answer_page, NULL},
	{"/dashboard", ROLE_VIEW, WORK_QUICK, answer_page, NULL},
	{"/assets/*", ROLE_VIEW, WORK_QUICK, answer_asset, NULL},
	{NULL, 0, 0, NULL, NULL},
};

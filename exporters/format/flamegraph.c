/* SPDX-License-Identifier: Apache-2.0 */
#include "exporters/format/flamegraph.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "exporters/format/call_tree.h"
#include "exporters/format/compress.h"
#include "user/base/asset.h"
#include "user/base/buf.h"
#include "user/profile/amount.h"
#include "user/profile/profile.h"
#include "user/profile/utf8.h"

ASSET(svg_js, "svg.js.gz");

#define PAD_PX     10
#define HEAD_PX    44
#define FOOT_PX    24
#define ROW_PX     17
#define CHAR_PX    7.0 /* of the monospace font at 12 px, rounded up a little */
#define SCRIPT_MAX ((size_t)1 << 20)

struct drawing {
	const struct profile *p;
	const struct call_tree *t;
	double whole, base_whole; /* of each side; at least 1 */
	double *starts; /* [depth]: where the next node of that depth begins, as a share of the whole */
	struct buf *to;
};

/* One character that XML may hold, or '?'; returns its bytes. */
static size_t append_xml_char(struct buf *b, const char *s)
{
	int n = utf8__step(s, 4);

	if (*s == '&')
		buf__append_str(b, "&amp;");
	else if (*s == '<')
		buf__append_str(b, "&lt;");
	else if (*s == '>')
		buf__append_str(b, "&gt;");
	else if (*s == '"')
		buf__append_str(b, "&quot;");
	else if (n < 1 || (unsigned char)*s < ' ' || *s == 0x7f || !strncmp(s, "\xef\xbf\xbe", 3) ||
		 !strncmp(s, "\xef\xbf\xbf", 3))
		buf__append_char(b, '?');
	else
		buf__append(b, s, (size_t)n);
	return n > 0 ? (size_t)n : 1;
}

/* At most max characters; what is left out shows as "..". */
static void append_xml(struct buf *b, const char *s, size_t max)
{
	size_t chars = 0;

	for (const char *c = s; *c; c++)
		chars += (*c & 0xc0) != 0x80;
	for (size_t i = 0; *s && i < (chars <= max ? max : max - 2); i++)
		s += append_xml_char(b, s);
	if (chars > max)
		buf__append_str(b, "..");
}

static uint32_t hash_of(const char *s)
{
	uint32_t h = 2166136261u;

	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * 16777619u;
	return h ^ (h >> 15);
}

struct colour {
	int hue, saturation, lightness; /* degrees, percent, percent */
};

static struct colour colour_of(const struct call_tree *t, uint32_t node)
{
	const char *name = call_tree__name(t, node), *binary = call_tree__binary(t, node);
	int shade = (int)(hash_of(name) % 9) - 4;

	switch (call_tree__kind(t, node)) {
	case FRAME_LABEL:
		return (struct colour){214, 22, 82};
	case FRAME_TRUNCATED:
	case FRAME_FOLDED:
		return (struct colour){214, 6, 85};
	case FRAME_KERNEL:
		return (struct colour){28, 72, 74 + shade};
	default:
		/* the kernel's hue is left out */
		return (struct colour){60 + (int)(hash_of(*binary ? binary : "jit") % 270), 48, 76 + shade};
	}
}

static double share(int64_t part, double whole)
{
	return (double)part / whole;
}

/* Shares of both sides are compared, so that two ranges of different length can be. */
static struct colour colour_of_change(const struct drawing *d, const struct call_node *n)
{
	double now = share(n->total, d->whole), before = share(n->base_total, d->base_whole);
	double most = now > before ? now : before, change = most > 0 ? (now - before) / most : 0;
	int strength = (int)((change < 0 ? -change : change) * 10 + 0.5);

	return (struct colour){change >= 0 ? 28 : 212, 9 * strength, 92 - 3 * strength};
}

/* Width of a node as a share of the picture; in a difference the mean of both sides, so that what is gone is seen too. */
static double width_of(const struct drawing *d, const struct call_node *n)
{
	double w = share(n->total, d->whole);

	return d->t->is_diff ? (w + share(n->base_total, d->base_whole)) / 2 : w;
}

static void append_title(const struct drawing *d, uint32_t node)
{
	const struct call_node *n = &d->t->nodes[node];
	const char *binary = call_tree__binary(d->t, node);

	buf__append_str(d->to, "<title>");
	append_xml(d->to, call_tree__name(d->t, node), SIZE_MAX);
	if (*binary) {
		buf__append_str(d->to, " (");
		append_xml(d->to, binary, SIZE_MAX);
		buf__append_char(d->to, ')');
	}
	buf__printf(d->to, "\n%s, %.2f %%", amount__format(n->total, d->t->unit).text,
		    100 * share(n->total, d->whole));
	if (d->t->is_diff)
		buf__printf(d->to, "; before: %s, %.2f %%", amount__format(n->base_total, d->t->unit).text,
			    100 * share(n->base_total, d->base_whole));
	buf__append_str(d->to, "</title>");
}

static void draw_node(const struct drawing *d, uint32_t node, double x, double w)
{
	const struct call_node *n = &d->t->nodes[node];
	struct colour c = d->t->is_diff ? colour_of_change(d, n) : colour_of(d->t, node);
	double y = HEAD_PX + (double)n->depth * ROW_PX;
	size_t room = w > 6 ? (size_t)((w - 6) / CHAR_PX) : 0;

	buf__printf(d->to, "<g class=\"f\" data-x=\"%.3f\" data-w=\"%.3f\" data-d=\"%u\" data-name=\"", x, w,
		    n->depth);
	append_xml(d->to, call_tree__name(d->t, node), SIZE_MAX);
	buf__append_str(d->to, "\">");
	append_title(d, node);
	buf__printf(d->to,
		    "<rect x=\"%.1f\" y=\"%.0f\" width=\"%.1f\" height=\"%d\" fill=\"hsl(%d,%d%%,%d%%)\"/>",
		    PAD_PX + x, y, w > 0.6 ? w - 0.5 : 0.1, ROW_PX - 1, c.hue, c.saturation, c.lightness);
	if (room > 2) {
		buf__printf(d->to, "<text x=\"%.1f\" y=\"%.0f\">", PAD_PX + x + 3, y + 12);
		append_xml(d->to, call_tree__name(d->t, node), room);
		buf__append_str(d->to, "</text>");
	}
	buf__append_str(d->to, "</g>\n");
}

/* What is too narrow goes with all below it, which is narrower still. */
static bool is_wide(double w)
{
	return w * FLAMEGRAPH_WIDTH_PX >= FLAMEGRAPH_NARROW_PX;
}

static uint32_t deepest_drawn(const struct drawing *d)
{
	uint32_t deepest = 0;

	for (uint32_t i = 0; i < d->t->n_nodes; i++)
		if (d->t->nodes[i].depth > deepest && is_wide(width_of(d, &d->t->nodes[i])))
			deepest = d->t->nodes[i].depth;
	return deepest;
}

static void draw_nodes(const struct drawing *d)
{
	for (uint32_t i = 0; i < d->t->n_nodes; i++) {
		const struct call_node *n = &d->t->nodes[i];
		double x = d->starts[n->depth], w = width_of(d, n);

		d->starts[n->depth] += w;
		d->starts[n->depth + 1] = x;
		if (is_wide(w))
			draw_node(d, i, x * FLAMEGRAPH_WIDTH_PX, w * FLAMEGRAPH_WIDTH_PX);
	}
}

static void append_head(const struct drawing *d)
{
	const struct profile_meta *meta = profile__meta(d->p);
	int height = HEAD_PX + (int)(deepest_drawn(d) + 1) * ROW_PX + FOOT_PX;
	int width = FLAMEGRAPH_WIDTH_PX + 2 * PAD_PX;
	time_t seconds = (time_t)(meta->time_ns / 1000000000);
	char when[40] = "";
	struct tm tm;

	if (meta->time_ns > 0 && gmtime_r(&seconds, &tm))
		strftime(when, sizeof(when), ", from %Y-%m-%d %H:%M:%S UTC", &tm);
	buf__printf(
		d->to,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" "
		"data-width=\"%d\" data-char=\"%.1f\">\n"
		"<style>text{font:12px ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace;fill:#14171c}"
		".f{cursor:pointer}.f:hover rect{stroke:#14171c}.hit rect{fill:#d631d6}.t{font-size:15px}"
		".b{fill:#2563c9;cursor:pointer}</style>\n"
		"<rect width=\"100%%\" height=\"100%%\" fill=\"#ffffff\"/>\n",
		width, height, width, height, FLAMEGRAPH_WIDTH_PX, CHAR_PX);
	buf__printf(d->to, "<text class=\"t\" x=\"%d\" y=\"20\">everprof: ", PAD_PX);
	append_xml(d->to, d->t->type, 60);
	buf__printf(d->to, ", %s", amount__format(d->t->nodes[0].total, d->t->unit).text);
	if (meta->duration_ns > 0)
		buf__printf(d->to, " in %s", amount__format(meta->duration_ns, "nanoseconds").text);
	buf__printf(d->to, "%s%s</text>\n", when,
		    d->t->is_diff ? " (blue: less than before, orange: more)" : "");
	buf__printf(d->to,
		    "<text class=\"b\" id=\"reset\" x=\"%d\" y=\"37\">reset</text>"
		    "<text class=\"b\" id=\"search\" x=\"%d\" y=\"37\">search</text>"
		    "<text id=\"found\" x=\"%d\" y=\"37\"></text>"
		    "<text id=\"line\" x=\"%d\" y=\"%d\"></text>\n",
		    PAD_PX, PAD_PX + 50, PAD_PX + 115, PAD_PX, height - 8);
}

static int append_script(struct buf *to)
{
	const struct asset a = ASSET_OF(svg_js);

	buf__append_str(to, "<script><![CDATA[\n");
	if (decompress(a.bytes, a.len, SCRIPT_MAX, to))
		return -EBADMSG;
	buf__append_str(to, "]]></script>\n");
	return 0;
}

static double at_least_one(int64_t v)
{
	return v > 0 ? (double)v : 1;
}

int flamegraph__write_svg(const struct profile *head, const struct call_tree *t, struct buf *to)
{
	struct drawing d = {.p = head, .t = t, .to = to};
	int err;

	d.whole = at_least_one(t->nodes[0].total);
	d.base_whole = at_least_one(t->nodes[0].base_total);
	d.starts = calloc((size_t)t->max_depth + 2, sizeof(*d.starts));
	if (!d.starts)
		return -ENOMEM;
	append_head(&d);
	draw_nodes(&d);
	err = append_script(to);
	buf__append_str(to, "</svg>\n");
	free(d.starts);
	return err ? err : buf__err(to);
}

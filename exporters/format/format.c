/* SPDX-License-Identifier: Apache-2.0 */
#include "exporters/format/format.h"

#include <string.h>

#include "exporters/format/call_tree.h"
#include "exporters/format/flame_json.h"
#include "exporters/format/flamegraph.h"
#include "exporters/format/folded.h"
#include "exporters/format/pprof.h"
#include "exporters/format/report.h"
#include "exporters/format/speedscope.h"

static int encode_pprof(const struct profile *p, const struct format_opts *opts, struct buf *to)
{
	return pprof__encode(p, &(struct pprof_opts){.compression = COMPRESSION_GZIP, .level = opts->level},
			     to);
}

static int encode_pprof_zstd(const struct profile *p, const struct format_opts *opts, struct buf *to)
{
	return pprof__encode(p, &(struct pprof_opts){.compression = COMPRESSION_ZSTD, .level = opts->level},
			     to);
}

static int encode_pprof_bare(const struct profile *p, const struct format_opts *opts, struct buf *to)
{
	(void)opts;
	return pprof__encode(p, &(struct pprof_opts){.compression = COMPRESSION_NONE}, to);
}

static int encode_folded(const struct profile *p, const struct format_opts *opts, struct buf *to)
{
	return folded__encode(p, &(struct folded_opts){.type = opts->type, .root_label = opts->root_label},
			      to);
}

struct call_tree_opts format__tree_opts(const struct format_opts *opts)
{
	return (struct call_tree_opts){.type = opts->type,
				       .root_label = opts->root_label,
				       .threshold_ppm = opts->threshold_ppm,
				       .with_rows = true};
}

static int encode_speedscope(const struct profile *p, const struct format_opts *opts, struct buf *to)
{
	const struct call_tree_opts o = format__tree_opts(opts);

	return speedscope__encode(p, &o, to);
}

static int encode_tree(const struct profile *p, const struct format_opts *opts, format_draw_fn draw,
		       struct buf *to)
{
	const struct call_tree_opts o = format__tree_opts(opts);
	struct call_tree *t;
	int err = call_tree__new(p, &o, &t);

	if (err)
		return err;
	err = draw(p, t, to);
	call_tree__free(t);
	return err;
}

static int encode_svg(const struct profile *p, const struct format_opts *opts, struct buf *to)
{
	return encode_tree(p, opts, flamegraph__write_svg, to);
}

static int encode_html(const struct profile *p, const struct format_opts *opts, struct buf *to)
{
	return encode_tree(p, opts, report__write_html, to);
}

static int encode_flame_json(const struct profile *p, const struct format_opts *opts, struct buf *to)
{
	return encode_tree(p, opts, flame_json__write, to);
}

static const struct format formats[] = {
	{"pprof", ".pb.gz", "application/octet-stream", encode_pprof, NULL},
	{"pprof-zstd", ".pb.zst", "application/octet-stream", encode_pprof_zstd, NULL},
	{"pprof-bare", ".pb", "application/octet-stream", encode_pprof_bare, NULL},
	{"folded", ".folded", "text/plain; charset=utf-8", encode_folded, NULL},
	{"svg", ".svg", "image/svg+xml", encode_svg, flamegraph__write_svg},
	{"html", ".html", "text/html; charset=utf-8", encode_html, report__write_html},
	{"flame", ".flame.json", "application/json", encode_flame_json, flame_json__write},
	{"speedscope", ".json", "application/json", encode_speedscope, NULL},
};

const struct format *format__at(size_t i)
{
	return i < sizeof(formats) / sizeof(*formats) ? &formats[i] : NULL;
}

const struct format *format__by_name(const char *name)
{
	const struct format *f = NULL;

	for (size_t i = 0; (f = format__at(i)) && strcmp(f->name, name); i++)
		;
	return f;
}

const struct format *format__by_path(const char *path)
{
	const struct format *f = NULL;
	size_t len = strlen(path);

	for (size_t i = 0; (f = format__at(i)); i++) {
		size_t n = strlen(f->suffix);

		if (len >= n && !strcmp(path + len - n, f->suffix))
			break;
	}
	return f;
}

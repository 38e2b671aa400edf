/* SPDX-License-Identifier: Apache-2.0 */
#include "user/server/http_answer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exporters/format/compress.h"
#include "user/base/clock.h"
#include "user/server/response.h"

#define POLICY                                                                                              \
	"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src " \
	"'self'; "                                                                                          \
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
/* A picture or report that was asked for carries its own script and style, and may fetch nothing at all. */
#define POLICY_OF_FILES                                                                                    \
	"default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; " \
	"sandbox allow-scripts allow-downloads"
#define PAGE_MAX    ((size_t)8 << 20)
#define PIECE_BYTES (128u << 10)

#define TAG_MAX 24
#define CRC_LEN 8 /* of what is in it and its length: how a gzip file ends */

/* The same whether it goes out packed or not, hence a weak one. */
static void tag_of(const struct asset *a, char *ret)
{
	uint64_t end;

	memcpy(&end, a->bytes + a->len - CRC_LEN, CRC_LEN);
	snprintf(ret, TAG_MAX, "W/\"%016" PRIx64 "\"", end);
}

bool http_answer__is_known(const char *known, const char *tag)
{
	while (known && *known) {
		size_t blank = strspn(known, " \t,"), len = strcspn(known + blank, " \t,");
		const char *one = known + blank;

		if (len == 1 && *one == '*')
			return true;
		/* weak and strong are the same here */
		if (len > 2 && !strncmp(one, "W/", 2)) {
			one += 2;
			len -= 2;
		}
		if (len == strlen(tag) - 2 && !memcmp(one, tag + 2, len))
			return true;
		known = one + len;
	}
	return false;
}

/* A browser that does not take gzip gets what is in it. */
static struct MHD_Response *of_asset(struct response *r, bool wants_gzip, bool *ret_gzip)
{
	if (wants_gzip) {
		*ret_gzip = true;
		return MHD_create_response_from_buffer(r->asset.len, (void *)r->asset.bytes,
						       MHD_RESPMEM_PERSISTENT);
	}
	if (decompress(r->asset.bytes, r->asset.len, PAGE_MAX, &r->body))
		return NULL;
	return MHD_create_response_from_buffer(r->body.len, r->body.data, MHD_RESPMEM_MUST_COPY);
}

/* A large body, piece by piece, as its client takes them. */
struct sending {
	struct http_outgoing *all;
	struct buf body;
	uint64_t began_ns;
};

static ssize_t read_piece(void *ctx, uint64_t pos, char *to, size_t max)
{
	const struct sending *s = ctx;
	uint64_t gone_ns = clock__mono_ns() - s->began_ns, left = s->body.len - pos;
	double due = ((double)gone_ns - (double)s->all->grace_ns) / NS_PER_SEC * (double)s->all->least_rate;

	if ((double)pos < due)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	max = max < left ? max : left;
	memcpy(to, s->body.data + pos, max);
	return (ssize_t)max;
}

static void free_sending(void *ctx)
{
	struct sending *s = ctx;

	__atomic_sub_fetch(&s->all->bytes, s->body.len, __ATOMIC_RELAXED);
	buf__done(&s->body);
	free(s);
}

static struct MHD_Response *of_large_body(struct response *r, struct http_outgoing *all)
{
	struct sending *s = calloc(1, sizeof(*s));
	struct MHD_Response *m;

	if (!s)
		return NULL;
	*s = (struct sending){.all = all, .body = r->body, .began_ns = clock__mono_ns()};
	buf__init(&r->body, RESPONSE_BYTES_MAX); /* the memory went with it */
	__atomic_add_fetch(&all->bytes, s->body.len, __ATOMIC_RELAXED);
	m = MHD_create_response_from_callback(s->body.len, PIECE_BYTES, read_piece, s, free_sending);
	if (!m)
		free_sending(s);
	return m;
}

static struct MHD_Response *of_body(struct response *r, struct http_outgoing *all)
{
	struct MHD_Response *m;

	if (r->body.len > HTTP_SMALL_BYTES)
		return of_large_body(r, all);
	m = MHD_create_response_from_buffer(r->body.len, r->body.data, MHD_RESPMEM_MUST_FREE);
	if (m)
		buf__init(&r->body, RESPONSE_BYTES_MAX); /* the memory went with it */
	return m;
}

static void add_headers(struct MHD_Response *m, const struct response *r, const struct http_answer_opts *o,
			bool is_gzip)
{
	bool is_file =
		!strcmp(r->type, "image/svg+xml") || (!r->asset.bytes && !strncmp(r->type, "text/html", 9));
	char text[160];

	if (r->status != 204 && r->status != 304)
		MHD_add_response_header(m, "Content-Type", r->type);
	if (r->asset.bytes) {
		tag_of(&r->asset, text);
		MHD_add_response_header(m, "ETag", text);
		MHD_add_response_header(m, "Vary", "Accept-Encoding");
	}
	MHD_add_response_header(m, "X-Content-Type-Options", "nosniff");
	MHD_add_response_header(m, "Content-Security-Policy", is_file ? POLICY_OF_FILES : POLICY);
	MHD_add_response_header(m, "X-Frame-Options", "DENY");
	MHD_add_response_header(m, "Referrer-Policy", "no-referrer");
	MHD_add_response_header(m, "Cross-Origin-Resource-Policy", "same-origin");
	MHD_add_response_header(m, "Cache-Control", r->asset.bytes ? "no-cache" : "no-store");
	if (o->is_tls)
		MHD_add_response_header(m, "Strict-Transport-Security", "max-age=31536000");
	if (is_gzip)
		MHD_add_response_header(m, "Content-Encoding", "gzip");
	if (r->file[0]) {
		snprintf(text, sizeof(text), "attachment; filename=\"%s\"", r->file);
		MHD_add_response_header(m, "Content-Disposition", text);
	}
	if (r->note[0])
		MHD_add_response_header(m, "X-Everprof-Note", r->note);
	if (r->location[0])
		MHD_add_response_header(m, "Location", r->location);
	if (r->status == 401)
		MHD_add_response_header(m, "WWW-Authenticate", "Basic realm=\"everprof\", charset=\"UTF-8\"");
	if (r->allow)
		MHD_add_response_header(m, "Allow", r->allow);
	if (r->status == 429 || r->status == 503)
		MHD_add_response_header(m, "Retry-After", "5");
	if (r->status >= 400)
		MHD_add_response_header(m, "X-Go-Pprof", "1");
}

enum MHD_Result http_answer__queue(struct MHD_Connection *connection, struct response *r,
				   const struct http_answer_opts *opts)
{
	bool is_gzip = false;
	struct MHD_Response *m;
	enum MHD_Result queued;
	char tag[TAG_MAX];

	if (r->body.len > HTTP_SMALL_BYTES &&
	    r->body.len + __atomic_load_n(&opts->outgoing->bytes, __ATOMIC_RELAXED) >
		    opts->outgoing->limit_bytes)
		response__fail(r, 503, "too many large answers are under way: try again later");
	if (r->asset.bytes) {
		tag_of(&r->asset, tag);
		if (http_answer__is_known(opts->known, tag))
			r->status = 304;
	}
	m = r->asset.bytes && r->status != 304 ? of_asset(r, opts->wants_gzip, &is_gzip)
					       : of_body(r, opts->outgoing);
	if (!m)
		return MHD_NO;
	add_headers(m, r, opts, is_gzip);
	queued = MHD_queue_response(connection, r->status, m);
	MHD_destroy_response(m);
	return queued;
}

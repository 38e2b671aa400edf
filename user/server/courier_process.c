// SPDX-License-Identifier: Apache-2.0
/* The process that posts: reads a request, asks libcurl, answers; one after the other until the agent is gone. */
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "user/base/buf.h"
#include "user/base/err.h"
#include "user/base/io.h"
#include "user/base/log.h"
#include "user/server/courier_wire.h"
#include "user/server/own_binary.h"
#include "user/server/sandbox.h"
#include "user/server/wire.h"

#define BODY_MAX ((size_t)1 << 20)

/* The answer's own body is of no use. */
static size_t ignore(char *bytes, size_t size, size_t n, void *ctx)
{
	(void)bytes;
	(void)ctx;
	return size * n;
}

static void set_options(CURL *curl, const struct courier_post *p, const struct buf *body,
			struct curl_slist *headers)
{
	curl_easy_setopt(curl, CURLOPT_URL, p->url);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)p->timeout_ms);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)p->timeout_ms / 2);
	curl_easy_setopt(curl, CURLOPT_MAXFILESIZE, (long)BODY_MAX);
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "everprof/" EVERPROF_VERSION);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_POST, 1L);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body->data);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)body->len);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, ignore);
	if (*p->ca_file) {
		/* these alone: who names a file does not mean the two hundred of the system besides */
		curl_easy_setopt(curl, CURLOPT_CAINFO, p->ca_file);
		curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
	}
}

static void post(CURL *curl, const struct courier_post *p, const struct buf *body, struct courier_result *r)
{
	struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
	curl_off_t after = 0;
	long status = 0;
	CURLcode code;

	curl_easy_reset(curl);
	/* a client that waits for "100 Continue" of a server that does not know it loses a second */
	headers = curl_slist_append(headers, "Expect:");
	set_options(curl, p, body, headers);
	code = curl_easy_perform(curl);
	/* Known once the answer's head is there; whatever becomes of its body, which may be cut off by a server that ends TLS without a word, it is taken or not. */
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &after);
	r->status = status >= 200 ? (int32_t)status : 0;
	r->error = (int32_t)code;
	r->after_s = after > 0 && after < INT32_MAX ? (uint32_t)after : 0;
	snprintf(r->text, sizeof(r->text), "%s", code ? curl_easy_strerror(code) : "");
	curl_slist_free_all(headers);
}

static int answer(CURL *curl, const struct courier_post *p, int fd)
{
	struct courier_result r = {.magic = COURIER_MAGIC, .id = p->id};
	struct buf body;

	buf__init(&body, BODY_MAX);
	lseek(fd, 0, SEEK_SET);
	if (io__read_fd(fd, BODY_MAX, &body))
		snprintf(r.text, sizeof(r.text), "its body cannot be read");
	else
		post(curl, p, &body, &r);
	buf__done(&body);
	return wire__send(COURIER_FD, &r, sizeof(r), FD_CLOSED);
}

int courier__main(void)
{
	struct courier_post p;
	struct err err = {0};
	CURL *curl;
	int code, fd, n;

	own_binary__be_child();
	curl_global_init(CURL_GLOBAL_ALL);
	code = sandbox__enter(SANDBOX_DELIVERS, &err);
	curl = curl_easy_init();
	if (code || !curl) {
		log_error("%s", err__text(&err, code ? code : -ENOMEM));
		return 1;
	}
	for (;;) {
		n = wire__receive(COURIER_FD, &p, sizeof(p), &fd);
		if (n != (int)sizeof(p) || p.magic != COURIER_MAGIC || !memchr(p.url, '\0', sizeof(p.url)) ||
		    !memchr(p.ca_file, '\0', sizeof(p.ca_file)) || fd < 0)
			break;
		code = answer(curl, &p, fd);
		io__close(&fd);
		if (code)
			break;
	}
	if (n == -ENOTSOCK || n == -EBADF)
		fputs("everprof: courier-process is started by the agent, not by people\n", stderr);
	return n == -EPIPE ? 0 : 1; /* the system takes back what is left */
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * courier - the process that posts to others, and the agent's end of the talk with it: one body at a time to one address, and what came of it.
 *
 * It is this same binary started anew, as the one that serves is (host.h), and closed in likewise (SANDBOX_DELIVERS): what answers is the network, and no
 * answer of it is read with privilege. It is started with the first post; where it ends, what was under way failed, and the next post starts another.
 *
 *      post  url, timeout, memfd of the body  ───>  courier  ───> HTTP(S), no redirects
 *      <─── status of the answer, or the error of libcurl, and for how long the other side asks to be left alone
 *
 * Owns: the process, the socket. Thread: that of its loop. Limit: one post at a time. Errors: -EBUSY one is under way; -E2BIG; -errno where it cannot start.
 */
#ifndef EVERPROF_SERVER_COURIER_H
#define EVERPROF_SERVER_COURIER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COURIER_URL_MAX    1100
#define COURIER_TEXT_MAX   160
#define COURIER_CA_MAX     512
#define COURIER_TIMEOUT_MS 10000

struct courier;
struct loop;

struct courier_answer {
	uint64_t id;
	int status;          /* of HTTP; 0: there was no answer */
	uint64_t after_ns;   /* Retry-After; 0: none */
	const char *text;    /* why there was none */
	bool is_worth_a_try; /* it may work later: no answer, 408, 429, 5xx */
	bool is_taken;       /* 2xx */
};

typedef void (*courier_done_fn)(void *ctx, const struct courier_answer *a);

int courier__new(struct loop *loop, courier_done_fn done, void *ctx, struct courier **ret);
void courier__free(struct courier *c);
bool courier__is_busy(const struct courier *c);
/*
 * Answered later, once; never from inside of this call. The body is JSON. ca_file: of certificates by which others are known, which the courier reads as a user
 * that may little; "": those of the system.
 */
int courier__post(struct courier *c, uint64_t id, const char *url, const char *ca_file, const void *body,
		  size_t len);
/* Ends the process where nothing is under way; the next post starts another. */
void courier__dismiss(struct courier *c);
/* The process's main: `everprof courier-process`. The exit status. */
int courier__main(void);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host - the collector's half of the server: it listens, starts the process that serves, and answers what that asks (wire.h).
 *
 * The sockets are the host's, so that a process that crashed can be replaced while clients wait in the backlog. What may be asked comes as a port, so that
 * this folder needs to know nothing of the kernel, and a test answers with ten lines.
 *
 * Owns: the sockets, the process, what it waits for. Thread: that of its loop. Limit: HOST_LIVE_MAX profiles at once, WIRE_MESSAGES_A_SECOND.
 * Errors: -errno with one clear line at the start; afterwards logged.
 */
#ifndef EVERPROF_SERVER_HOST_H
#define EVERPROF_SERVER_HOST_H

#include <stdbool.h>
#include <stdint.h>

#define HOST_LIVE_MAX 24

struct buf;
struct err;
struct loop;
struct server_host;
struct store_name;
struct text_list;

struct server_port {
	/* Appends struct store_file; event NULL: all. */
	int (*list)(void *ctx, const char *event, uint64_t from_ns, uint64_t to_ns, bool windows_only,
		    struct buf *to);
	int (*open_file)(void *ctx, const struct store_name *name, int *ret_fd);
	/* Answers later, once, by server_host__live_done, or fails at once. CLOCK_REALTIME. */
	int (*live)(void *ctx, uint64_t id, const char *event, uint64_t from_ns, uint64_t to_ns,
		    uint32_t rate_hz);
	/* The same: a timeline of the scheduler, from now. */
	int (*trace)(void *ctx, uint64_t id, uint64_t to_ns);
	void (*cancel)(void *ctx, uint64_t id);
	void (*metrics)(void *ctx, struct buf *to);
	/* Appends struct usage_head and its rows; is_series: those of pid alone and its points. NULL: nothing is known. */
	int (*usage)(void *ctx, bool is_series, uint32_t pid, struct buf *to);
	/* JSON; NULL: there are no rules. */
	void (*rules)(void *ctx, bool alerts_only, struct buf *to);
	/* Appends struct capture_folder. */
	int (*captures)(void *ctx, struct buf *to);
	int (*capture_file)(void *ctx, const char *id, const char *file, int *ret_fd);
	/* Appends "ok\n…" or "error <errno>\n<line>"; the text is changed. */
	int (*command)(void *ctx, char *text, struct buf *to);
	void *ctx;
};

struct server_host_opts {
	const char *listen; /* NULL: none */
	const char *socket; /* NULL: none */
	const char *credentials;
	const char *tls_certificate, *tls_key, *tls_client_ca;
	const struct text_list *hosts;
	bool open_to_the_network;
	uint32_t max_connections, max_captures;
	uint64_t max_duration_ns;
};

/* -EPERM: would listen beyond this host without authentication. -EADDRINUSE: the caller may go on without. The opts are copied, texts and all. */
int server_host__new(const struct server_host_opts *opts, const struct server_port *port, struct loop *loop,
		     struct server_host **ret, struct err *err);
void server_host__free(struct server_host *h);
/* Looks now, not only after a while, whether the files that the opts name were renewed. */
void server_host__renew(struct server_host *h);
/* fd: a memfd that becomes the host's, or FD_CLOSED with err. */
void server_host__live_done(struct server_host *h, uint64_t id, int err, int fd);
/* What to type into a browser, or "". */
const char *server_host__url(const struct server_host *h);

#endif

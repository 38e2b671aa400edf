/* SPDX-License-Identifier: Apache-2.0 */
/*
 * listener - sockets that wait for connections: TCP by an address as the configuration writes it, or a Unix path.
 *
 * Owns: the fd is the caller's. Thread: any (names are looked up, so it may wait). Limit: none. Errors: -errno with one clear line.
 */
#ifndef EVERPROF_SERVER_LISTENER_H
#define EVERPROF_SERVER_LISTENER_H

#include <stdbool.h>

#define LISTENER_URL_MAX 128

struct err;

struct listener {
	int fd;
	bool is_local;                  /* only this host can reach it */
	char address[LISTENER_URL_MAX]; /* "127.0.0.1:9909", with the port that was picked */
};

/* "127.0.0.1:9909", "[::1]:9909", "name:0". Nothing listens yet: ask is_local first. */
int listener__bind_tcp(const char *address, struct listener *ret, struct err *err);
int listener__bind_unix(const char *path, struct listener *ret, struct err *err);
int listener__listen(struct listener *l, struct err *err);

#endif

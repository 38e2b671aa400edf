/* SPDX-License-Identifier: Apache-2.0 */
/*
 * settings - all that the server's process is told, as one block that passes in a sealed memfd when it starts.
 *
 * Secrets and keys are read by the collector, which may, and are never in arguments or the environment.
 *
 * Owns: nothing (one flat struct; both sides are the same binary). Thread: any. Limit: the arrays. Errors: -EBADMSG.
 */
#ifndef EVERPROF_SERVER_SETTINGS_H
#define EVERPROF_SERVER_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "user/server/credential.h"

#define SETTINGS_MAGIC     0x31736573u
#define SETTINGS_HOSTS_MAX 32
#define SETTINGS_HOST_MAX  256
#define SETTINGS_PEM_MAX   (64u << 10)
#define SETTINGS_ARGS_MAX  4096

struct settings {
	uint32_t magic;
	uint32_t max_connections, max_captures;
	uint64_t max_duration_ns;
	uint32_t n_hosts, args_len;
	char hosts[SETTINGS_HOSTS_MAX][SETTINGS_HOST_MAX];
	struct credential_list credentials;
	char args[SETTINGS_ARGS_MAX]; /* the agent's, NUL between them */
	bool is_tls, wants_client_certificate;
	char certificate[SETTINGS_PEM_MAX], key[SETTINGS_PEM_MAX], client_ca[SETTINGS_PEM_MAX]; /* texts */
};

/* Where the process finds what it was given. */
enum settings_fd { SETTINGS_FD_WIRE = 3, SETTINGS_FD_SETTINGS, SETTINGS_FD_TCP, SETTINGS_FD_UNIX };

#endif

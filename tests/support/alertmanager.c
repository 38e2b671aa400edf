// SPDX-License-Identifier: Apache-2.0
#include "tests/support/alertmanager.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#define PROGRAM "/usr/bin/prometheus-alertmanager"

bool alertmanager__is_here(void)
{
	return !access(PROGRAM, X_OK);
}

int alertmanager__free_port(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	close(fd);
	return ntohs(a.sin_port);
}

void alertmanager__start(const struct recording *r, struct run *am, int port, const char *route,
			 const char *receivers)
{
	char config[256], storage[256], address[64];
	FILE *f = fopen(recording__file(r, "am.yml"), "we");

	assert_non_null(f);
	fprintf(f, "route: %s\nreceivers: %s\n", route, receivers);
	assert_int_equal(fclose(f), 0);
	snprintf(config, sizeof(config), "--config.file=%s/am.yml", r->dir);
	snprintf(storage, sizeof(storage), "--storage.path=%s/am", r->dir);
	snprintf(address, sizeof(address), "--web.listen-address=127.0.0.1:%d", port);
	assert_int_equal(run__start(am, (const char *[]){PROGRAM, config, storage, address,
							 "--cluster.listen-address=", NULL}),
			 0);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/answer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

#include "user/base/io.h"

#define ANSWER_MAX ((size_t)64 << 20)

int answer__connect(int port)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
				.sin_port = htons((uint16_t)port),
				.sin_addr = {htonl(INADDR_LOOPBACK)}};
	const struct timeval limit = {.tv_sec = 20};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)))
		io__close(&fd);
	return fd;
}

int answer__over(int fd, const char *request, struct answer *a)
{
	char piece[65536], *end;
	ssize_t n;

	a->status = 0;
	a->body = "";
	buf__init(&a->all, ANSWER_MAX);
	if (fd < 0 || io__write_full(fd, request, strlen(request)))
		goto out;
	while ((n = read(fd, piece, sizeof(piece))) > 0)
		buf__append(&a->all, piece, (size_t)n);
	buf__str(&a->all);
	end = a->all.len ? memmem(a->all.data, a->all.len, "\r\n\r\n", 4) : NULL;
	if (end && sscanf((char *)a->all.data, "HTTP/1.1 %d", &a->status) == 1) {
		*end = '\0';
		a->body = end + 4;
		a->len = a->all.len - (size_t)(a->body - (char *)a->all.data);
	}
out:
	io__close(&fd);
	return a->status;
}

int answer__ask(int port, const char *request, struct answer *a)
{
	return answer__over(answer__connect(port), request, a);
}

int answer__get(int port, const char *path, const char *headers, struct answer *a)
{
	char request[4096];

	snprintf(request, sizeof(request),
		 "GET %s HTTP/1.1\r\nHost: localhost:%d\r\nConnection: close\r\n%s\r\n", path, port, headers);
	return answer__ask(port, request, a);
}

int answer__status(int port, const char *path, const char *headers)
{
	struct answer a;
	int status = answer__get(port, path, headers, &a);

	buf__done(&a.all);
	return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "user/server/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "user/base/err.h"
#include "user/base/io.h"

#define BACKLOG 512

static bool is_loopback(const struct sockaddr *a)
{
	const struct in6_addr *six = &((const struct sockaddr_in6 *)a)->sin6_addr;

	if (a->sa_family == AF_INET)
		return ntohl(((const struct sockaddr_in *)a)->sin_addr.s_addr) >> 24 == 127;
	if (a->sa_family != AF_INET6)
		return false;
	return IN6_IS_ADDR_LOOPBACK(six) || (IN6_IS_ADDR_V4MAPPED(six) && six->s6_addr[12] == 127);
}

/* "[::1]:80" to "::1" and "80". */
static int split(const char *address, char *host, size_t size, const char **ret_port)
{
	const char *colon = strrchr(address, ':'), *end = colon;

	if (!colon)
		return -EINVAL;
	if (*address == '[' && end > address && end[-1] == ']') {
		address++;
		end--;
	}
	if ((size_t)(end - address) >= size)
		return -EINVAL;
	memcpy(host, address, (size_t)(end - address));
	host[end - address] = '\0';
	*ret_port = colon + 1;
	return 0;
}

static int bind_one(const struct addrinfo *ai, struct listener *ret)
{
	struct sockaddr_storage bound;
	socklen_t len = sizeof(bound);
	char host[INET6_ADDRSTRLEN];
	int one = 1, err = 0, port;
	int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, ai->ai_addr, ai->ai_addrlen) || getsockname(fd, (struct sockaddr *)&bound, &len)) {
		err = -errno;
		io__close(&fd);
		return err;
	}
	getnameinfo((struct sockaddr *)&bound, len, host, sizeof(host), NULL, 0, NI_NUMERICHOST);
	port = ntohs(bound.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&bound)->sin6_port
						 : ((struct sockaddr_in *)&bound)->sin_port);
	ret->fd = fd;
	ret->is_local = is_loopback((struct sockaddr *)&bound);
	snprintf(ret->address, sizeof(ret->address), strchr(host, ':') ? "[%s]:%d" : "%s:%d", host, port);
	return 0;
}

int listener__bind_tcp(const char *address, struct listener *ret, struct err *err)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
	struct addrinfo *found = NULL;
	char host[256];
	const char *port;
	int code = split(address, host, sizeof(host), &port), why;

	if (code)
		return err__set(err, code, "server.listen: '%s' is no address", address);
	why = getaddrinfo(*host ? host : NULL, port, &hints, &found);
	if (why)
		return err__set(err, -EINVAL, "server.listen: '%s': %s", address, gai_strerror(why));
	code = -EADDRNOTAVAIL;
	for (const struct addrinfo *ai = found; ai && code; ai = ai->ai_next)
		code = bind_one(ai, ret);
	freeaddrinfo(found);
	return code ? err__set(err, code, "server.listen: cannot listen on '%s': %s", address,
			       strerror(-code))
		    : 0;
}

int listener__bind_unix(const char *path, struct listener *ret, struct err *err)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	struct stat st;
	mode_t before;
	int fd, code = 0;

	if (strlen(path) >= sizeof(a.sun_path))
		return err__set(err, -ENAMETOOLONG, "server.socket: '%s' is longer than %zu bytes", path,
				sizeof(a.sun_path) - 1);
	strcpy(a.sun_path, path);
	/* one that an agent before us left behind; nothing else is removed */
	if (!lstat(path, &st) && S_ISSOCK(st.st_mode))
		unlink(path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	before = umask(0117);
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)))
		code = -errno;
	umask(before);
	if (code) {
		io__close(&fd);
		return err__set(err, code, "server.socket: cannot listen on '%s': %s", path, strerror(-code));
	}
	*ret = (struct listener){.fd = fd, .is_local = true};
	snprintf(ret->address, sizeof(ret->address), "%s", path);
	return 0;
}

int listener__listen(struct listener *l, struct err *err)
{
	if (!listen(l->fd, BACKLOG))
		return 0;
	return err__set(err, -errno, "server: cannot listen on '%s': %s", l->address, strerror(errno));
}

// SPDX-License-Identifier: Apache-2.0
/*
 * asker redis PORT CGROUP AGENT_PID PAIRS
 * asker postgres SOCKET CGROUP AGENT_PID PAIRS - asks a server one thing after the other over a few connections, and prints how fast it answers with the hook of an
 * agent in place (agent_hook.h), and without.
 *
 * Problem: a hook costs a server less than half of a percent, and between two runs of a client the rate differs by ten.
 * Idea: one client that never ends, and slices of 200 ms, every other one with the hook, in turns first and second of their pair: what drifts by the second
 *   meets both alike. Beside the rate the CPU time of the server (of its control group) for a request, from which no hypervisor takes.
 * Output: NAME_none.N RATE, NAME_hook.N RATE, NAME_cpu_none.N and NAME_cpu_hook.N, microseconds a request.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/agent_hook.h"

#define SLICE_NS    200000000ull
#define SETTLE_NS   20000000ull
#define CONNECTIONS 20

struct connection {
	int fd;
	uint8_t in[8192]; /* of an answer that is not whole */
	size_t n;
};

struct server {
	const char *name;
	int n_connections;
	int (*connect)(const char *where);
	/* writes the next question */
	size_t (*ask)(char *to, size_t size);
	/* length of the answer that begins here; 0: it is not whole */
	size_t (*answer)(const uint8_t *in, size_t n);
};

static void die(const char *what)
{
	fprintf(stderr, "asker: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- redis: a key that is not there ---- */
static int redis_connect(const char *port)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
				.sin_port = htons((uint16_t)atoi(port)),
				.sin_addr = {htonl(INADDR_LOOPBACK)}};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)))
		die("redis");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

static size_t redis_ask(char *to, size_t size)
{
	return (size_t)snprintf(to, size, "*2\r\n$3\r\nGET\r\n$8\r\nkey:%04d\r\n", rand() % 10000);
}

static size_t redis_answer(const uint8_t *in, size_t n)
{
	const uint8_t *end = memchr(in, '\n', n);

	return end ? (size_t)(end - in) + 1 : 0; /* "$-1" */
}

/* ---- postgres: a row by its key, as `pgbench -S` asks ---- */
static uint32_t postgres_length(const uint8_t *in)
{
	return (uint32_t)in[0] << 24 | (uint32_t)in[1] << 16 | (uint32_t)in[2] << 8 | in[3];
}

static size_t postgres_head(uint8_t *to, uint32_t length)
{
	for (int i = 0; i < 4; i++)
		to[i] = (uint8_t)(length >> (24 - 8 * i));
	return 4;
}

/* Up to "ready for query". */
static size_t postgres_answer(const uint8_t *in, size_t n)
{
	size_t at = 0;

	while (at + 5 <= n) {
		size_t whole = 1 + postgres_length(in + at + 1);
		uint8_t type = in[at];

		if (type == 'E') {
			fprintf(stderr, "asker: postgres refuses: %.*s\n", (int)(n - at - 5), in + at + 5);
			exit(1);
		}
		at += whole;
		if (type == 'Z')
			return at <= n ? at : 0;
	}
	return 0;
}

static int postgres_connect(const char *path)
{
	static const char who[] = "user\0postgres\0database\0postgres\0";
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	uint8_t hello[128], in[8192];
	size_t n = 0;
	ssize_t got;

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)))
		die(path);
	postgres_head(hello, 8 + sizeof(who));
	postgres_head(hello + 4, 3 << 16);
	memcpy(hello + 8, who, sizeof(who));
	if (write(fd, hello, 8 + sizeof(who)) < 0)
		die("postgres");
	while (!postgres_answer(in, n)) {
		got = read(fd, in + n, sizeof(in) - n);
		if (got <= 0)
			die("postgres");
		n += (size_t)got;
	}
	return fd;
}

static size_t postgres_ask(char *to, size_t size)
{
	int n = snprintf(to + 5, size - 5, "SELECT abalance FROM pgbench_accounts WHERE aid = %d;",
			 rand() % 500000 + 1);

	to[0] = 'Q';
	postgres_head((uint8_t *)to + 1, (uint32_t)n + 5);
	return (size_t)n + 6;
}

static const struct server servers[] = {
	{"redis", CONNECTIONS, redis_connect, redis_ask, redis_answer},
	{"postgres", 4, postgres_connect, postgres_ask, postgres_answer},
};

/* ---- asking ---- */
static void ask(const struct server *s, struct connection *c)
{
	char text[256];
	size_t n = s->ask(text, sizeof(text));

	if (write(c->fd, text, n) != (ssize_t)n)
		die("ask");
}

/* What has come; true: that was an answer, and the next thing is asked. */
static bool take(const struct server *s, struct connection *c)
{
	ssize_t got = read(c->fd, c->in + c->n, sizeof(c->in) - c->n);
	size_t answer;

	if (got <= 0)
		die("the server has closed");
	c->n += (size_t)got;
	answer = s->answer(c->in, c->n);
	if (!answer)
		return false;
	c->n = 0; /* one question, one answer */
	ask(s, c);
	return true;
}

/* Until then; how many answers. */
static uint64_t go_on(const struct server *s, int poll, uint64_t until_ns)
{
	struct epoll_event events[CONNECTIONS];
	uint64_t n_answers = 0;

	while (now_ns() < until_ns) {
		int n = epoll_wait(poll, events, CONNECTIONS, 100);

		for (int i = 0; i < n; i++)
			n_answers += take(s, events[i].data.ptr);
	}
	return n_answers;
}

static double cpu_us(const char *cgroup)
{
	char path[4096], line[128];
	long long us = -1;
	FILE *f;

	snprintf(path, sizeof(path), "%s/cpu.stat", cgroup);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		sscanf(line, "usage_usec %lld", &us);
	if (f)
		fclose(f);
	if (us < 0)
		die(path);
	return (double)us;
}

static void slice(const struct server *s, int poll, const char *cgroup, int program, int pair)
{
	const char *which = program < 0 ? "none" : "hook";
	int link = program < 0 ? -1 : agent_hook__attach(program);
	uint64_t began, n;
	double cpu;

	if (program >= 0 && link < 0)
		die("put the hook in place");
	go_on(s, poll, now_ns() + SETTLE_NS);
	began = now_ns();
	cpu = cpu_us(cgroup);
	n = go_on(s, poll, began + SLICE_NS);
	cpu = cpu_us(cgroup) - cpu;
	printf("%s_%s.%d %.1f\n", s->name, which, pair, (double)n * 1e9 / (double)(now_ns() - began));
	printf("%s_cpu_%s.%d %.3f\n", s->name, which, pair, cpu / (double)n);
	fflush(stdout);
	if (link >= 0)
		close(link);
}

int main(int argc, char **argv)
{
	static struct connection connections[CONNECTIONS];
	const struct server *s = argc == 6 && !strcmp(argv[1], "postgres") ? &servers[1] : &servers[0];
	int program, pairs, poll = epoll_create1(EPOLL_CLOEXEC);

	if (argc != 6 || poll < 0) {
		fprintf(stderr, "usage: asker redis|postgres PORT|SOCKET CGROUP AGENT_PID PAIRS\n");
		return 2;
	}
	pairs = atoi(argv[5]);
	for (int i = 0; i < s->n_connections; i++) {
		struct epoll_event e = {.events = EPOLLIN, .data.ptr = &connections[i]};

		connections[i].fd = s->connect(argv[2]);
		if (epoll_ctl(poll, EPOLL_CTL_ADD, connections[i].fd, &e))
			die("epoll");
		ask(s, &connections[i]);
	}
	/* under this load the agent gives its own hook up */
	go_on(s, poll, now_ns() + 8000000000ull);
	program = agent_hook__find(atoi(argv[4]));
	if (program < 0)
		die("the agent has no hook on switches, or has it in place itself");
	for (int pair = 1; pair <= pairs; pair++)
		for (int turn = 0; turn < 2; turn++)
			slice(s, poll, argv[3], (pair + turn) % 2 ? program : -1, pair);
	return 0;
}

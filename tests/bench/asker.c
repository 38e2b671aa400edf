// SPDX-License-Identifier: Apache-2.0
/*
 * asker SERVER WHERE GROUPS AGENT_PID CONFIG PAIRS - asks a server one thing after the other over a few connections, and prints how fast it answers while an agent
 * records waits, and while the same agent does not.
 *
 *      SERVER            WHERE     asks
 *      redis, redis_one  PORT      for a key that is not there; over 50 connections, over one
 *      postgres          SOCKET    for a row by its key, over 4 connections
 *
 * Problem: it costs a server less than a percent, and between two runs of a client the rate differs by ten.
 * Idea: one client that never ends and one agent that never ends; the agent is told to record waits or not by its configuration, CONFIG, in the place of which CONFIG.on or
 *   CONFIG.off is put. That takes some seconds with all that comes of it (a window is written, rates are found), so slices last for seconds, and are compared in
 *   pairs, off on, on off, off on, …: from one pair to the next nothing changes, and what drifts is in both halves alike.
 * Output: SERVER_WHAT_off.N and SERVER_WHAT_on.N, N the pair, WHAT: rate, requests a second; cpu, the server's us of CPU time a request (of its
 *   control group, GROUPS-SERVER), from which no hypervisor takes; agent, the agent's share of one CPU (GROUPS-agent), in percent; switches, a second, of all CPUs.
 *   SERVER_hook, in how many slices of "on" the agent had its hook on switches in place until the end: it gives it up where its budget does not allow it.
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

#define SLICE_NS        2500000000ull
#define SETTLE_NS       3000000000ull /* a hook that costs more than its budget is given up within these */
#define SWITCH_NS       50000000ull /* how long the agent is given before it is looked whether it has done it … */
#define SWITCH_MAX      200         /* … so many times */
#define WARM_NS         8000000000ull
#define CONNECTIONS_MAX 50

struct connection {
	int fd;
	uint8_t in[8192]; /* of an answer that is not whole */
	size_t n;
};

struct server {
	const char *name, *group;
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
	{"redis", "redis", CONNECTIONS_MAX, redis_connect, redis_ask, redis_answer},
	{"redis_one", "redis", 1, redis_connect, redis_ask, redis_answer},
	{"postgres", "postgres", 4, postgres_connect, postgres_ask, postgres_answer},
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
	struct epoll_event events[CONNECTIONS_MAX];
	uint64_t n_answers = 0;

	while (now_ns() < until_ns) {
		int n = epoll_wait(poll, events, CONNECTIONS_MAX, 100);

		for (int i = 0; i < n; i++)
			n_answers += take(s, events[i].data.ptr);
	}
	return n_answers;
}

/* ---- a slice ---- */
enum { RATE, CPU, AGENT, SWITCHES, READINGS };

static const char *const reading_names[READINGS] = {"rate", "cpu", "agent", "switches"};

struct run {
	const struct server *server;
	const char *groups, *config;
	int poll, agent;
	bool is_on;
	int n_on, n_hook; /* slices */
};

/* The number behind `key` in a file of such lines. */
static double number_in(const char *path, const char *key)
{
	size_t len = strlen(key);
	double value = -1;
	char line[4096];
	FILE *f = fopen(path, "re");

	while (f && value < 0 && fgets(line, sizeof(line), f))
		if (!strncmp(line, key, len) && line[len] == ' ')
			value = strtod(line + len, NULL);
	if (f)
		fclose(f);
	if (value < 0)
		die(path);
	return value;
}

static double cpu_us(const struct run *r, const char *group)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s-%s/cpu.stat", r->groups, group);
	return number_in(path, "usage_usec");
}

static void look(const struct run *r, double ret[READINGS])
{
	ret[CPU] = cpu_us(r, r->server->group);
	ret[AGENT] = cpu_us(r, "agent");
	ret[SWITCHES] = number_in("/proc/stat", "ctxt");
}

static void slice(struct run *r, int pair)
{
	double before[READINGS], now[READINGS], n, s;
	uint64_t began;

	look(r, before);
	began = now_ns();
	n = (double)go_on(r->server, r->poll, began + SLICE_NS);
	s = (double)(now_ns() - began) / 1e9;
	look(r, now);
	now[RATE] = n / s;
	now[CPU] = (now[CPU] - before[CPU]) / n;
	now[AGENT] = (now[AGENT] - before[AGENT]) / s / 1e4;
	now[SWITCHES] = (now[SWITCHES] - before[SWITCHES]) / s;
	for (int i = 0; i < READINGS; i++)
		printf("%s_%s_%s.%d %.3f\n", r->server->name, reading_names[i], r->is_on ? "on" : "off", pair,
		       now[i]);
	fflush(stdout);
	r->n_on += r->is_on;
	r->n_hook += r->is_on && agent_hook__is_in_place(r->agent);
}

/* The agent records waits, or does not, and has come to rest. */
static void turn(struct run *r, bool on)
{
	char target[4096], link[4096];
	int left = SWITCH_MAX;

	if (r->is_on != on) {
		snprintf(target, sizeof(target), "%s.%s", r->config, on ? "on" : "off");
		snprintf(link, sizeof(link), "%s.new", r->config);
		if (symlink(target, link) || rename(link, r->config))
			die(r->config);
	}
	while (agent_hook__is_in_place(r->agent) != on && left--)
		go_on(r->server, r->poll, now_ns() + SWITCH_NS);
	if (left < 0) {
		fprintf(stderr, "asker: the agent does not turn its hook on switches %s\n",
			on ? "on" : "off");
		exit(1);
	}
	r->is_on = on;
	go_on(r->server, r->poll, now_ns() + SETTLE_NS);
}

static const struct server *find_server(const char *name)
{
	for (size_t i = 0; i < sizeof(servers) / sizeof(*servers); i++)
		if (!strcmp(servers[i].name, name))
			return &servers[i];
	return NULL;
}

int main(int argc, char **argv)
{
	static struct connection connections[CONNECTIONS_MAX];
	struct run r = {.server = argc == 7 ? find_server(argv[1]) : NULL,
			.poll = epoll_create1(EPOLL_CLOEXEC),
			.is_on = true /* or so it may be: it is turned off first */};
	int pairs;

	if (!r.server || r.poll < 0) {
		fprintf(stderr,
			"usage: asker redis|redis_one|postgres PORT|SOCKET GROUPS AGENT_PID CONFIG PAIRS\n");
		return 2;
	}
	r.groups = argv[3];
	r.agent = atoi(argv[4]);
	r.config = argv[5];
	pairs = atoi(argv[6]);
	for (int i = 0; i < r.server->n_connections; i++) {
		struct epoll_event e = {.events = EPOLLIN, .data.ptr = &connections[i]};

		connections[i].fd = r.server->connect(argv[2]);
		if (epoll_ctl(r.poll, EPOLL_CTL_ADD, connections[i].fd, &e))
			die("epoll");
		ask(r.server, &connections[i]);
	}
	go_on(r.server, r.poll, now_ns() + WARM_NS);
	for (int pair = 1; pair <= pairs; pair++) {
		for (int half = 0; half < 2; half++) {
			bool on = (pair + half) % 2 == 0;

			if (on != r.is_on)
				turn(&r, on);
			slice(&r, pair);
		}
	}
	printf("%s_hook %.3f\n", r.server->name, r.n_on ? (double)r.n_hook / r.n_on : 0);
	return 0;
}

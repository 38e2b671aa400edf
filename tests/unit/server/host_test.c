/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process that serves is this binary again (main, below): it tells what it was given as one command, so that a test sees what each new process knows.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/folder.h"
#include "user/base/buf.h"
#include "user/base/clock.h"
#include "user/base/err.h"
#include "user/base/io.h"
#include "user/base/log.h"
#include "user/base/loop.h"
#include "user/config/target.h"
#include "user/server/host.h"
#include "user/server/settings.h"
#include "user/server/wire.h"

#define PATIENCE_NS (60 * NS_PER_SEC)

enum { CREDENTIALS, CERTIFICATE, KEY, SOCKET, N_FILES };

struct fixture {
	char dir[FOLDER_MAX];
	char path[N_FILES][FOLDER_MAX + 32];
	char host[32];
	const char *hosts[1];
	struct text_list host_list;
	struct loop *loop;
	struct server_host *server;
	char told[512]; /* by the newest process */
	char capture[64], file[64];
	uint32_t n_told, want;
};

/* ---- the process ------------------------------------------------------------------------------------------------------ */

static int ask(uint32_t type, const char *text)
{
	const struct wire_request r = {
		.magic = WIRE_MAGIC, .type = type, .id = type, .text_len = (uint32_t)strlen(text)};
	char message[sizeof(r) + WIRE_TEXT_MAX];

	memcpy(message, &r, sizeof(r));
	memcpy(message + sizeof(r), text, r.text_len);
	return wire__send(SETTINGS_FD_WIRE, message, sizeof(r) + r.text_len, FD_CLOSED);
}

static int be_server(void)
{
	struct settings *s = malloc(sizeof(*s));
	char text[WIRE_TEXT_MAX];
	int given;

	if (!s || pread(SETTINGS_FD_SETTINGS, s, sizeof(*s), 0) != sizeof(*s))
		return 1;
	snprintf(text, sizeof(text), "%s %.50s %.50s %s", s->credentials.items[0].secret, s->certificate,
		 s->key, s->n_hosts > 1 ? s->hosts[1] : "-");
	free(s);
	if (ask(WIRE_CAPTURE_FILE, "rule/folder/meta.json") || ask(WIRE_COMMAND, text))
		return 1;
	while (wire__receive(SETTINGS_FD_WIRE, text, sizeof(text), &given) > 0)
		;
	return 0;
}

/* ---- the collector's side --------------------------------------------------------------------------------------------- */

static int on_command(void *ctx, char *text, struct buf *to)
{
	struct fixture *f = ctx;

	snprintf(f->told, sizeof(f->told), "%s", text);
	buf__printf(to, "ok\n");
	if (++f->n_told == f->want)
		loop__stop(f->loop);
	return 0;
}

static int on_capture_file(void *ctx, const char *id, const char *file, int *ret_fd)
{
	struct fixture *f = ctx;

	(void)ret_fd;
	snprintf(f->capture, sizeof(f->capture), "%s", id);
	snprintf(f->file, sizeof(f->file), "%s", file);
	return -ENOENT;
}

static int on_patience(uint64_t n_expired, void *ctx)
{
	(void)n_expired;
	(void)ctx;
	return -ETIMEDOUT;
}

static void put(struct fixture *f, int file, const char *text)
{
	int fd = open(f->path[file], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static void set_time(const char *path, time_t seconds)
{
	const struct timespec times[] = {{.tv_sec = seconds}, {.tv_sec = seconds}};

	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

/* Until `n` processes have told what they know, since the start. */
static void wait_for(struct fixture *f, uint32_t n)
{
	struct loop_source *patience;

	f->want = n;
	if (f->n_told >= n)
		return;
	assert_int_equal(loop__add_timer(f->loop, PATIENCE_NS, 0, on_patience, NULL, &patience), 0);
	assert_int_equal(loop__run(f->loop), 0);
	loop__remove(f->loop, patience);
}

static int set_up(void **state)
{
	static const char *const names[N_FILES] = {"credentials", "certificate", "key", "socket"};
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f || folder__make(f->dir) || loop__new(&f->loop))
		return -1;
	log__set_level(LOG_LEVEL_ERROR);
	for (int i = 0; i < N_FILES; i++)
		snprintf(f->path[i], sizeof(f->path[i]), "%s/%s", f->dir, names[i]);
	strcpy(f->host, "profiles.example");
	f->hosts[0] = f->host;
	f->host_list = (struct text_list){.items = f->hosts, .n = 1};
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	int err;

	server_host__free(f->server);
	loop__free(f->loop);
	err = folder__remove(f->dir);
	free(f);
	return err;
}

static void start(struct fixture *f)
{
	const struct server_host_opts opts = {
		.socket = f->path[SOCKET],
		.credentials = f->path[CREDENTIALS],
		.tls_certificate = f->path[CERTIFICATE],
		.tls_key = f->path[KEY],
		.hosts = &f->host_list,
		.max_connections = 4,
		.max_captures = 1,
		.max_duration_ns = NS_PER_SEC,
	};
	const struct server_port port = {.command = on_command, .capture_file = on_capture_file, .ctx = f};
	struct err err = {0};

	put(f, CREDENTIALS, "view bearer token-one\n");
	set_time(f->path[CREDENTIALS], 2000000000);
	put(f, CERTIFICATE, "certificate-one");
	put(f, KEY, "key-one");
	if (server_host__new(&opts, &port, f->loop, &f->server, &err))
		fail_msg("%s", err.text);
	wait_for(f, 1);
	assert_string_equal(f->told, "token-one certificate-one key-one profiles.example");
}

/* ---- tests ------------------------------------------------------------------------------------------------------------ */

/* A reload frees the configuration that the host was made from. */
static void options_may_be_gone_when_a_file_is_renewed(void **state)
{
	struct fixture *f = *state;
	char path[N_FILES][FOLDER_MAX + 32];

	start(f);
	assert_int_equal(access(f->path[SOCKET], F_OK), 0);
	put(f, CREDENTIALS, "view bearer token-two\n");
	memcpy(path, f->path, sizeof(path));
	for (int i = 0; i < N_FILES; i++)
		memset(f->path[i], 'x', strlen(f->path[i]));
	memset(f->host, 'x', strlen(f->host));
	f->hosts[0] = NULL;
	f->host_list = (struct text_list){0};
	server_host__renew(f->server);
	wait_for(f, 2);
	assert_string_equal(f->told, "token-two certificate-one key-one profiles.example");
	server_host__free(f->server);
	f->server = NULL;
	assert_int_equal(access(path[SOCKET], F_OK), -1);
}

/* As cp -p and rsync -a leave it: a token that was revoked must not stay good. */
static void file_of_an_older_time_is_taken(void **state)
{
	struct fixture *f = *state;

	start(f);
	put(f, CREDENTIALS, "view bearer token-two\n");
	set_time(f->path[CREDENTIALS], 1000000000);
	server_host__renew(f->server);
	wait_for(f, 2);
	assert_string_equal(f->told, "token-two certificate-one key-one profiles.example");
	put(f, KEY, "key-two");
	set_time(f->path[KEY], 1000000000);
	server_host__renew(f->server);
	wait_for(f, 3);
	assert_string_equal(f->told, "token-two certificate-one key-two profiles.example");
}

static int renew_token(uint64_t n_expired, void *ctx)
{
	struct fixture *f = ctx;

	(void)n_expired;
	put(f, CREDENTIALS, "view bearer token-two\n");
	server_host__renew(f->server);
	return 0;
}

/* The first process to come is that of the token: none came for a key that was written again as it was. */
static void file_with_the_same_bytes_ends_nobodys_connection(void **state)
{
	struct fixture *f = *state;

	start(f);
	put(f, KEY, "key-one");
	server_host__renew(f->server);
	assert_int_equal(loop__add_timer(f->loop, 2000 * NS_PER_MS, 0, renew_token, f, NULL), 0);
	wait_for(f, 2);
	assert_string_equal(f->told, "token-two certificate-one key-one profiles.example");
}

/* By rule and folder, where the collector need not look for it. */
static void capture_may_be_named_by_its_place(void **state)
{
	struct fixture *f = *state;

	start(f);
	assert_string_equal(f->capture, "rule/folder");
	assert_string_equal(f->file, "meta.json");
}

static int write_key(uint64_t n_expired, void *ctx)
{
	(void)n_expired;
	put(ctx, KEY, "key-two");
	return 0;
}

/* Here the first look falls between the two writes; it comes as soon as the loop runs. */
static void certificate_waits_for_its_key(void **state)
{
	struct fixture *f = *state;

	start(f);
	put(f, CERTIFICATE, "certificate-two");
	server_host__renew(f->server);
	assert_int_equal(loop__add_timer(f->loop, 100 * NS_PER_MS, 0, write_key, f, NULL), 0);
	wait_for(f, 2);
	assert_string_equal(f->told, "token-one certificate-two key-two profiles.example");
	assert_int_equal(f->n_told, 2);
}

#define host_test(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		host_test(options_may_be_gone_when_a_file_is_renewed),
		host_test(file_with_the_same_bytes_ends_nobodys_connection),
		host_test(file_of_an_older_time_is_taken),
		host_test(capture_may_be_named_by_its_place),
		host_test(certificate_waits_for_its_key),
	};

	if (argc == 2 && !strcmp(argv[1], "server-process"))
		return be_server();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

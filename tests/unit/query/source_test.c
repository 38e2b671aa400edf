/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "exporters/format/pprof.h"
#include "tests/support/folder.h"
#include "tests/support/profile_text.h"
#include "user/base/err.h"
#include "user/base/io.h"
#include "user/query/source.h"

#define S 1000000000ull

static const char *in_dir(const char *name)
{
	static char paths[4][256];
	static int next;
	char *path = paths[next++ % 4];

	snprintf(path, 256, "%s/%s", test_dir, name);
	return path;
}

/* A profile of one sample of that value, in the folder's file of that name. */
static void write_profile(const char *name, const char *type, int64_t value)
{
	struct profile *p = text_profile(type, "count", NULL, NULL);
	struct buf b;
	FILE *f;

	put(p, "main;work", "", value, 0);
	assert_int_equal(profile__seal(p), 0);
	buf__init(&b, 1 << 20);
	assert_int_equal(pprof__encode(p, NULL, &b), 0);
	f = fopen(in_dir(name), "w");
	assert_non_null(f);
	assert_int_equal(fwrite(b.data, 1, b.len, f), b.len);
	fclose(f);
	buf__done(&b);
	profile__free(p);
}

static int load(const char *const *paths, uint32_t n, const struct source_opts *opts, struct profile **ret,
		struct err *e)
{
	struct source s;

	source__init(&s, paths, n, opts);
	return source__load(&s, ret, e);
}

static int64_t loaded_value(const char *const *paths, uint32_t n, const struct source_opts *opts)
{
	struct profile *p = NULL;
	struct err e = {""};
	int64_t value;
	int err = load(paths, n, opts, &p, &e);

	assert_string_equal(e.text, "");
	assert_int_equal(err, 0);
	assert_true(profile__sealed(p));
	assert_int_equal(profile__n_samples(p), 1);
	value = profile__get_sample(p, 0)->values[0];
	profile__free(p);
	return value;
}

static void assert_refused(const char *path, int want, const char *text)
{
	const char *paths[] = {path};
	struct profile *p = NULL;
	struct err e = {""};

	assert_int_equal(load(paths, 1, &(struct source_opts){0}, &p, &e), want);
	assert_null(p);
	if (!strstr(e.text, text))
		fail_msg("'%s' is not in '%s'", text, e.text);
}

static void files_are_added_up(void **state)
{
	struct source_opts o = {0};

	(void)state;
	write_profile("a.pb.gz", "samples", 3);
	write_profile("b.pb.gz", "samples", 4);
	assert_int_equal(loaded_value((const char *[]){in_dir("a.pb.gz")}, 1, &o), 3);
	assert_int_equal(
		loaded_value((const char *[]){in_dir("a.pb.gz"), in_dir("b.pb.gz"), in_dir("a.pb.gz")}, 3,
			     &o),
		10);
}

static void files_of_different_types_are_refused_by_name(void **state)
{
	const char *paths[2];
	struct profile *p = NULL;
	struct err e = {""};

	(void)state;
	write_profile("a.pb.gz", "samples", 3);
	write_profile("m.pb.gz", "faults", 3);
	paths[0] = in_dir("a.pb.gz");
	paths[1] = in_dir("m.pb.gz");
	assert_int_equal(load(paths, 2, &(struct source_opts){0}, &p, &e), -EINVAL);
	assert_non_null(strstr(e.text, "m.pb.gz' have different sample types"));
	assert_null(p);
}

static void a_folder_of_record_gives_the_event_that_is_asked_for(void **state)
{
	const char *paths[] = {test_dir};

	(void)state;
	write_profile("cpu.pb.gz", "samples", 5);
	write_profile("memory.pb.gz", "faults", 6);
	assert_int_equal(loaded_value(paths, 1, &(struct source_opts){0}), 5);
	assert_int_equal(loaded_value(paths, 1, &(struct source_opts){.event = "memory"}), 6);
}

/* 2023-11-14, 22:13 and on: windows of a minute with values 1, 2, 4, …; the last ten minutes are what is asked for by default. */
static void of_a_store_the_range_counts_and_the_last_minutes_without_one(void **state)
{
	const uint64_t start = 1700000000 - 20; /* 22:13:00 */
	const char *paths[] = {test_dir};

	(void)state;
	assert_int_equal(mkdir(in_dir("snapshots"), 0755), 0);
	assert_int_equal(mkdir(in_dir("snapshots/2023-11-14"), 0755), 0);
	for (int i = 0; i < 12; i++) {
		char name[80];

		snprintf(name, sizeof(name), "snapshots/2023-11-14/22%02d00Z.60s.cpu.pb.gz", 13 + i);
		write_profile(name, "samples", 1 << i);
	}
	write_profile("snapshots/2023-11-14/221300Z.60s.memory.pb.gz", "faults", 77);
	assert_int_equal(loaded_value(paths, 1, &(struct source_opts){0}), 0xfff - 3);
	assert_int_equal(
		loaded_value(paths, 1,
			     &(struct source_opts){.from_ns = start * S, .to_ns = (start + 120) * S}),
		3);
	assert_int_equal(loaded_value(paths, 1, &(struct source_opts){.from_ns = (start + 600) * S}), 0xc00);
	assert_int_equal(loaded_value(paths, 1, &(struct source_opts){.to_ns = (start + 60) * S}), 1);
	assert_int_equal(loaded_value(paths, 1, &(struct source_opts){.event = "memory"}), 77);
}

static void what_cannot_be_read_is_named(void **state)
{
	FILE *f;

	(void)state;
	assert_refused(in_dir("missing.pb.gz"), -ENOENT, "missing.pb.gz': No such file");
	f = fopen(in_dir("text"), "w");
	fputs("hello, world\n", f);
	fclose(f);
	assert_refused(in_dir("text"), -EBADMSG, "text': pprof: ");
	f = fopen(in_dir("empty"), "w");
	fclose(f);
	assert_refused(in_dir("empty"), -EBADMSG, "empty': pprof: the file is empty");
	assert_int_equal(mkfifo(in_dir("fifo"), 0600), 0);
	assert_refused(in_dir("fifo"), -EINVAL, "fifo': not a regular file");
	assert_refused(test_dir, -ENOENT, "not an everprof store");
}

/* One answer to one connection each, with a file of the folder in it ("": the text alone). */
struct served {
	int fd, port;
	const char *head, *file;
	char request[512];
};

static void *serve_once(void *ctx)
{
	struct served *s = ctx;
	int fd = accept(s->fd, NULL, NULL);
	struct buf b;
	ssize_t n;

	buf__init(&b, 1 << 20);
	buf__append_str(&b, s->head);
	if (s->file)
		io__read_at(AT_FDCWD, in_dir(s->file), 1 << 20, &b);
	n = read(fd, s->request, sizeof(s->request) - 1);
	s->request[n > 0 ? n : 0] = '\0';
	io__write_full(fd, b.data, b.len);
	io__close(&fd);
	buf__done(&b);
	return NULL;
}

static pthread_t serve(struct served *s)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t len = sizeof(a);
	pthread_t thread;

	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(s->fd, (struct sockaddr *)&a, len), 0);
	assert_int_equal(listen(s->fd, 1), 0);
	assert_int_equal(getsockname(s->fd, (struct sockaddr *)&a, &len), 0);
	s->port = ntohs(a.sin_port);
	assert_int_equal(pthread_create(&thread, NULL, serve_once, s), 0);
	return thread;
}

static void a_url_stands_for_what_is_served_there(void **state)
{
	struct served good = {.head = "HTTP/1.0 200 OK\r\n\r\n", .file = "a.pb.gz"},
		      bad = {.head = "HTTP/1.0 404 Not Found\r\n\r\nthere is no such event\nand more"};
	char url[128];
	pthread_t thread;

	(void)state;
	setenv("no_proxy", "*", 1);
	write_profile("a.pb.gz", "samples", 3);
	thread = serve(&good);
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/debug/pprof/profile?seconds=1", good.port);
	assert_int_equal(loaded_value((const char *[]){url}, 1, &(struct source_opts){0}), 3);
	pthread_join(thread, NULL);
	assert_non_null(strstr(good.request, "GET /debug/pprof/profile?seconds=1 HTTP/1.1\r\n"));
	thread = serve(&bad);
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/x", bad.port);
	assert_refused(url, -EIO, "/x' answers 404: there is no such event");
	pthread_join(thread, NULL);
	close(good.fd);
	close(bad.fd);
	/* nobody listens there any more */
	assert_refused(url, -EIO, "cannot read 'http://127.0.0.1:");
	assert_refused("file:///etc/passwd", -ENOENT, "cannot read 'file:///etc/passwd'");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		folder_test(a_url_stands_for_what_is_served_there),
		folder_test(files_are_added_up),
		folder_test(files_of_different_types_are_refused_by_name),
		folder_test(a_folder_of_record_gives_the_event_that_is_asked_for),
		folder_test(of_a_store_the_range_counts_and_the_last_minutes_without_one),
		folder_test(what_cannot_be_read_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

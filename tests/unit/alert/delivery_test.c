// SPDX-License-Identifier: Apache-2.0
/* What waits to be told: its bytes, and the queue of a folder that outlives the agent. */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/support/file_limit.h"
#include "tests/support/folder.h"
#include "user/alert/delivery.h"
#include "user/alert/delivery_queue.h"
#include "user/base/buf.h"
#include "user/base/io.h"

#define S    1000000000ull
#define NOW  (1700000000 * S)
#define MONO (5000 * S)

static void write_post(struct buf *b, const char *url, const char *body, uint64_t created_ns)
{
	buf__clear(b);
	assert_int_equal(delivery__write(DELIVERY_POST, created_ns, url, NULL, 0, body, strlen(body), b), 0);
}

static void what_is_written_is_read(void **state)
{
	static const char env[] = "A=1\0B=two words\n\0";
	const char *args[] = {"/bin/x", "an argument", NULL};
	struct delivery *d = malloc(sizeof(*d));
	struct buf b;

	(void)state;
	buf__init(&b, DELIVERY_BYTES_MAX);
	write_post(&b, "http://h/p?a=b", "{\"a\":\n1}", NOW);
	assert_int_equal(delivery__parse(b.data, b.len, d), 0);
	assert_int_equal(d->kind, DELIVERY_POST);
	assert_string_equal(d->url, "http://h/p?a=b");
	assert_true(d->created_ns == NOW && d->body_len == 8 && !memcmp(d->body, "{\"a\":\n1}", 8));
	buf__clear(&b);
	assert_int_equal(delivery__write(DELIVERY_RUN, NOW, NULL, args, 2, env, sizeof(env) - 1, &b), 0);
	assert_int_equal(delivery__parse(b.data, b.len, d), 0);
	assert_int_equal(d->n_args, 2);
	assert_string_equal(d->args[1], "an argument");
	assert_string_equal(d->body + 4, "B=two words\n");
	/* a script, and what is empty */
	args[0] = "/bin/sh";
	args[1] = "\nset -e\n\n  echo 'a\\n'\n";
	args[2] = "";
	buf__clear(&b);
	assert_int_equal(delivery__write(DELIVERY_RUN, NOW, NULL, args, 3, env, sizeof(env) - 1, &b), 0);
	assert_int_equal(delivery__parse(b.data, b.len, d), 0);
	assert_int_equal(d->n_args, 3);
	for (int i = 0; i < 3; i++)
		assert_string_equal(d->args[i], args[i]);
	assert_string_equal(d->body + 4, "B=two words\n");
	/* a URL that a line does not hold */
	assert_int_equal(delivery__write(DELIVERY_POST, NOW, "http://a\nurl b", NULL, 0, "", 0, &b), -EINVAL);
	buf__done(&b);
	free(d);
}

static void what_is_none_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"everprof-delivery 1",
		"everprof-delivery 2\nkind post\nurl http://a\n\n",
		"everprof-delivery 1\nkind post\nurl http://a\n",
		"everprof-delivery 1\nkind post\n\n",
		"everprof-delivery 1\nkind post\nurl file:///etc/passwd\n\n",
		"everprof-delivery 1\nkind mail\nurl http://a\n\n",
		"everprof-delivery 1\nkind post\nurl http://a\narg /bin/sh\n\n",
		"everprof-delivery 1\nkind run\narg bin/sh\n\n",
		"everprof-delivery 1\nkind run\n\n",
		"everprof-delivery 1\nkind run\narg /bin/sh\nurl http://a\n\n",
		"everprof-delivery 1\nkind run\narg /bin/sh\n\nA=1",
		"everprof-delivery 1\nkind run\nmore /bin/sh\n\n",
		"everprof-delivery 1\nkind run\narg \narg /bin/sh\n\n",
		"everprof-delivery 1\ncreated -1\nkind post\nurl http://a\n\n",
		"everprof-delivery 1\nwhat ever\nkind post\nurl http://a\n\n",
	};
	struct delivery *d = malloc(sizeof(*d));
	struct buf b;

	(void)state;
	buf__init(&b, DELIVERY_BYTES_MAX);
	buf__append_str(&b, "everprof-delivery 1\nkind run\narg /bin/sh\n");
	for (int i = 0; i < DELIVERY_LINE_MAX; i++)
		buf__append_str(&b, "more \n");
	buf__append_char(&b, '\n');
	assert_int_equal(delivery__parse(b.data, b.len, d), -EBADMSG);
	buf__done(&b);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (delivery__parse(bad[i], strlen(bad[i]), d) != -EBADMSG)
			fail_msg("was taken: %s", bad[i]);
	free(d);
}

/* ---- the queue -------------------------------------------------------------------------------------------------------- */

struct fixture {
	char dir[FOLDER_MAX];
	int fd;
	struct delivery_queue queue;
	struct buf bytes, read;
};

static int set_up(void **state)
{
	static struct fixture f;

	f = (struct fixture){0};
	assert_int_equal(folder__make(f.dir), 0);
	f.fd = open(f.dir, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	buf__init(&f.bytes, DELIVERY_BYTES_MAX);
	buf__init(&f.read, DELIVERY_BYTES_MAX);
	assert_int_equal(delivery_queue__open(&f.queue, f.fd), 0);
	*state = &f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	delivery_queue__close(&f->queue);
	io__close(&f->fd);
	buf__done(&f->bytes);
	buf__done(&f->read);
	return folder__remove(f->dir);
}

static void put(struct fixture *f, const char *url, const char *body, uint64_t created_ns)
{
	write_post(&f->bytes, url, body, created_ns);
	assert_int_equal(delivery_queue__add(&f->queue, f->bytes.data, f->bytes.len), 0);
}

/* The body of the next one, "" for none. */
static const char *next(struct fixture *f, uint64_t mono_ns, uint64_t *ret_seq)
{
	const char *text;

	*ret_seq = delivery_queue__next(&f->queue, DELIVERY_POST, mono_ns, NOW, &f->read);
	text = *ret_seq ? strstr(buf__str(&f->read), "\n\n") : NULL;
	return text ? text + 2 : "";
}

static void to_one_address_the_oldest_goes_first_and_holds_up_the_others(void **state)
{
	struct fixture *f = *state;
	uint64_t a, b, c;

	put(f, "http://a/", "a1", NOW);
	put(f, "http://a/", "a2", NOW);
	put(f, "http://b/", "b1", NOW);
	assert_string_equal(next(f, MONO, &a), "a1");
	assert_string_equal(next(f, MONO, &b), "b1");
	assert_string_equal(next(f, MONO, &c), "");
	delivery_queue__failed(&f->queue, a, MONO, 0);
	assert_string_equal(next(f, MONO, &c), "");
	assert_string_equal(next(f, MONO + S, &a), "a1");
	delivery_queue__failed(&f->queue, a, MONO + S, 0);
	/* twice as long, or as long as the other side asks for */
	assert_string_equal(next(f, MONO + 2 * S, &c), "");
	assert_string_equal(next(f, MONO + 3 * S, &a), "a1");
	delivery_queue__failed(&f->queue, a, MONO + 3 * S, 100 * S);
	assert_string_equal(next(f, MONO + 102 * S, &c), "");
	assert_string_equal(next(f, MONO + 103 * S, &a), "a1");
	delivery_queue__done(&f->queue, a);
	assert_string_equal(next(f, MONO + 103 * S, &a), "a2");
	delivery_queue__refused(&f->queue, a);
	delivery_queue__done(&f->queue, b);
	assert_int_equal(f->queue.n, 0);
	assert_int_equal(f->queue.bytes, 0);
	assert_int_equal(f->queue.n_done, 2);
	assert_int_equal(f->queue.n_lost, 1);
	assert_int_equal(f->queue.n_failed_tries, 3);
}

static void what_waits_outlives_the_agent(void **state)
{
	struct fixture *f = *state;
	uint64_t seq;
	int fd;

	put(f, "http://a/", "a1", NOW);
	put(f, "http://a/", "a2", NOW);
	next(f, MONO, &seq); /* under way when the agent is killed */
	delivery_queue__close(&f->queue);
	/* beside them: what a killed write has left, something damaged, something else */
	fd = open(f->dir, O_DIRECTORY | O_RDONLY);
	assert_int_equal(io__write_new(fd, "x", "y", 1, 0600), 0);
	io__close(&fd);
	{
		char path[128];
		FILE *file;

		snprintf(path, sizeof(path), "%s/deliveries/00000000000000ff.delivery", f->dir);
		file = fopen(path, "w");
		fputs("garbage", file);
		fclose(file);
		snprintf(path, sizeof(path), "%s/deliveries/" IO_TMP_PREFIX "1", f->dir);
		fclose(fopen(path, "w"));
	}
	assert_int_equal(delivery_queue__open(&f->queue, f->fd), 0);
	assert_int_equal(f->queue.n, 2);
	assert_int_equal(f->queue.n_lost, 1);
	assert_string_equal(next(f, MONO, &seq), "a1");
	delivery_queue__done(&f->queue, seq);
	put(f, "http://a/", "a3", NOW);
	assert_string_equal(next(f, MONO, &seq), "a2");
	delivery_queue__done(&f->queue, seq);
	assert_string_equal(next(f, MONO, &seq), "a3");
	assert_true(delivery_queue__has(&f->queue, "http://a/", f->queue.next_seq));
	assert_false(delivery_queue__has(&f->queue, "http://a/", seq));
	assert_false(delivery_queue__has(&f->queue, "http://b/", f->queue.next_seq));
}

static void what_is_a_day_old_is_given_up(void **state)
{
	struct fixture *f = *state;
	uint64_t seq;

	put(f, "http://a/", "old", NOW - 25 * 3600 * S);
	put(f, "http://a/", "new", NOW);
	assert_string_equal(next(f, MONO, &seq), "new");
	assert_int_equal(f->queue.n_given_up, 1);
}

static void the_queue_is_bounded_by_number_and_bytes(void **state)
{
	struct fixture *f = *state;
	char *large = malloc(DELIVERY_BYTES_MAX);
	uint64_t seq;

	for (int i = 0; i < DELIVERY_QUEUE_MAX + 10; i++)
		put(f, "http://a/", i < 10 ? "early" : "late", NOW);
	assert_int_equal(f->queue.n, DELIVERY_QUEUE_MAX);
	assert_int_equal(f->queue.n_lost, 10);
	assert_string_equal(next(f, MONO, &seq), "late");
	memset(large, 'x', DELIVERY_BYTES_MAX);
	large[DELIVERY_BYTES_MAX - 200] = '\0';
	for (int i = 0; i < 40; i++)
		put(f, "http://a/", large, NOW);
	assert_true(f->queue.bytes <= DELIVERY_QUEUE_BYTES);
	assert_true(f->queue.n < 40);
	free(large);
}

/* ---- disks that refuse, folders that go ------------------------------------------------------------------------------- */

static int tear_down_limits(void **state)
{
	file_limit__set(RLIM_INFINITY);
	return tear_down(state);
}

static int count_files(const struct fixture *f)
{
	char pattern[FOLDER_MAX + 64];
	glob_t found = {0};
	int n;

	snprintf(pattern, sizeof(pattern), "%s/deliveries/*", f->dir);
	glob(pattern, 0, NULL, &found);
	n = (int)found.gl_pathc;
	globfree(&found);
	return n;
}

static void run(const struct fixture *f, const char *command)
{
	char line[1024];

	snprintf(line, sizeof(line), "cd %s && %s", f->dir, command);
	assert_int_equal(system(line), 0);
}

/* As after SIGKILL. */
static void start_again(struct fixture *f)
{
	delivery_queue__close(&f->queue);
	assert_int_equal(delivery_queue__open(&f->queue, f->fd), 0);
}

static void what_the_disk_refuses_is_told_from_memory(void **state)
{
	struct fixture *f = *state;
	uint64_t seq;

	put(f, "http://a/", "a1", NOW);
	file_limit__set(0);
	put(f, "http://a/", "a2", NOW);
	put(f, "http://a/", "a3", NOW);
	assert_int_equal(f->queue.err, -EFBIG);
	assert_int_equal(f->queue.n_lost, 0);
	assert_int_equal(count_files(f), 1);
	for (int i = 1; i <= 2; i++) {
		assert_int_equal(next(f, MONO, &seq)[1], '0' + i);
		delivery_queue__done(&f->queue, seq);
	}
	assert_int_equal(count_files(f), 0);
	/* it takes them again, with the next one */
	file_limit__set(RLIM_INFINITY);
	put(f, "http://a/", "a4", NOW);
	assert_int_equal(f->queue.err, 0);
	assert_int_equal(count_files(f), 2);
	start_again(f);
	assert_int_equal(f->queue.n, 2);
	assert_string_equal(next(f, MONO, &seq), "a3");
	delivery_queue__done(&f->queue, seq);
	assert_string_equal(next(f, MONO, &seq), "a4");
	delivery_queue__done(&f->queue, seq);
	assert_int_equal(f->queue.bytes, 0);
}

/* Each takes two syncs of a disk that just came back, on the thread that measures. */
static void what_waits_in_memory_is_written_a_few_at_a_time(void **state)
{
	struct fixture *f = *state;
	int before = 0, now;

	file_limit__set(0);
	for (int i = 0; i < 20; i++)
		put(f, "http://a/", "a", NOW);
	delivery_queue__write(&f->queue);
	assert_int_equal(count_files(f), 0);
	file_limit__set(RLIM_INFINITY);
	put(f, "http://a/", "a", NOW);
	for (int turn = 0; turn < 21; turn++) {
		now = count_files(f);
		assert_true(now > before || now == 21);
		assert_true(now - before <= 3);
		before = now;
		delivery_queue__write(&f->queue);
	}
	assert_int_equal(count_files(f), 21);
}

static void what_waits_at_the_end_is_written_where_that_works(void **state)
{
	struct fixture *f = *state;
	uint64_t seq;

	file_limit__set(0);
	put(f, "http://a/", "a1", NOW);
	put(f, "http://a/", "a2", NOW);
	assert_int_equal(delivery_queue__keep(&f->queue), 2);
	file_limit__set(RLIM_INFINITY);
	assert_int_equal(delivery_queue__keep(&f->queue), 0);
	start_again(f);
	assert_int_equal(f->queue.n, 2);
	assert_string_equal(next(f, MONO, &seq), "a1");
}

static void what_waits_for_longer_is_written_when_that_works(void **state)
{
	struct fixture *f = *state;
	uint64_t seq;

	file_limit__set(0);
	put(f, "http://a/", "a1", NOW);
	next(f, MONO, &seq);
	file_limit__set(RLIM_INFINITY);
	delivery_queue__failed(&f->queue, seq, MONO, 0);
	assert_int_equal(count_files(f), 1);
	assert_int_equal(f->queue.err, 0);
	assert_string_equal(next(f, MONO + S, &seq), "a1");
}

static void memory_is_bounded_as_files_are(void **state)
{
	struct fixture *f = *state;
	uint64_t seq;

	file_limit__set(0);
	for (int i = 0; i < DELIVERY_QUEUE_MAX + 10; i++)
		put(f, "http://a/", i < 10 ? "early" : "late", NOW);
	assert_int_equal(f->queue.n, DELIVERY_QUEUE_MAX);
	assert_int_equal(f->queue.n_lost, 10);
	assert_string_equal(next(f, MONO, &seq), "late");
}

static void a_folder_that_was_removed_is_made_anew(void **state)
{
	struct fixture *f = *state;
	uint64_t a, b;

	put(f, "http://a/", "under way", NOW);
	put(f, "http://b/", "gone", NOW);
	next(f, MONO, &a);
	run(f, "rm -r deliveries");
	put(f, "http://c/", "new", NOW);
	assert_int_equal(f->queue.err, 0);
	assert_int_equal(count_files(f), 1);
	assert_int_equal(f->queue.n_lost, 1);
	assert_string_equal(next(f, MONO, &b), "new");
	delivery_queue__done(&f->queue, b);
	delivery_queue__done(&f->queue, a);
	assert_int_equal(f->queue.n, 0);
	assert_int_equal(f->queue.n_done, 2);
}

static void what_can_still_be_read_is_taken_along(void **state)
{
	struct fixture *f = *state;
	uint64_t seq;

	put(f, "http://a/", "a1", NOW);
	put(f, "http://a/", "a2", NOW);
	run(f, "mv deliveries elsewhere");
	put(f, "http://a/", "a3", NOW);
	delivery_queue__write(&f->queue);
	assert_int_equal(count_files(f), 3);
	run(f, "! ls elsewhere/*.delivery 2>/dev/null");
	start_again(f);
	assert_int_equal(f->queue.n, 3);
	assert_string_equal(next(f, MONO, &seq), "a1");
}

/* Its files have the numbers of ours. */
static void what_an_earlier_agent_left_in_another_store_waits_for_the_next_start(void **state)
{
	struct fixture *f = *state;
	char path[FOLDER_MAX + 16];
	uint64_t seq;
	int fd;

	put(f, "http://a/", "a1", NOW);
	put(f, "http://a/", "a2", NOW);
	run(f, "mkdir other && cp -r deliveries other && sed -i s/a[12]/earlier/ other/deliveries/*");
	snprintf(path, sizeof(path), "%s/other", f->dir);
	fd = open(path, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	delivery_queue__set_store(&f->queue, fd);
	put(f, "http://a/", "a3", NOW);
	for (int i = 1; i <= 3; i++) {
		assert_int_equal(next(f, MONO, &seq)[1], '0' + i);
		delivery_queue__done(&f->queue, seq);
	}
	delivery_queue__close(&f->queue);
	assert_int_equal(delivery_queue__open(&f->queue, fd), 0);
	assert_int_equal(f->queue.n, 2);
	assert_string_equal(next(f, MONO, &seq), "earlier");
	io__close(&fd);
}

static void without_a_store_it_waits_in_memory_until_there_is_one(void **state)
{
	struct fixture *f = *state;
	uint64_t seq;

	delivery_queue__close(&f->queue);
	assert_int_equal(delivery_queue__open(&f->queue, -1), -ENOENT);
	put(f, "http://a/", "a1", NOW);
	put(f, "http://a/", "a2", NOW);
	assert_string_equal(next(f, MONO, &seq), "a1");
	delivery_queue__done(&f->queue, seq);
	delivery_queue__set_store(&f->queue, f->fd);
	assert_int_equal(count_files(f), 1);
	start_again(f);
	assert_string_equal(next(f, MONO, &seq), "a2");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(what_is_none_is_refused),
		cmocka_unit_test_setup_teardown(to_one_address_the_oldest_goes_first_and_holds_up_the_others,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_waits_outlives_the_agent, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_a_day_old_is_given_up, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_queue_is_bounded_by_number_and_bytes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_the_disk_refuses_is_told_from_memory, set_up,
						tear_down_limits),
		cmocka_unit_test_setup_teardown(what_waits_in_memory_is_written_a_few_at_a_time, set_up,
						tear_down_limits),
		cmocka_unit_test_setup_teardown(what_waits_at_the_end_is_written_where_that_works, set_up,
						tear_down_limits),
		cmocka_unit_test_setup_teardown(what_waits_for_longer_is_written_when_that_works, set_up,
						tear_down_limits),
		cmocka_unit_test_setup_teardown(memory_is_bounded_as_files_are, set_up, tear_down_limits),
		cmocka_unit_test_setup_teardown(a_folder_that_was_removed_is_made_anew, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_can_still_be_read_is_taken_along, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			what_an_earlier_agent_left_in_another_store_waits_for_the_next_start, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(without_a_store_it_waits_in_memory_until_there_is_one, set_up,
						tear_down),
	};

	return cmocka_run_group_tests_name("delivery", tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/agent.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <regex.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "user/base/io.h"

/* <YYYY-MM-DD>/<HHMMSS>Z.<seconds>s.<event>.pb.gz, and a number before .pb where a clock was set back */
#define DAY_GLOB   "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]"
#define NAME_REGEX "^([0-9]{6})Z\\.([0-9]+)s\\.([a-z]+)(\\.[0-9]+)?\\.pb\\.(gz|zst)$"

void agent__write_config(const struct recording *r, const char *text)
{
	FILE *f = fopen(recording__file(r, "profiler.yaml"), "we");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

void agent__configure(const struct recording *r, const char *window)
{
	char text[2048];

	snprintf(text, sizeof(text),
		 "profiling:\n"
		 "  window: %s\n"
		 "  cpu:\n"
		 "    frequency: 999\n"
		 "  offcpu: {enabled: false}\n"
		 "  memory: {enabled: false}\n"
		 "  alloc: {enabled: false}\n"
		 "  output:\n"
		 "    directory: %s/store\n"
		 "server:\n"
		 "  listen: 'off'\n",
		 window, r->dir);
	agent__write_config(r, text);
}

void agent__launch(struct recording *r)
{
	char everprof[4096];
	int err;

	if (geteuid())
		skip();
	run__path_everprof(everprof);
	run__done(&r->everprof);
	err = run__start(&r->everprof, (const char *[]){everprof, "agent", "-c",
							recording__file(r, "profiler.yaml"), NULL});
	if (err)
		fail_msg("everprof agent: %s", strerror(-err));
}

void agent__start(struct recording *r)
{
	struct agent_files files;
	int n;

	agent__expect_files(r, &files); /* of one before it */
	n = files.n;
	agent__launch(r);
	agent__expect_n_files(r, n + 1, &files);
}

void agent__signal(const struct recording *r, int signo)
{
	assert_true(r->everprof.pid > 0);
	assert_int_equal(kill(r->everprof.pid, signo), 0);
}

void agent__expect_end(struct recording *r)
{
	int status = -1, err;

	agent__signal(r, SIGTERM);
	err = run__wait(&r->everprof, 10000, &status);
	if (err || status)
		fail_msg("agent: %s, exit status %d: %s", err ? strerror(-err) : "ended", status,
			 run__errors(&r->everprof));
}

static void list_day(const char *dir, const char *day, const regex_t *name_regex, struct agent_files *files)
{
	struct dirent **entries;
	regmatch_t match[6];
	int n = scandir(dir, &entries, NULL, alphasort);

	for (int i = 0; i < n; i++) {
		const char *name = entries[i]->d_name;

		/* hidden: a file that is being written */
		if (name[0] != '.' && regexec(name_regex, name, 6, match, 0))
			fail_msg("'%s/%s' is no name of the contract", day, name);
		if (name[0] != '.' && files->n < AGENT_FILES_MAX && strstr(name, "s.cpu.") &&
		    strstr(name, ".pb.gz")) {
			snprintf(files->path[files->n], sizeof(files->path[0]), "%s/%s", dir, name);
			files->seconds[files->n++] = strtoll(name + match[2].rm_so, NULL, 10);
		}
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
}

void agent__expect_files(const struct recording *r, struct agent_files *ret_files)
{
	struct dirent **days;
	regex_t name_regex;
	char snapshots[128], dir[512];
	int n;

	ret_files->n = 0;
	snprintf(snapshots, sizeof(snapshots), "%s/store/snapshots", r->dir);
	n = scandir(snapshots, &days, NULL, alphasort);
	if (n < 0)
		return;
	assert_int_equal(regcomp(&name_regex, NAME_REGEX, REG_EXTENDED), 0);
	for (int i = 0; i < n; i++) {
		const char *day = days[i]->d_name;

		if (day[0] != '.') {
			if (fnmatch(DAY_GLOB, day, 0))
				fail_msg("'%s' is no day", day);
			snprintf(dir, sizeof(dir), "%s/%s", snapshots, day);
			list_day(dir, day, &name_regex, ret_files);
		}
		free(days[i]);
	}
	free(days);
	regfree(&name_regex);
}

void agent__expect_n_files(struct recording *r, int n, struct agent_files *ret_files)
{
	int status = -1;

	for (int i = 0; i < 600; i++) {
		agent__expect_files(r, ret_files);
		if (ret_files->n >= n)
			return;
		/* also takes what it says, so that it never waits for us */
		if (!run__wait(&r->everprof, 50, &status))
			break;
	}
	fail_msg("%d files, expected %d; exit status %d: %s", ret_files->n, n, status,
		 run__errors(&r->everprof));
}

int agent__expect_port(struct recording *r, const char *scheme)
{
	char prefix[100];
	int port = 0, status;

	snprintf(prefix, sizeof(prefix), "info: agent: serving %s://127.0.0.1:", scheme);
	for (int i = 0; i < 200 && !port; i++) {
		const char *line;

		if (!run__wait(&r->everprof, 50, &status))
			fail_msg("the agent ended with %d: %s", status, run__errors(&r->everprof));
		line = strstr(run__errors(&r->everprof), prefix);
		port = line ? atoi(line + strlen(prefix)) : 0;
	}
	if (!port)
		fail_msg("no address in: %s", run__errors(&r->everprof));
	return port;
}

int agent__serve_captures(struct recording *r, const char *more, const char *credentials)
{
	char text[2048], path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s", recording__file(r, "credentials"));
	f = fopen(path, "we");
	assert_non_null(f);
	fputs(credentials, f);
	fclose(f);
	assert_int_equal(chmod(path, 0600), 0);
	snprintf(text, sizeof(text),
		 "profiling:\n  window: 5s\n  captures: {before: 5s, after: 1s}\n  output: {directory: "
		 "%s/store}\n%s"
		 "server: {listen: '127.0.0.1:0', credentials: %s}\n",
		 r->dir, more, path);
	agent__write_config(r, text);
	agent__launch(r);
	return agent__expect_port(r, "http");
}

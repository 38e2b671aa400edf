/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/waits.h"

#include <math.h>

#include "tests/e2e/e2e.h"

/* -- reading -- */
struct bill waits__truth(struct recording *r, const char *comm)
{
	const char *line = run__out(&r->everprof);
	struct bill b = {0};
	char name[64];

	/* the last line comes before the end, and all lines are there when the program has ended */
	for (; line && *line; line = strchr(line, '\n'), line += line != NULL) {
		double waited, delay;
		long long n;

		if (sscanf(line, "truth %63s %lf %lf %lld", name, &waited, &delay, &n) != 4 ||
		    strcmp(name, comm))
			continue;
		b.waited_ns += waited;
		b.delay_ns += delay;
		b.n += n;
	}
	if (!b.n)
		fail_msg("no truth of '%s': %s", comm, run__out(&r->everprof));
	return b;
}

const char *waits__label(const struct profile *p, const struct sample *s, const char *key)
{
	const struct label *l = profile__find_label(p, s->labels, key);

	return l ? profile__str(p, l->str) : "";
}

static bool is_for_cpu(const char *state)
{
	return !strcmp(state, "runnable") || !strcmp(state, "preempted") || !strcmp(state, "throttled");
}

static bool is_in(const struct profile *p, const struct sample *s, const struct part *part)
{
	const struct label *pid = profile__find_label(p, s->labels, "pid");
	const struct {
		const char *key, *want;
	} asked[] = {{"comm", part->comm},     {"state", part->state}, {"syscall", part->syscall},
		     {"wait", part->wait},     {"idle", part->idle},   {"lock", part->lock},
		     {"holder", part->holder}, {"waker", part->waker}};

	for (size_t i = 0; i < sizeof(asked) / sizeof(*asked); i++)
		if (asked[i].want && strcmp(waits__label(p, s, asked[i].key), asked[i].want))
			return false;
	if (part->pid && !(pid && pid->num == part->pid))
		return false;
	if (part->has_ended && !s->values[0])
		return false;
	if (part->for_cpu && !is_for_cpu(waits__label(p, s, "state")))
		return false;
	return !part->for_other || !is_for_cpu(waits__label(p, s, "state"));
}

/* The period is the mean interval of what is taken: waits that are long against it have no chance in them. */
static double variance_of(double ns, double n, double interval)
{
	double x = n > 0 && interval > 0 ? ns / n / interval : 0;

	if (interval <= 0)
		return n > 0 ? ns * ns / n : 0;
	return ns * interval * (x > 0 ? x / expm1(x) : 1);
}

struct amount waits__sum(const struct profile *p, const struct part *part)
{
	struct amount a = {0};

	for (uint32_t i = 0; i < profile__n_samples(p); i++) {
		const struct sample *s = profile__get_sample(p, i);

		if (!is_in(p, s, part))
			continue;
		a.ns += (double)s->values[1];
		a.n += s->values[0];
		a.variance += variance_of((double)s->values[1], (double)s->values[0],
					  (double)profile__meta(p)->period);
		a.rows++;
	}
	return a;
}

void waits__print(const struct profile *p)
{
	for (uint32_t i = 0; i < profile__n_samples(p); i++) {
		const struct sample *s = profile__get_sample(p, i);

		print_message("%10.3f ms %6lld  %s  %s  %s  %s  %s\n", (double)s->values[1] / MS,
			      (long long)s->values[0], waits__label(p, s, "comm"),
			      waits__label(p, s, "state"), waits__label(p, s, "syscall"),
			      waits__label(p, s, "wait"), waits__label(p, s, "idle"));
	}
	for (uint32_t i = 0; i < profile__n_comments(p); i++)
		print_message("%s\n", profile__get_comment(p, i));
}

/* -- asserting -- */

/* Within 3 %, three standard errors, or what the beginning and the end of the recording make uncertain. */
void waits__expect_amount(const struct profile *p, const struct part *part, double want_ns, double slack_ns,
			  int line)
{
	struct amount a = waits__sum(p, part);
	double off = fabs(a.ns - want_ns), error = sqrt(a.variance);

	if (off <= WAITS_TOLERANCE * want_ns + slack_ns || off <= 3 * error)
		return;
	waits__print(p);
	fail_msg("line %d: %s %s %s: %.3f ms in %lld rows (standard error %.3f ms), expected %.3f ms", line,
		 part->comm ? part->comm : "", part->state ? part->state : "", part->wait ? part->wait : "",
		 a.ns / MS, a.rows, error / MS, want_ns / MS);
}

/* What the profile says was taken of the CPUs of its threads; of a profile that does not say, all that may be. */
static double taken_ns(const struct recording *r)
{
	const char *waits = expect__comment(r->profile, "waits by ");
	const char *told = waits ? strstr(waits, "by a hypervisor or interrupts, ") : NULL;
	double s = (double)r->stolen_ns / 1e9;

	if (told)
		sscanf(told, "by a hypervisor or interrupts, %lf", &s);
	return fmin(s * 1e9, (double)r->stolen_ns);
}

/* To the program, what it did not run it waited: which of its threads that was taken of, it does not know. */
void waits__expect_other(struct recording *r, const struct part *part, struct bill truth, int line)
{
	double taken = taken_ns(r);

	waits__expect_amount(r->profile, part, truth.waited_ns - truth.delay_ns - taken / 2,
			     5 * MS + taken / 2, line);
}

/* At least that share of what the thread waited for other things than a CPU is of that kind. */
void waits__expect_kind(const struct profile *p, const char *comm, const char *state, const char *syscall,
			const char *wait, const char *idle, double share)
{
	struct amount all = waits__sum(p, &(struct part){.comm = comm, .for_other = true}),
		      known = waits__sum(p, &(struct part){.comm = comm,
							   .state = state,
							   .syscall = syscall,
							   .wait = wait,
							   .idle = idle,
							   .for_other = true});

	if (known.ns >= share * all.ns && all.ns > 0)
		return;
	waits__print(p);
	fail_msg("%s: %.3f of %.3f ms are %s in %s for %s, idle '%s'", comm, known.ns / MS, all.ns / MS,
		 state, syscall ? syscall : "any", wait, idle ? idle : "any");
}

void waits__record(struct recording *r, const char *way, const char *seconds, const char *path)
{
	char program[4096];

	run__path_workload("waits", program);
	recording__record(r, 0, ARGS("-e", "offcpu", "--", program, way, seconds, path));
}

/* A thread that waits in one way, and the truth of both kinds of waiting. */
void waits__expect_way(struct recording *r, const char *way, const char *path, const char *comm,
		       const char *state, const char *syscall, const char *wait, const char *idle)
{
	struct bill truth;

	waits__record(r, way, SECONDS, path);
	truth = waits__truth(r, comm);
	assert_other(r, (&(struct part){.comm = comm, .for_other = true}), truth);
	assert_amount_slack(r->profile, (&(struct part){.comm = comm, .for_cpu = true}), truth.delay_ns,
			    WAITS_TOLERANCE * truth.waited_ns);
	waits__expect_kind(r->profile, comm, state, syscall, wait, idle, 0.97);
}

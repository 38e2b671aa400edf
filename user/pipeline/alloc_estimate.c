// SPDX-License-Identifier: Apache-2.0
#include "user/pipeline/alloc_estimate.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "user/pipeline/alloc_control.h"
#include "user/pipeline/alloc_cost.h"

/* To wake up takes more or less by that in a window, where the CPU has just been at work, than it does elsewhere. */
#define ALLOC_WAKE_NS 10000.0
/* Of a process that had less time of its own than this share, it is not known how much less. */
#define SATURATED 0.05
/* No two calls are closer: a bare loop of malloc and free, small blocks, a fast machine. */
#define ALLOC_CALL_MIN_NS 8.0
/* What probes may cost is gone through in so many steps, to so many of its standard errors on each side. */
#define COST_STEPS  400
#define COST_ERRORS 4.0
/* What windows differ by is told from each one's rate; where its own time is less than this share, that would be what its probes are not known to take. */
#define OWN_MIN 0.25
/* The share that probes took of the CPU time of windows that are told together. */
static const double strata_ends[ALLOC_STRATA - 1] = {0.2, 0.4, 0.6, 0.75};
/* Rows of fewer samples are a matter of chance: they are not made to add up to the total, because those without any could not. */
#define ALLOC_SAMPLES_MIN 4

/* What opens a window holds up a CPU for a moment, and after each probe a program has caches that are not its own: totals of known programs differ from the
 * truth by that beside all that is estimated. */
#define ALLOC_OTHER_ERROR 0.05

void alloc_estimate__init(struct alloc_estimate *e)
{
	*e = (struct alloc_estimate){0};
	hashmap__init(&e->by_key);
}

void alloc_estimate__done(struct alloc_estimate *e)
{
	hashmap__done(&e->by_key);
	free(e->processes);
	e->processes = NULL;
}

void alloc_estimate__clear(struct alloc_estimate *e)
{
	hashmap__clear(&e->by_key);
	e->open = (struct alloc_window){0};
	e->all = (struct alloc_moments){0};
	e->n = e->n_left_out = 0;
}

static uint64_t hash_key(const struct task_key *key)
{
	return hash_pair(key->start_ns ^ key->exec_id, key->tgid);
}

int alloc_estimate__copy(const struct alloc_estimate *e, struct alloc_estimate *to)
{
	int err = 0;

	to->processes = e->n ? calloc(e->n, sizeof(*to->processes)) : NULL;
	if (e->n && !to->processes)
		return -ENOMEM;
	to->open = e->open;
	to->all = e->all;
	to->n_left_out = e->n_left_out;
	to->cap = e->n;
	for (; to->n < e->n && !err; to->n += !err) {
		to->processes[to->n] = e->processes[to->n];
		err = hashmap__add(&to->by_key, hash_key(&to->processes[to->n].key), to->n);
	}
	if (err)
		alloc_estimate__clear(to);
	return err;
}

static bool is_key(uint32_t index, const void *key, const void *owner)
{
	const struct alloc_process *processes = owner;

	return !memcmp(&processes[index].key, key, sizeof(struct task_key));
}

const struct alloc_process *alloc_estimate__find(const struct alloc_estimate *e, const struct task_key *key)
{
	uint32_t at = hashmap__find(&e->by_key, hash_key(key), is_key, key, e->processes);

	return at == HASHMAP_NONE ? NULL : &e->processes[at];
}

static int find(struct alloc_estimate *e, const struct task_key *key, struct alloc_process **ret)
{
	*ret = (struct alloc_process *)alloc_estimate__find(e, key);
	if (*ret)
		return 0;
	if (e->n == ALLOC_ESTIMATES_MAX)
		return -E2BIG;
	if (e->n == e->cap) {
		uint32_t cap = e->cap ? e->cap * 2 : 32;
		void *grown = reallocarray(e->processes, cap, sizeof(*e->processes));

		if (!grown)
			return -ENOMEM;
		e->processes = grown;
		e->cap = cap;
	}
	if (hashmap__add(&e->by_key, hash_key(key), e->n))
		return -ENOMEM;
	e->processes[e->n] = (struct alloc_process){.key = *key, .factor = {1, 1}};
	*ret = &e->processes[e->n++];
	return 0;
}

static void add(struct alloc_window *o, const double value[2], double probes_ns, const struct alloc_weight *w)
{
	for (int i = 0; i < 2; i++) {
		double middle = value[i] * (w->low + w->high) / 2;

		o->plain[i] += value[i];
		o->middle[i] += middle;
		o->range[i] +=
			value[i] * (w->high - w->low) / 2; /* a program does mostly the one or the other */
		o->doubt[i] += middle * w->doubt;
	}
	o->probes_ns += probes_ns;
	o->debt_ns += w->debt_ns;
	o->is_met = true;
}

int alloc_estimate__add_thread(struct alloc_estimate *e, const struct task_key *key, double objects,
			       double bytes, double probes_ns, const struct alloc_weight *w)
{
	const double value[2] = {objects, bytes},
		     in_all[2] = {objects * (1 + w->longer), bytes * (1 + w->longer)};
	struct alloc_process *p;
	int err = find(e, key, &p);

	add(&e->open, in_all, probes_ns, w);
	if (err) {
		e->n_left_out++;
		return err;
	}
	add(&p->open, value, probes_ns, w);
	p->open.longer = fmax(p->open.longer, w->longer);
	return 0;
}

void alloc_estimate__add_aids(struct alloc_estimate *e, const struct task_key *key,
			      const struct alloc_aids *a, double longer)
{
	struct alloc_process *p;

	if (find(e, key, &p))
		return;
	p->open.aids = *a;
	p->open.has_aids = true;
	p->open.longer = fmax(p->open.longer, longer);
}

void alloc_estimate__add_sample(struct alloc_estimate *e, const struct task_key *key, double objects,
				double bytes)
{
	struct alloc_process *p;

	/* a slice may be drained while a window is open, before the process's first one is added */
	if (find(e, key, &p))
		return;
	p->sampled[0] += objects;
	p->sampled[1] += bytes;
	p->n_samples++;
}

/*
 * The share by which a process that sleeps by the clock would have allocated more between two sleeps, had there been no probes. One that had time to spare caught up with them;
 * one that was at work for more than half of the window may not have.
 */
static double pressed(const struct alloc_window *o, double own)
{
	double busy = fmin(fmax(2 * o->aids.by[ALLOC_BY_CPU] / ALLOC_WINDOW_NS - 1, 0), 1);

	return busy * o->probes_ns / own;
}

/* A window's part in what is told by an aid: value y of the aid, for which it gave `times` of what was counted, known to a share of `doubt`. */
static void add_aid(struct alloc_aid_moments *a, const struct alloc_window *o, double y, double times,
		    double doubt, double scale, uint32_t turns)
{
	y *= scale / turns;
	a->sum += y;
	a->squares += y * y;
	for (int i = 0; i < 2; i++) {
		double x = o->plain[i] * times * scale;

		a->with[i] += x;
		a->with_squares[i] += x * x;
		a->products[i] += x * y;
		a->doubts[i] += x * doubt;
	}
	if (o->is_met || y > 0) {
		a->n_met++;
		a->met += scale / turns;
	}
}

static void add_to_stratum(struct alloc_moments *m, const struct alloc_window *o, double had, double scale,
			   uint32_t turns)
{
	double cpu = o->aids.by[ALLOC_BY_CPU], at = scale / turns;
	struct alloc_stratum *s = m->strata;

	for (int i = 0; i < ALLOC_STRATA - 1; i++)
		s += o->probes_ns > strata_ends[i] * cpu;
	s->plain[0] += o->plain[0] * scale;
	s->plain[1] += o->plain[1] * scale;
	s->cpu += cpu * at;
	s->own += (cpu - o->probes_ns) * at;
	s->least += o->plain[0] * ALLOC_CALL_MIN_NS * at;
	s->had += had * at;
}

/*
 * A window meets a program at a random moment of its work, and stands for as much of it as it would have seen without probes. But where calls are dense it sees less: were all calls
 * divided by all CPU time, a program that allocates a lot here and nothing there would come out at half of what it does, because here is where
 * windows are short. So each window counts by the CPU time that the program would have had. A dense window's own rate would be a guess, though: those with
 * about as many probes are told together.
 */
static void add_aids(struct alloc_moments *m, const struct alloc_window *o, double scale, uint32_t turns)
{
	double cpu = o->aids.by[ALLOC_BY_CPU], sleeps = o->aids.by[ALLOC_BY_SLEEPS];
	double own = fmax(cpu - o->probes_ns, OWN_MIN * cpu);
	double had = fmax(cpu - o->probes_ns, SATURATED * cpu) +
		     (sleeps > 0 ? fmin(o->debt_ns, o->probes_ns) : o->probes_ns);

	had = fmin(had, cpu);
	add_to_stratum(m, o, had, scale, turns);
	add_aid(&m->aids[ALLOC_BY_CPU], o, had, own > 0 ? had / own : 0, 0, scale, turns);
	add_aid(&m->aids[ALLOC_BY_SLEEPS], o, sleeps, 1, own > 0 ? pressed(o, own) : 0, scale, turns);
}

static void end_window(struct alloc_moments *m, struct alloc_window *o, double scale, uint32_t turns)
{
	scale *= 1 + o->longer;
	for (int i = 0; i < 2; i++) {
		double value = o->middle[i] * scale;

		m->sum[i] += value;
		m->squares[i] += value * value;
		m->range[i] += o->range[i] * scale;
		m->doubt[i] += o->doubt[i] * scale;
	}
	m->probes_ns += o->probes_ns;
	if (o->has_aids)
		add_aids(m, o, scale, turns);
	*o = (struct alloc_window){0};
}

void alloc_estimate__end_window(struct alloc_estimate *e, double scale, uint32_t turns)
{
	end_window(&e->all, &e->open, scale, turns);
	for (uint32_t i = 0; i < e->n; i++)
		if (e->processes[i].open.is_met || e->processes[i].open.has_aids)
			end_window(&e->processes[i].moments, &e->processes[i].open, scale, turns);
}

/* What an error is more where n windows tell it: Student's quantile of one standard error. */
static double few(double n)
{
	return n > 1 ? 1 + 0.64 / (n - 1) : 2;
}

/* Of the sum of n independent windows, and by how much what is not known may move it. One more like those that gave something might have been met. */
static double error_of(const struct alloc_moments *m, int i, double n)
{
	double sum = m->sum[i], squares = m->squares[i];
	double variance = n > 1 ? (squares - sum * sum / n) * n / (n - 1) : sum * sum;
	double met = squares > 0 ? sum * sum / (n * squares)
				 : 1; /* the share of windows, 1 for a steady program */
	double one_more = sum > 0 && met < 1 ? squares / sum * sqrt(1 - met) : 0;

	return sqrt(fmax(variance, 0) * few(n) * few(n) + one_more * one_more + m->doubt[i] * m->doubt[i] +
		    m->range[i] * m->range[i]);
}

struct alloc_total alloc_estimate__total(const struct alloc_moments *m, uint32_t n_windows)
{
	return (struct alloc_total){
		.objects = m->sum[0],
		.objects_error = error_of(m, 0, n_windows),
		.bytes = m->sum[1],
		.bytes_error = error_of(m, 1, n_windows),
	};
}

struct rate {
	double rate, error; /* by the aid; the error is a share of it */
};

/* Time that the program had for itself, were probes dearer by that share; they are not where that is less than it needs. */
static double own_time(const struct alloc_stratum *s, double dearer)
{
	return s->own - dearer * (s->cpu - s->own);
}

/* The share by which probes would have to be dearer for the program to have had so much time. */
static double dearer_for(const struct alloc_stratum *s, double own)
{
	return s->cpu > s->own ? (s->own - own) / (s->cpu - s->own) : INFINITY;
}

/* What was counted by the CPU time that the program would have had. */
static double rate_where(const struct alloc_moments *m, int i, double dearer)
{
	double sum = 0;

	for (const struct alloc_stratum *s = m->strata; s < m->strata + ALLOC_STRATA; s++)
		if (s->plain[i] > 0)
			sum += s->plain[i] * s->had / fmax(own_time(s, dearer), s->least);
	return sum / m->aids[ALLOC_BY_CPU].sum;
}

/* The stratum that says most about a probe's cost: where that cannot be much more than it was taken to be. NULL: none had probes. */
static const struct alloc_stratum *tightest(const struct alloc_moments *m)
{
	const struct alloc_stratum *found = NULL;
	double least = INFINITY;

	for (const struct alloc_stratum *s = m->strata; s < m->strata + ALLOC_STRATA; s++)
		if (dearer_for(s, s->least) < least) {
			least = dearer_for(s, s->least);
			found = s;
		}
	return found;
}

/* By which share probes may be dearer than they were taken to be: the middle, and what two thirds of all that is likely lies between. */
struct dearness {
	double middle, most, least;
};

/*
 * What a probe costs in this program is one number that is not known: as likely as it is by ALLOC_COST_ERROR, but never so much that the program had less time for itself than its calls
 * need. Times that it may have had are weighted by one over their square root: were each nanosecond as likely, dense programs would come out low, were each order of magnitude, high. So
 * the rate has a distribution; its middle is told, and half of what its middle two thirds span. Where the program had much time, that is what follows from the cost and its
 * error; where nearly all went into probes, an order of magnitude and an error that says so.
 */
static struct dearness dearness_of(const struct alloc_moments *m)
{
	static const double parts[] = {0.5, 0.159, 0.841};
	const struct alloc_stratum *s = tightest(m);
	double dearer[COST_STEPS], sums[COST_STEPS], low, high, sum = 0, found[3];

	if (!s)
		return (struct dearness){0, 0, 0};
	low = fmax(own_time(s, COST_ERRORS * ALLOC_COST_ERROR), fmax(s->least, 1));
	high = fmax(own_time(s, -COST_ERRORS * ALLOC_COST_ERROR), 2 * low);
	for (int k = 0; k < COST_STEPS; k++) { /* from the dearest, which leaves it least, on */
		double own = low * pow(high / low, (k + 0.5) / COST_STEPS), errors;

		dearer[k] = dearer_for(s, own);
		errors = dearer[k] / ALLOC_COST_ERROR;
		sum += exp(-errors * errors / 2) * sqrt(own);
		sums[k] = sum;
	}
	for (int q = 0; q < 3; q++) {
		int k = 0;

		while (k < COST_STEPS - 1 && sums[k] < parts[q] * sum)
			k++;
		found[q] = dearer[k];
	}
	return (struct dearness){found[0], found[1], found[2]};
}

static struct rate rate_by_cpu(const struct alloc_moments *m, int i, const struct dearness *d)
{
	return (struct rate){rate_where(m, i, d->middle),
			     log(rate_where(m, i, d->most) / rate_where(m, i, d->least)) / 2};
}

/* The error is what is not known of the aid itself. */
static struct rate rate_of(const struct alloc_moments *m, enum alloc_aid aid, int i, const struct dearness *d)
{
	const struct alloc_aid_moments *a = &m->aids[aid];
	struct rate r;

	if (aid != ALLOC_BY_CPU)
		return (struct rate){a->with[i] / a->sum, a->doubts[i] / a->with[i]};
	r = rate_by_cpu(m, i, d);
	r.error = hypot(r.error, ALLOC_WAKE_NS * a->met / a->sum);
	return r;
}

/*
 * The sum that the ratio to an aid gives, and its error from what windows have more or less than it says. They count by what they have of the aid: of a hundred of which three have
 * nearly all, there are three; and where one in ten gave nearly all that was counted, there might be one more of those. False: none.
 */
static bool by_aid(const struct alloc_moments *m, enum alloc_aid aid, int i, const struct dearness *d,
		   double whole, double *ret_sum, double *ret_error)
{
	const struct alloc_aid_moments *a = &m->aids[aid];
	double ratio, squares, n, chance, unseen, one_more;
	struct rate rate;

	if (whole <= 0 || a->sum <= 0 || a->with[i] <= 0)
		return false;
	n = fmin(a->sum * a->sum / a->squares, a->n_met);
	ratio = a->with[i] / a->sum;
	squares = a->with_squares[i] - 2 * ratio * a->products[i] + ratio * ratio * a->squares;
	chance = sqrt(fmax(squares, 0) * n / fmax(n - 1, 0.5)) * few(n) / a->with[i];
	unseen = pow(n, -1.5); /* one window more might have been unlike all others */
	one_more = a->with_squares[i] / (a->with[i] * a->with[i]);
	one_more *= sqrt(fmax(1 - 1 / (one_more * n), 0));
	rate = rate_of(m, aid, i, d);
	*ret_sum = rate.rate * whole;
	*ret_error = hypot(hypot(chance, fmax(unseen, one_more)), rate.error) * *ret_sum;
	return true;
}

static void settle(struct alloc_process *p, uint32_t n_windows, double factor, const struct alloc_aids *aids)
{
	struct alloc_total *t = &p->total;
	const struct dearness d = dearness_of(&p->moments);
	double *sums[2] = {&t->objects, &t->bytes}, *errors[2] = {&t->objects_error, &t->bytes_error};

	*t = alloc_estimate__total(&p->moments, n_windows);
	for (int i = 0; i < 2; i++) {
		double sum, error, plain = *sums[i];

		*sums[i] *= factor;
		*errors[i] *= factor;
		for (int k = 0; k < ALLOC_N_AIDS; k++)
			if (by_aid(&p->moments, (enum alloc_aid)k, i, &d, aids->by[k], &sum, &error) &&
			    error * *sums[i] < *errors[i] * sum) {
				*sums[i] = sum;
				*errors[i] = error;
			}
		*errors[i] = hypot(*errors[i], ALLOC_OTHER_ERROR * *sums[i]);
		if (p->n_samples >= ALLOC_SAMPLES_MIN)
			plain = p->sampled[i];
		/* what is of a window before the first that counts here stays as it is */
		p->factor[i] = plain > 0 && p->moments.sum[i] > 0 ? *sums[i] / plain : factor;
	}
}

void alloc_estimate__settle(struct alloc_estimate *e, uint32_t n_windows, const struct alloc_length *length,
			    alloc_estimate_aids_fn aids, void *ctx)
{
	struct alloc_total all = alloc_estimate__total(&e->all, n_windows), sum = {0};
	double objects_error = 0, bytes_error = 0;
	double rest_objects = all.objects, rest_bytes = all.bytes;

	for (uint32_t i = 0; i < e->n; i++) {
		struct alloc_process *p = &e->processes[i];
		struct alloc_aids whole = {{0}};

		if (aids(ctx, &p->key, &whole)) /* probes slow a program down, and it has that in all, too */
			whole.by[ALLOC_BY_CPU] = fmax(whole.by[ALLOC_BY_CPU] - p->moments.probes_ns, 0);
		for (int k = 0; k < ALLOC_N_AIDS; k++)
			whole.by[k] *= length->aids;
		settle(p, n_windows, length->windows, &whole);
		rest_objects -= p->moments.sum[0];
		rest_bytes -= p->moments.sum[1];
		sum.objects += p->total.objects;
		sum.bytes += p->total.bytes;
		objects_error += p->total.objects_error * p->total.objects_error;
		bytes_error += p->total.bytes_error * p->total.bytes_error;
	}
	if (e->n_left_out) { /* their windows are not known apart: their share of what is known of all */
		sum.objects += rest_objects * length->windows;
		sum.bytes += rest_bytes * length->windows;
		objects_error += pow(all.objects_error * length->windows, 2) * rest_objects / all.objects;
		bytes_error += pow(all.bytes_error * length->windows, 2) * rest_bytes / all.bytes;
	}
	sum.objects_error = sqrt(objects_error);
	sum.bytes_error = sqrt(bytes_error);
	e->total = sum;
}

static int by_bytes(const void *a, const void *b)
{
	double x = ((const struct alloc_process *)a)->total.bytes;
	double y = ((const struct alloc_process *)b)->total.bytes;

	return x > y ? -1 : x < y;
}

void alloc_estimate__sort(struct alloc_estimate *e)
{
	if (e->n)
		qsort(e->processes, e->n, sizeof(*e->processes), by_bytes);
	hashmap__clear(&e->by_key); /* indices do not hold any more */
}

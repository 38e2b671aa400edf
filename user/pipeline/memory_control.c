// SPDX-License-Identifier: Apache-2.0
#include "user/pipeline/memory_control.h"

#define SAMPLE_NS 15000.0 /* one that is taken, where none was seen yet */
#define FIRE_NS   500.0   /* of the kernel's own, before the program runs */

static const uint32_t periods[] = {
	MEMORY_PERIOD_MIN, 3, 7, 13, 31, 61, 127, 251, 509, 1021, 2039, 4093, 8191, 16381, 32749,
	MEMORY_PERIOD_MAX};
#define PERIODS (sizeof(periods) / sizeof(*periods))
#define START   4 /* 31: what one records for a moment has little memory */

void memory_control__init(struct memory_control *m, uint64_t budget_ppm, uint32_t n_cpus)
{
	*m = (struct memory_control){
		.budget_ppm = budget_ppm, .n_cpus = n_cpus ? n_cpus : 1, .at = START, .sample_ns = SAMPLE_NS};
}

uint32_t memory_control__period(const struct memory_control *m)
{
	return periods[m->at];
}

uint32_t memory_control__slice_bits(const struct memory_control *m)
{
	/* half of it: those that are thinned come to as much again, and all the program's own where it faults for less than a slice */
	double n = (double)m->budget_ppm * 1000 / m->sample_ns / 2;
	uint32_t bits = 0;

	while (bits < 10 && (double)(2u << bits) <= n)
		bits++;
	return bits;
}

static double clamp(double x, double low, double high)
{
	return x < low ? low : x > high ? high : x;
}

/* How many a second the budget pays for. */
static double wanted_of(const struct memory_control *m)
{
	return clamp((double)m->budget_ppm * 1000 * m->n_cpus / m->sample_ns, 1,
		     MEMORY_TAKEN_A_CPU * (double)m->n_cpus);
}

static void go_up(struct memory_control *m, double faults)
{
	double wanted = wanted_of(m);

	while (m->at + 1 < PERIODS && faults / periods[m->at] > wanted)
		m->at++;
}

static void saw(struct memory_control *m, const struct memory_reading *r)
{
	m->seen_ns = r->now_ns;
	m->seen_faults = r->n_faults;
}

bool memory_control__judge(struct memory_control *m, const struct memory_reading *r)
{
	double s = (double)(r->now_ns - m->before.now_ns) / 1e9, faults, taken, fired;
	uint32_t before = m->at;

	if (!m->is_started || s < 0.1) {
		if (!m->is_started) {
			m->before = *r;
			saw(m, r);
		}
		m->is_started = true;
		return false;
	}
	faults = (double)(r->n_faults - m->before.n_faults) / s;
	fired = (double)(r->n_fired - m->before.n_fired);
	taken = (double)(r->n_taken - m->before.n_taken);
	if (taken >= 10)
		m->sample_ns = clamp(((double)(r->cost_ns - m->before.cost_ns) + fired * FIRE_NS) / taken,
				     SAMPLE_NS / 4, SAMPLE_NS * 10);
	m->before = *r;
	saw(m, r);
	go_up(m, faults);
	/* down only where that is well below: a rate on the brink does not move it to and fro */
	if (m->at == before && m->at && faults / periods[m->at - 1] < wanted_of(m) * 0.7)
		m->at--;
	return m->at != before;
}

/* The rate is that since somebody looked last: what came before the burst says nothing. At least one step, because it was an alarm. */
bool memory_control__alarm(struct memory_control *m, const struct memory_reading *r)
{
	double s = (double)(r->now_ns - m->seen_ns) / 1e9;
	uint32_t before = m->at;

	if (m->at + 1 < PERIODS)
		m->at++;
	if (m->is_started && s > 0.001) {
		go_up(m, (double)(r->n_faults - m->seen_faults) / s);
		saw(m, r);
	}
	return m->at != before;
}

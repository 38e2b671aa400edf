// SPDX-License-Identifier: Apache-2.0
/*
 * Problem. An agent that is restarted in a loop while something is wrong must not capture and tell it anew each time; and what it told to fire it has to tell to be
 * over, even if it was killed in between.
 *
 * Idea. A file of fixed records, replaced as a whole whenever something of it changes (a few times an hour). Times are of the wall clock. What was pending is not
 * kept: nobody knows whether it held while the agent was away. After another boot processes and groups are other ones, and a rule that was changed is another
 * rule: of those only what was told to fire comes back, to be told to be over. What a capture has gathered is in memory until it is written: one that was under way
 * is lost, which is told, and what fires on is captured anew.
 *
 * Invariants. A file that is cut, damaged, or somebody else's is refused as a whole. A restored alarm that nothing is measured for any more is over with the first
 * pass, and told.
 */
#include "user/alert/rule_memory.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "user/alert/rule_engine_impl.h"
#include "user/base/buf.h"

static const char magic[8] = "evalrt4";
/* The same size and order, but of a value where it now stands how bad that was; it did not tell which captures were under way. */
static const char earlier_magic[8] = "evalrt3";

_Static_assert(RULE_MEMORY_NAMES == NAME_N && RULE_MEMORY_NAME_MAX == ALERT_NAME_MAX,
	       "the names of an alert");
_Static_assert(sizeof(((struct rule_memory_alert *)0)->capture) == CAPTURE_ID_MAX, "the id of a capture");

uint64_t rule_memory__hash(uint64_t h, const void *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		h = (h ^ ((const uint8_t *)bytes)[i]) * 1099511628211ull;
	return h;
}

uint64_t rule_memory__checksum(const void *bytes, size_t len)
{
	return rule_memory__hash(RULE_MEMORY_HASH, bytes, len);
}

/* ---- parsing ---------------------------------------------------------------------------------------------------------- */

static bool ends(const char *text, size_t size)
{
	return memchr(text, '\0', size) != NULL;
}

static bool is_earlier(const struct rule_memory *m)
{
	return !memcmp(m->header.magic, earlier_magic, sizeof(earlier_magic));
}

static bool is_good(const struct rule_memory_alert *a)
{
	if (a->scope >= SCOPE_N || a->phase >= ALERT_PHASE_N || a->term >= CONDITION_TERMS_MAX ||
	    a->is_under_way > 1 || a->is_event > 1 || !ends(a->capture, sizeof(a->capture)))
		return false;
	if ((a->scope == SCOPE_PROCESS) != (a->pid != 0))
		return false;
	for (int i = 0; i < NAME_N; i++)
		if (!ends(a->names[i], ALERT_NAME_MAX))
			return false;
	return true;
}

static void rule_memory__get(const struct rule_memory *m, uint32_t i, struct rule_memory_alert *ret)
{
	memcpy(ret, m->alerts + i * sizeof(*ret), sizeof(*ret));
	if (is_earlier(m))
		ret->is_under_way = 0;
}

int rule_memory__parse(const void *bytes, size_t len, struct rule_memory *ret)
{
	struct rule_memory m;
	struct rule_memory_alert a;
	uint64_t checksum;
	size_t expected;

	if (len < sizeof(m.header) + sizeof(checksum))
		return -EBADMSG;
	memcpy(&m.header, bytes, sizeof(m.header));
	if ((memcmp(m.header.magic, magic, sizeof(magic)) && !is_earlier(&m)) ||
	    m.header.alert_size != sizeof(a) || m.header.n_alerts > RULE_MEMORY_ALERTS_MAX ||
	    m.header.quota.n > ALERT_QUOTA_MAX || m.header.quota.next >= ALERT_QUOTA_MAX ||
	    !ends(m.header.boot_id, sizeof(m.header.boot_id)))
		return -EBADMSG;
	expected = sizeof(m.header) + m.header.n_alerts * sizeof(a);
	if (len != expected + sizeof(checksum))
		return -EBADMSG;
	memcpy(&checksum, (const uint8_t *)bytes + expected, sizeof(checksum));
	if (checksum != rule_memory__checksum(bytes, expected))
		return -EBADMSG;
	m.alerts = (const uint8_t *)bytes + sizeof(m.header);
	for (uint32_t i = 0; i < m.header.n_alerts; i++) {
		rule_memory__get(&m, i, &a);
		if (!is_good(&a))
			return -EBADMSG;
	}
	*ret = m;
	return 0;
}

/* ---- saving ----------------------------------------------------------------------------------------------------------- */

static bool is_worth_keeping(const struct rule_engine *e, const struct alert *a)
{
	return a->is_used && a->names &&
	       (alert_state__is_told(&a->state) || a->cooling_until_ns > e->now.real_ns || a->n_under_way);
}

static void fill(const struct rule_engine *e, const struct alert *a, struct rule_memory_alert *to)
{
	const char *name = e->rules.items[a->rule].name;

	*to = (struct rule_memory_alert){.rule = e->states[a->rule].hash,
					 .rule_name = rule_memory__checksum(name, strlen(name)),
					 .scope = a->told.scope,
					 .pid = a->told.pid,
					 .start_ns = a->told.start_ns,
					 .cgroup_id = a->told.cgroup_id,
					 .phase = a->state.phase,
					 .term = a->worst.term,
					 .is_under_way = a->n_under_way || a->is_lost,
					 .is_event = a->is_event,
					 .over_real_ns = a->over_real_ns,
					 .fired_real_ns = a->fired_real_ns,
					 .cooling_until_ns = a->cooling_until_ns,
					 .episode = a->episode,
					 .threshold = a->worst.threshold,
					 .worst = a->worst.value,
					 .captured = a->captured};
	if (a->state.phase == ALERT_KEPT)
		to->over_real_ns = e->now.real_ns - (e->now.mono_ns - a->state.since_ns);
	memcpy(to->capture, a->capture, sizeof(to->capture));
	memcpy(to->names, a->names->text, sizeof(to->names));
}

int rule_engine__save(struct rule_engine *e, const char *boot_id, struct buf *to)
{
	struct rule_memory_header h = {.alert_size = sizeof(struct rule_memory_alert),
				       .next_episode = e->next_episode,
				       .quota = e->quota,
				       .programs = e->programs};
	struct rule_memory_alert a;
	uint64_t checksum;
	size_t begin = to->len;

	memcpy(h.magic, magic, sizeof(magic));
	snprintf(h.boot_id, sizeof(h.boot_id), "%s", boot_id);
	for (uint32_t i = 0; i < e->n_alerts && h.n_alerts < RULE_MEMORY_ALERTS_MAX; i++)
		h.n_alerts += is_worth_keeping(e, &e->alerts[i]);
	buf__append(to, &h, sizeof(h));
	for (uint32_t i = 0, n = 0; i < e->n_alerts && n < h.n_alerts; i++) {
		if (!is_worth_keeping(e, &e->alerts[i]))
			continue;
		fill(e, &e->alerts[i], &a);
		buf__append(to, &a, sizeof(a));
		n++;
	}
	if (buf__err(to))
		return buf__err(to);
	checksum = rule_memory__checksum(to->data + begin, to->len - begin);
	buf__append(to, &checksum, sizeof(checksum));
	if (!buf__err(to))
		e->is_dirty = false;
	return buf__err(to);
}

/* ---- restoring -------------------------------------------------------------------------------------------------------- */

static uint64_t to_mono(const struct rule_engine *e, uint64_t real_ns)
{
	uint64_t ago = e->now.real_ns > real_ns ? e->now.real_ns - real_ns : 0;

	return e->now.mono_ns > ago ? e->now.mono_ns - ago : 1;
}

static bool is_told(const struct rule_memory_alert *m)
{
	return m->phase == ALERT_FIRING || m->phase == ALERT_KEPT;
}

/* The rule that it is of: as it was, or else what has its name now. NONE: there is none. */
static uint32_t rule_of(const struct rule_engine *e, const struct rule_memory_alert *m, bool *ret_as_it_was)
{
	uint32_t named = NONE;

	for (uint32_t r = 0; r < e->rules.n; r++) {
		const struct rule *rule = &e->rules.items[r];

		*ret_as_it_was = e->states[r].hash == m->rule && rule->scope == m->scope &&
				 m->term < rule->condition.n_terms;
		if (*ret_as_it_was)
			return r;
		if (rule_memory__checksum(rule->name, strlen(rule->name)) == m->rule_name)
			named = r;
	}
	return named;
}

/* Of a target that no pass will see, so it is over with the first. */
static void orphan(struct rule_memory_alert *m, uint32_t i)
{
	m->start_ns = m->cgroup_id = UINT64_MAX - i;
	m->is_event = 0;
}

static void restore_alert(struct rule_engine *e, uint32_t rule, const struct rule_memory_alert *m)
{
	const char *names[NAME_N];
	struct metric_target key = {
		.scope = m->scope, .pid = m->pid, .start_ns = m->start_ns, .cgroup_id = m->cgroup_id};
	const char **const slots[NAME_N] = {&key.comm, &key.exe,       &key.cgroup,
					    &key.unit, &key.container, &key.pod};
	struct target *t;
	struct alert *a;

	for (int i = 0; i < NAME_N; i++) {
		names[i] = *m->names[i] ? m->names[i] : NULL;
		*slots[i] = names[i];
	}
	t = rule_engine__see(e, &key);
	a = t && !rule_engine__find_alert(e, rule, t) ? rule_engine__add_alert(e, rule, t) : NULL;
	if (!a || alert__name(a, &key))
		return;
	a->is_event = m->is_event;
	a->term = m->term < e->rules.items[rule].condition.n_terms ? m->term : 0;
	a->value = m->worst;
	a->threshold = m->threshold;
	a->worst = (struct alert_worst){.term = a->term, .value = a->value, .threshold = a->threshold};
	a->captured = m->captured;
	a->since_real_ns = a->fired_real_ns = m->fired_real_ns;
	a->cooling_until_ns = m->cooling_until_ns;
	a->episode = m->episode;
	a->meant_ns = e->now.mono_ns;
	if (is_told(m)) {
		alert_state__fire(&a->state, e->now.mono_ns);
		a->state.known_ns += rule_engine__learns_for(e, rule);
		a->state.fired_ns = a->state.since_ns = to_mono(e, m->fired_real_ns);
	}
	if (m->phase == ALERT_KEPT) {
		a->state.phase = ALERT_KEPT;
		a->state.since_ns = to_mono(e, m->over_real_ns);
	} else {
		a->over_real_ns = m->over_real_ns;
	}
	if (m->is_under_way)
		rule_engine__lose_capture(e, a);
	else
		memcpy(a->capture, m->capture, sizeof(a->capture));
}

/* An earlier format has the value that was captured. Programs have theirs without its threshold: of those nothing counts as worse while they cool. */
static void convert(const struct rule_engine *e, uint32_t rule, struct rule_memory_alert *m)
{
	const struct condition_set *c = &e->rules.items[rule].condition;

	if (m->term < c->n_terms)
		m->captured = condition__severity(&c->terms[m->term], m->captured, m->threshold);
}

static void take_programs(struct rule_engine *e, const struct rule_memory *m)
{
	e->programs = m->header.programs;
	for (int i = 0; is_earlier(m) && i < ALERT_PROGRAMS_MAX; i++)
		e->programs.items[i].captured = INFINITY;
}

int rule_engine__restore(struct rule_engine *e, const char *boot_id, const void *bytes, size_t len,
			 const struct rule_time *now)
{
	struct rule_memory_alert a;
	struct rule_memory m;
	int err = rule_memory__parse(bytes, len, &m);

	if (err)
		return err;
	e->now = *now;
	e->quota = m.header.quota;
	take_programs(e, &m);
	if (m.header.next_episode > e->next_episode)
		e->next_episode = m.header.next_episode;
	for (uint32_t i = 0; i < m.header.n_alerts; i++) {
		bool is_current;
		uint32_t rule;

		rule_memory__get(&m, i, &a);
		rule = rule_of(e, &a, &is_current);
		is_current &= a.scope == SCOPE_SYSTEM || !strcmp(m.header.boot_id, boot_id);
		if (rule == NONE || (!is_current && !is_told(&a) && !a.is_under_way))
			continue;
		if (is_earlier(&m))
			convert(e, rule, &a);
		if (!is_current)
			orphan(&a, i);
		restore_alert(e, rule, &a);
	}
	rule_engine__turn_back(e);
	return 0;
}

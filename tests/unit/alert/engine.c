// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/alert/engine.h"

static bool fake_profile(void *ctx, const struct condition *c, const struct metric_target *t,
			 struct profile_value *ret)
{
	(void)c, (void)t;
	*ret = ((struct fixture *)ctx)->profile;
	return ret->n > 0;
}

static int fake_capture(void *ctx, const struct capture_request *r, char ret_id[CAPTURE_ID_MAX],
			struct err *err)
{
	struct fixture *f = ctx;

	if (f->is_full)
		return err__set(err, -EAGAIN, "8 captures are under way");
	assert_true(f->n_captures < MANY);
	f->pids[f->n_captures++] = r->target.pid;
	f->last = *r;
	snprintf(f->last_cause, sizeof(f->last_cause), "%s", r->cause);
	snprintf(f->last_annotation, sizeof(f->last_annotation), "%s",
		 r->n_annotations ? r->annotations[0].value : "");
	snprintf(ret_id, CAPTURE_ID_MAX, "id%u", f->n_captures);
	if (f->answers_at_once)
		r->done(r->ctx, &(struct capture_result){.id = ret_id, .path = "/c/1", .bytes = f->bytes});
	return 0;
}

static void fake_tell(void *ctx, const struct alert_news *n)
{
	struct fixture *f = ctx;

	f->n_firing += n->kind == NEWS_FIRING;
	f->n_resolved += n->kind == NEWS_RESOLVED;
	f->n_captured += n->kind == NEWS_CAPTURED;
	if (n->kind == NEWS_FIRING) {
		snprintf(f->last_refused, sizeof(f->last_refused), "%s", n->refused);
		f->last_left = n->n_left;
		f->last_value = n->value;
	}
	f->last_metric = n->metric;
	f->last_worst = n->value;
	f->last_threshold = n->threshold;
	snprintf(f->last_id, sizeof(f->last_id), "%s", n->capture);
	snprintf(f->last_path, sizeof(f->last_path), "%s", n->path);
	f->last_since_ns = n->since_real_ns;
	f->last_fired_ns = n->fired_real_ns;
	f->last_ended_ns = n->ended_real_ns;
}

void read_rules(struct fixture *f, const char *text)
{
	struct err e = {0};
	struct yaml y;

	assert_int_equal(yaml__parse("f", text, strlen(text), &y, &e), 0);
	if (rule__parse_list(&(struct rule_source){"f", y.root}, NULL, NULL, &f->arena, &f->rules, &e))
		fail_msg("%s", e.text);
	yaml__done(&y);
}

static const struct rule_port *port_of(struct fixture *f)
{
	static struct rule_port port;

	port = (struct rule_port){fake_capture, fake_tell, fake_profile, f};
	return &port;
}

void start(struct fixture *f, const char *text)
{
	read_rules(f, text);
	f->opts = (struct rule_engine_opts){
		.captures_per_hour = 1000, .capture_bytes_per_day = 1ull << 40, .host = "h1"};
	f->now = (struct rule_time){10000 * S, 1700000000 * S, 10000 * S};
	f->answers_at_once = true;
	assert_int_equal(rule_engine__new(&f->opts, port_of(f), &f->rules, &f->now, &f->engine), 0);
	f->now.mono_ns += 100 * S;
	f->now.real_ns += 100 * S;
	f->now.boot_ns += 100 * S;
}

int set_up(void **state)
{
	static struct fixture f;

	f = (struct fixture){0};
	arena__init(&f.arena, 4 << 20);
	*state = &f;
	return 0;
}

int tear_down(void **state)
{
	struct fixture *f = *state;

	rule_engine__free(f->engine);
	arena__done(&f->arena);
	return 0;
}

struct metric_sample sample_of(const struct fixture *f, uint32_t pid, enum metric_id id, double value)
{
	static char comm[16];
	struct metric_sample s = {.target = {.scope = pid ? SCOPE_PROCESS : SCOPE_SYSTEM, .pid = pid},
				  .at_ns = f->now.mono_ns};

	snprintf(comm, sizeof(comm), "p%u", pid);
	if (pid) {
		s.target.comm = comm;
		s.target.start_ns = 1000 + pid;
	}
	s.values[id] = value;
	s.known = isnan(value) ? 0 : 1ull << id;
	return s;
}

void tick(struct fixture *f)
{
	f->now.mono_ns += S;
	f->now.real_ns += S;
	f->now.boot_ns += S;
}

void pass_of(struct fixture *f, enum metric_id id, const double *values, uint32_t n)
{
	tick(f);
	rule_engine__begin(f->engine, &f->now);
	for (uint32_t i = 0; i < n; i++) {
		struct metric_sample s = sample_of(f, i + 1, id, values[i]);

		rule_engine__take(f->engine, &s);
	}
	rule_engine__end(f->engine);
}

void pass_named_one(struct fixture *f, const char *comm, enum metric_id id, double value)
{
	struct metric_sample s;

	tick(f);
	rule_engine__begin(f->engine, &f->now);
	s = sample_of(f, 1, id, value);
	s.target.comm = comm;
	rule_engine__take(f->engine, &s);
	rule_engine__end(f->engine);
}

void pass_two(struct fixture *f, uint32_t pid, enum metric_id id, double value, enum metric_id other,
	      double other_value)
{
	struct metric_sample s;

	tick(f);
	rule_engine__begin(f->engine, &f->now);
	s = sample_of(f, pid, id, value);
	s.known |= 1ull << other;
	s.values[other] = other_value;
	rule_engine__take(f->engine, &s);
	rule_engine__end(f->engine);
}

void pass_one(struct fixture *f, enum metric_id id, double value)
{
	pass_of(f, id, &value, 1);
}

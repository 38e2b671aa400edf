// SPDX-License-Identifier: Apache-2.0
/*
 * The minutes after: a capture is there seconds after its `after`, and what its target does in the five minutes around, it cannot know by then. That is written
 * beside it when they are over, as one more file (TRACK_FILE): whoever reads early misses nothing but the future.
 *
 * What it does not do: change a file that is there. An agent that is killed before the minutes are over leaves a capture without this file.
 */
#include <errno.h>
#include <string.h>

#include "user/alert/capture_account.h"
#include "user/alert/capture_impl.h"
#include "user/base/buf.h"
#include "user/base/clock.h"
#include "user/base/log.h"

static int sequel__write(const struct capture_sequel *s)
{
	struct buf text;
	int err;

	buf__init(&text, 1 << 20);
	err = capture_meta__write_json(capture_track__json(&s->track), &text);
	if (!err)
		err = capture_folder__add(s->job.owner->opts.store_dir, &s->folder, TRACK_FILE, text.data,
					  text.len);
	buf__done(&text);
	return err;
}

static int work(struct capture_job *j)
{
	return sequel__write((struct capture_sequel *)j);
}

static void done(struct capture_job *j)
{
	struct capture_sequel *s = (struct capture_sequel *)j;

	if (j->err == -ECANCELED) /* capture_sequels__finish writes it */
		return;
	/* whoever deleted the capture meanwhile wants no more of it */
	if (j->err && j->err != -ENOENT)
		log_warn("captures: add '%s' to '%s': %s, ignoring", TRACK_FILE, s->folder.text,
			 strerror(-j->err));
	capture_track__done(&s->track);
	s->is_used = false;
}

/* Where all are in use, the one that has waited the longest is written as it is, for the next; this one goes without. */
static struct capture_sequel *free_sequel(struct captures *c)
{
	struct capture_sequel *oldest = NULL;

	for (int i = 0; i < SEQUELS_MAX; i++) {
		struct capture_sequel *s = &c->sequels[i];

		if (!s->is_used)
			return s;
		if (!s->job.is_at_work && (!oldest || s->track.fired_mono_ns < oldest->track.fired_mono_ns))
			oldest = s;
	}
	if (oldest)
		captures__run(c, &oldest->job);
	return NULL;
}

void capture_sequel__begin(struct captures *c, const struct capture_folder *folder,
			   struct capture_track *track)
{
	struct capture_sequel *s = track->rows ? free_sequel(c) : NULL;

	if (!s) {
		capture_track__done(track);
		return;
	}
	*s = (struct capture_sequel){.job = {.owner = c, .work = work, .done = done},
				     .is_used = true,
				     .folder = *folder,
				     .track = *track};
	*track = (struct capture_track){0};
}

void capture_sequels__step(struct captures *c, uint64_t mono_ns)
{
	for (int i = 0; i < SEQUELS_MAX; i++) {
		struct capture_sequel *s = &c->sequels[i];

		if (s->is_used && !s->job.is_at_work && capture_track__is_over(&s->track, mono_ns))
			captures__run(c, &s->job);
	}
}

void capture_sequels__finish(struct captures *c)
{
	for (int i = 0; i < SEQUELS_MAX; i++) {
		struct capture_sequel *s = &c->sequels[i];

		if (!s->is_used)
			continue;
		s->job.err = sequel__write(s);
		done(&s->job);
	}
}

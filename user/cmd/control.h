/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control - how everprof's own commands talk to the agent of a store: a socket in the store, one question and one answer a connection.
 *
 *   <store>/control      question: "VERB\n" and lines of its own        answer: "ok\n" or "error <errno>\n", then text
 *
 * Where its file is removed, or another folder stands under the store's path, it is made anew within CONTROL_LOOK_NS.
 *
 * Who may write in the store may ask; besides, only root and the agent's own user are answered. It needs neither the HTTP interface nor its secrets.
 *
 * Owns: the socket. Thread: that of its loop; control__ask any. Limit: CONTROL_QUESTION_MAX, CONTROL_ANSWER_MAX, CONTROL_VERBS_MAX; a connection waits
 * CONTROL_WAIT_MS. Errors: -ENOMEM; that it cannot listen is said, and tried again. Of control__ask: -ENOENT no agent of that store runs; -errno.
 */
#ifndef EVERPROF_CMD_CONTROL_H
#define EVERPROF_CMD_CONTROL_H

#include <stdbool.h>
#include <stddef.h>

#define CONTROL_SOCKET       "control"
#define CONTROL_QUESTION_MAX 8192
#define CONTROL_ANSWER_MAX   ((size_t)1 << 20)
#define CONTROL_VERBS_MAX    16
#define CONTROL_WAIT_MS      5000
#define CONTROL_LOOK_NS      (2ull * 1000000000)

struct buf;
struct control;
struct err;
struct loop;
struct store;

/* Answers into `to`; `text` is what stands behind the verb, may be changed, and ends with the call. A negative errno's text is the err's. */
typedef int (*control_fn)(void *ctx, char *text, struct buf *to, struct err *err);

/* The store, which is borrowed, says whether the folder is its own. */
int control__new(struct loop *loop, const char *store_dir, struct store *store, struct control **ret);
void control__free(struct control *c);
/* The verb is borrowed. is_open: the process that serves may ask it, too, for those whom it lets capture. */
int control__add(struct control *c, const char *verb, bool is_open, control_fn fn, void *ctx);
/* The same for the process that serves: appends "ok\n…" or "error <errno>\n<line>". */
int control__answer_server(struct control *c, char *question, struct buf *to);

/* For a command: the agent's answer, or its error. */
int control__ask(const char *store_dir, const char *verb, const char *text, struct buf *to, struct err *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Not getopt_long(): its messages can neither suggest nor say what a short form could have meant, its state is global, and its table would stand beside that of
 * the help, to be kept equal by hand.
 */
#include "user/cmd/command.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "user/base/buf.h"
#include "user/base/err.h"
#include "user/config/suggest.h"
#include "user/config/units.h"

#define WIDTH      100 /* columns of the help */
#define COLUMN_MAX 28  /* where its texts begin at the latest */
#define LABEL_MAX  96

/* ---- what options do most often --------------------------------------------------------------------------------------- */

int command_option__take_flag(const struct command_option *o, void *at, char *value, struct err *e)
{
	(void)o, (void)value, (void)e;
	*(bool *)at = true;
	return 0;
}

int command_option__take_text(const struct command_option *o, void *at, char *value, struct err *e)
{
	(void)o, (void)e;
	*(const char **)at = value;
	return 0;
}

int command_option__take_count(const struct command_option *o, void *at, char *value, struct err *e)
{
	uint64_t n;
	int err = units__parse_count(value, &n, e);

	(void)o;
	if (!err && n > UINT32_MAX)
		err = err__set(e, -ERANGE, "expected at most %u, found '%s'", UINT32_MAX,
			       units__quote(value).text);
	if (!err)
		*(uint32_t *)at = (uint32_t)n;
	return err;
}

int command_option__take_choice(const struct command_option *o, void *at, char *value, struct err *e)
{
	const char *choice = o->value;
	size_t len;

	for (unsigned int i = 0; *choice; i++, choice += len + (choice[len] == '|')) {
		len = strcspn(choice, "|");
		if (strlen(value) != len || strncmp(value, choice, len))
			continue;
		*(unsigned int *)at = i;
		return 0;
	}
	return err__set(e, -EINVAL, "expected %s, found '%s'", o->value, units__quote(value).text);
}

/* ---- help and complaints ---------------------------------------------------------------------------------------------- */

/* Columns, not bytes. */
static size_t width_of(const char *text, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++)
		n += (text[i] & 0xc0) != 0x80;
	return n;
}

/* Words from `column` on, in lines that begin at `indent`; a line end of the text stays one. */
static void print_wrapped(FILE *to, const char *text, size_t column, size_t indent)
{
	size_t at = column;

	while (*text) {
		size_t len = strcspn(text, " \n"), width = width_of(text, len);

		if (at > indent && at + 1 + width > WIDTH) {
			fprintf(to, "\n%*s", (int)indent, "");
			at = indent;
		} else if (at > indent) {
			fputc(' ', to);
			at++;
		}
		fwrite(text, 1, len, to);
		at += width;
		text += len;
		if (*text == '\n') {
			fprintf(to, "\n%*s", text[1] ? (int)indent : 0, "");
			at = indent;
		}
		text += *text != '\0';
	}
	fputc('\n', to);
}

static void print_usage(const struct command *c, FILE *to)
{
	const char *start = "usage:", *line = c->synopsis;

	while (*line) {
		int len = (int)strcspn(line, "\n");

		fprintf(to, "%-6s everprof %s %.*s\n", start, c->name, len, line);
		start = "";
		line += len + (line[len] == '\n');
	}
}

static void format_option(const struct command_option *o, char label[static LABEL_MAX])
{
	char letter[8] = "    ";

	if (o->letter)
		snprintf(letter, sizeof(letter), "-%c, ", o->letter);
	snprintf(label, LABEL_MAX, "%s--%s%s%s", letter, o->name, o->value ? " " : "",
		 o->value ? o->value : "");
}

static void format_word(const struct command_word *w, char label[static LABEL_MAX])
{
	snprintf(label, LABEL_MAX, "%s%s%s", w->name, w->operands ? " " : "", w->operands ? w->operands : "");
}

static size_t column_of(const struct command *c)
{
	char label[LABEL_MAX];
	size_t longest = strlen("-h, --help");

	for (uint32_t i = 0; i < c->n_words + c->n_options; i++) {
		size_t len;

		if (i < c->n_words)
			format_word(&c->words[i], label);
		else if (c->options[i - c->n_words].name)
			format_option(&c->options[i - c->n_words], label);
		len = strlen(label);
		if (len > longest && len + 4 <= COLUMN_MAX)
			longest = len;
	}
	return longest + 4;
}

static void print_row(const char *label, const char *text, size_t column)
{
	size_t at = 2 + strlen(label);

	printf("  %s", label);
	if (at + 2 > column)
		printf("\n%*s", (int)column, "");
	else
		printf("%*s", (int)(column - at), "");
	print_wrapped(stdout, text, column, column);
}

static int print_help(const struct command *c)
{
	size_t column = column_of(c);
	char label[LABEL_MAX];

	print_usage(c, stdout);
	putchar('\n');
	print_wrapped(stdout, c->text, 0, 0);
	putchar('\n');
	for (uint32_t i = 0; i < c->n_words; i++) {
		format_word(&c->words[i], label);
		print_row(label, c->words[i].text, column);
	}
	if (c->n_words)
		putchar('\n');
	for (uint32_t i = 0; i < c->n_options; i++) {
		const struct command_option *o = &c->options[i];

		if (!o->name) {
			printf("\n%s\n", o->text);
			continue;
		}
		format_option(o, label);
		print_row(label, o->text, column);
	}
	print_row("-h, --help", "this text", column);
	if (c->end) {
		putchar('\n');
		print_wrapped(stdout, c->end, 0, 0);
	}
	return fflush(stdout) ? EXIT_FAILED : EXIT_DONE;
}

int command__misuse(const struct command *c, const char *fmt, ...)
{
	va_list args;

	fprintf(stderr, "everprof: %s: ", c->name);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	print_usage(c, stderr);
	return EXIT_USAGE;
}

int command__fail(const struct command *c, const struct err *e, int code)
{
	fprintf(stderr, "everprof: %s: %s\n", c->name, err__text(e, code));
	return EXIT_FAILED;
}

int command__print(const struct command *c, struct buf *b)
{
	struct err e = {""};
	int err = buf__err(b);

	if (!err && (fwrite(b->data, 1, b->len, stdout) != b->len || fflush(stdout)))
		err = errno ? -errno : -EIO;
	return err ? command__fail(c, &e, err__set(&e, err, "cannot print: %s", strerror(-err))) : EXIT_DONE;
}

/* ---- parsing ---------------------------------------------------------------------------------------------------------- */

struct reading {
	const struct command *of;
	void *request;
	char **next; /* of argv: what is not read yet; ends with NULL */
	bool wants_help;
};

static const struct command_option help_option = {.letter = 'h', .name = "help"};

static void tell_unknown(const struct command *c, const char *found)
{
	struct suggest s;

	suggest__init(&s, found);
	for (uint32_t i = 0; i < c->n_options; i++)
		if (c->options[i].name)
			suggest__offer(&s, c->options[i].name);
	suggest__offer(&s, help_option.name);
	if (s.best)
		command__misuse(c, "unknown option '--%s', did you mean '--%s'?", units__quote(found).text,
				s.best);
	else
		command__misuse(c, "unknown option '--%s': see --help", units__quote(found).text);
}

/* By its whole name, or by a beginning that no other has; NULL: it was told that there is none. */
static const struct command_option *find_long(const struct command *c, const char *name, size_t len)
{
	const struct command_option *found = NULL, *other = NULL;
	char text[SUGGEST_WORD_MAX];

	for (uint32_t i = 0; i <= c->n_options; i++) {
		const struct command_option *o = i < c->n_options ? &c->options[i] : &help_option;

		if (!o->name || strncmp(o->name, name, len))
			continue;
		if (!o->name[len])
			return o;
		other = found;
		found = o;
	}
	snprintf(text, sizeof(text), "%.*s", (int)len, name);
	if (found && !other && len)
		return found;
	if (other && len)
		command__misuse(c, "option '--%s' can be --%s or --%s", text, other->name, found->name);
	else
		tell_unknown(c, text);
	return NULL;
}

/* called: as it was written */
static int take(struct reading *r, const struct command_option *o, const char *called, char *value)
{
	struct err e = {""};

	if (o == &help_option) {
		r->wants_help = true;
		return COMMAND_GO_ON;
	}
	if (o->value && !value) {
		value = *r->next;
		if (!value)
			return command__misuse(r->of, "%s wants its %s", called, o->value);
		r->next++;
	}
	if (o->take(o, (char *)r->request + o->at, value, &e))
		return command__misuse(r->of, "%s: %s", called, e.text);
	return COMMAND_GO_ON;
}

static int read_long(struct reading *r, char *text)
{
	size_t len = strcspn(text, "=");
	char *value = text[len] ? text + len + 1 : NULL, called[SUGGEST_WORD_MAX + 2];
	const struct command_option *o = find_long(r->of, text, len);

	if (!o)
		return EXIT_USAGE;
	snprintf(called, sizeof(called), "--%s", o->name);
	if (value && !o->value)
		return command__misuse(r->of, "%s takes no value", called);
	return take(r, o, called, value);
}

/* Flags may stand together; a value stands behind its letter, or is the next argument. */
static int read_letters(struct reading *r, char *text)
{
	int status = COMMAND_GO_ON;

	while (*text && status == COMMAND_GO_ON) {
		const struct command_option *o = *text == help_option.letter ? &help_option : NULL;
		const char called[] = {'-', *text, '\0'};

		for (uint32_t i = 0; !o && i < r->of->n_options; i++)
			if (r->of->options[i].letter == *text)
				o = &r->of->options[i];
		if (!o)
			return command__misuse(r->of, "unknown option '%s': see --help",
					       units__quote(called).text);
		text++;
		status = take(r, o, called, o->value && *text ? text : NULL);
		if (o->value)
			break;
	}
	return status;
}

int command__parse(const struct command *c, int argc, char **argv, void *request, struct operands *ret)
{
	struct reading r = {.of = c, .request = request, .next = argv + (argc > 0)};
	struct operands o = {.items = r.next};
	int status = COMMAND_GO_ON;
	char *text;

	while (status == COMMAND_GO_ON && !r.wants_help && (text = *r.next)) {
		if (*text != '-' || !text[1]) {
			if (c->ends_at_operand)
				break;
			o.items[o.n++] = text; /* never beyond what was read */
			r.next++;
			continue;
		}
		r.next++;
		if (!strcmp(text, "--")) {
			o.are_behind_dashes = true;
			break;
		}
		status = text[1] == '-' ? read_long(&r, text + 2) : read_letters(&r, text + 1);
	}
	if (status != COMMAND_GO_ON)
		return status;
	if (r.wants_help)
		return print_help(c);
	while (*r.next)
		o.items[o.n++] = *r.next++;
	o.items[o.n] = NULL;
	*ret = o;
	return COMMAND_GO_ON;
}

int command__run(const struct command *c, const struct operands *o, void *request)
{
	const char *name = o->n ? o->items[0] : c->first_is_default ? c->words[0].name : "";
	uint32_t n = o->n ? o->n - 1 : 0;
	struct suggest s;

	suggest__init(&s, name);
	for (uint32_t i = 0; i < c->n_words; i++) {
		const struct command_word *w = &c->words[i];

		suggest__offer(&s, w->name);
		if (strcmp(w->name, name))
			continue;
		if (n < w->n_min)
			return command__misuse(c, "%s wants %s", name, w->operands);
		if (n > w->n_max)
			return command__misuse(c, "'%s' is too much for %s",
					       units__quote(o->items[1 + w->n_max]).text, name);
		return w->run(request, o->items + (o->n > 0), n);
	}
	if (!*name)
		return command__misuse(c, "a word is needed%s", suggest__text(&s));
	return command__misuse(c, "there is no '%s'%s", units__quote(name).text, suggest__text(&s));
}

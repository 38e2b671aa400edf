/* SPDX-License-Identifier: Apache-2.0 */
#include "user/server/response.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "user/base/err.h"

void response__init(struct response *r)
{
	*r = (struct response){.status = 200, .type = "text/plain; charset=utf-8"};
	buf__init(&r->body, RESPONSE_BYTES_MAX);
}

void response__done(struct response *r)
{
	buf__done(&r->body);
}

void response__fail(struct response *r, unsigned status, const char *fmt, ...)
{
	char text[ERR_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	buf__clear(&r->body);
	r->asset = (struct asset){0};
	r->file[0] = '\0';
	r->status = status;
	r->type = "text/plain; charset=utf-8";
	buf__printf(&r->body, "%s\n", text);
}

void response__fail_err(struct response *r, int code, const struct err *e)
{
	static const struct {
		int code;
		unsigned status;
	} kinds[] = {{-ENOENT, 404}, {-ENODATA, 404}, {-EINVAL, 400}, {-EBADMSG, 400},    {-E2BIG, 413},
		     {-EAGAIN, 429}, {-EBUSY, 429},   {-EPIPE, 503},  {-EOPNOTSUPP, 501}, {-ECANCELED, 410}};
	unsigned status = 500;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (kinds[i].code == code)
			status = kinds[i].status;
	response__fail(r, status, "%s", err__text(e, code));
}

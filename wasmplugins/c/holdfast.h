/* holdfast.h: what a plugin in C needs to bring a lock. ABI.md says what a lock must keep to.
 *
 * One file of the plugin includes this header, and only one, since the exports are made here.
 * That file defines plugin_about, plugin_open, plugin_read and plugin_swap:
 *
 *     const char *const plugin_about[] = {"name", "mine", "parameter", "path: of a file", NULL};
 *     int32_t plugin_open(void) { ... }
 *     int32_t plugin_read(void) { ... }
 *     int32_t plugin_swap(const char *old, uint32_t old_len, const char *value, uint32_t value_len) { ... }
 *
 * Each of the functions ends with one of
 *
 *     return HF_OK;                                        from plugin_open
 *     return hf_reply_read(version, n, value, m);          from plugin_read
 *     return hf_reply_swap(version, n);                    from plugin_swap
 *     return hf_fail(HF_DENIED, "the token is too old");   from all
 *
 * Build it with clang, lld and wasi-libc:
 *
 *     clang --target=wasm32-wasi -mcpu=mvp -mexec-model=reactor -Os -Wl,-s,--stack-first -o mine.wasm mine.c
 *
 * The host calls one function at a time. What is static stays from one call to the next, but
 * a plugin may have several instances, and any may be thrown away: keep nothing that matters.
 */
#ifndef HOLDFAST_H
#define HOLDFAST_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* What the functions of a plugin return. */
enum {
	HF_OK = 0,
	HF_CONFLICT = 1,    /* the swap did not take effect: the version was another */
	HF_DOUBT = 2,       /* it is unknown whether the swap took effect, or will */
	HF_UNREACHABLE = 3, /* no answer now; nothing was changed, and nothing will be */
	HF_FOREIGN = 4,     /* what lies there is no register */
	HF_INVALID = 5,     /* it can never work: a parameter is missing, unknown or wrong */
	HF_DENIED = 6,      /* a permission is missing */
	HF_NO_SPACE = 18,
	HF_READ_ONLY = 19,
};

#define HF_MAX_VERSION 1024 /* bytes of a version */
#define HF_MAX_VALUE 65536  /* bytes of a value */

/* ---- What the plugin defines. ---- */

/* What the plugin is, for people: names and values in turn, and NULL at the end. The names are
 * name, version, about (one line), parameter ("NAME: what it is") and wants (a grant); the
 * last two may be there several times. A URL with a parameter that is not here is refused. */
extern const char *const plugin_about[];

/* Is called once, before the others. It looks at the parameters, and need not reach a server. */
int32_t plugin_open(void);

/* Tells the present version and value; of a lock that was never written, two empty texts. */
int32_t plugin_read(void);

/* Replaces the value if the present version is old, of which no bytes mean that the lock was
 * never written. What it is given is there until it returns, and is not ended by a zero. */
int32_t plugin_swap(const char *old, uint32_t old_len, const char *value, uint32_t value_len);

/* ---- What the plugin may call. ---- */

/* The value of a parameter of the URL, ended by a zero, or otherwise if it was not given. Of
 * several it is the first. "database" is the absolute path of the database. */
static inline const char *hf_param(const char *name, const char *otherwise);

/* Ends plugin_read. It copies what it is given. */
static inline int32_t hf_reply_read(const void *version, uint32_t version_len, const void *value, uint32_t value_len);

/* Ends plugin_swap after it took effect, with the new version. It copies what it is given. */
static inline int32_t hf_reply_swap(const void *version, uint32_t version_len);

/* Ends any of them with a code other than HF_OK, and with texts that tell a person, put
 * together, what went wrong and what to do: hf_fail(HF_DENIED, "cannot write ", path). */
#define hf_fail(code, ...) hf_fail_with(code, (const char *const[]){__VA_ARGS__, NULL})

/* Tells people something: level 0 debug, 1 info, 2 warning, 3 error. */
static inline void hf_log(int32_t level, const char *text);

/* The answer to an HTTP request. */
typedef struct {
	int status;
	const char *head, *body; /* within the room that hf_http was given */
	uint32_t head_len, body_len;
} hf_answer;

/* Sends an HTTP request of n bytes, as ABI.md has it, and has the answer put into a room:
 *
 *     PUT https://host:port/path\nName: value\n\nbody
 *
 * With HF_OK there is an answer, of whatever status. Otherwise it returns HF_DENIED (it was not
 * granted, or is no request), HF_UNREACHABLE (there is no connection) or HF_DOUBT (it was sent,
 * and its effect is unknown: from a mere read, return HF_UNREACHABLE). The host adds the cause
 * to what hf_fail tells. */
static inline int32_t hf_http(const char *request, uint32_t n, char *room, uint32_t size, hf_answer *answer);

/* The value of a header of an answer, which is of *n bytes and not ended by a zero, or NULL. */
static inline const char *hf_header(const hf_answer *answer, const char *name, uint32_t *n);

/* ---- How it is done. Nothing below is for plugins to call. ---- */

#define HF_EXPORT(name) __attribute__((export_name(name)))
#define HF_IMPORT(name) __attribute__((import_module("holdfast"), import_name(name)))

HF_IMPORT("http") int32_t hf_import_http(const char *request, uint32_t n, char *response, uint32_t room);
HF_IMPORT("log") void hf_import_log(int32_t level, const char *text, uint32_t n);

static char hf_input[HF_MAX_VERSION + HF_MAX_VALUE]; /* what the host hands over */
static char hf_config[64 << 10];                     /* pairs, from plugin_open on */
static uint32_t hf_config_len;
static struct {
	uint32_t code;
	char payload[4 + HF_MAX_VERSION + HF_MAX_VALUE];
} hf_output; /* what the host reads after a call */
static uint32_t hf_output_len;

/* Adds to the reply. What does not fit ends the instance: it is a mistake in the plugin. */
static inline void hf_put(const void *bytes, uint32_t n) {
	if (n > sizeof hf_output.payload - hf_output_len) __builtin_trap();
	memcpy(hf_output.payload + hf_output_len, bytes, n);
	hf_output_len += n;
}

static inline int32_t hf_reply_read(const void *version, uint32_t version_len, const void *value, uint32_t value_len) {
	hf_output_len = 0;
	hf_put(&version_len, 4);
	hf_put(version, version_len);
	hf_put(value, value_len);
	return HF_OK;
}

static inline int32_t hf_reply_swap(const void *version, uint32_t version_len) {
	hf_output_len = 0;
	hf_put(version, version_len);
	return HF_OK;
}

static inline int32_t hf_fail_with(int32_t code, const char *const *texts) {
	hf_output_len = 0;
	for (; *texts; texts++) hf_put(*texts, strlen(*texts));
	return code;
}

/* The pair behind one in the configuration. */
static inline const char *hf_next(const char *name) {
	const char *value = name + strlen(name) + 1;
	return value + strlen(value) + 1;
}

static inline const char *hf_param(const char *name, const char *otherwise) {
	for (const char *p = hf_config; p < hf_config + hf_config_len; p = hf_next(p))
		if (!strcmp(p, name)) return p + strlen(p) + 1;
	return otherwise;
}

/* Whether plugin_about has a parameter. */
static inline int hf_known(const char *name) {
	size_t n = strlen(name);
	for (const char *const *p = plugin_about; *p; p += 2)
		if (!strcmp(p[0], "parameter") && !strncmp(p[1], name, n) && p[1][n] == ':') return 1;
	return 0;
}

static inline void hf_log(int32_t level, const char *text) { hf_import_log(level, text, strlen(text)); }

static inline int32_t hf_http(const char *request, uint32_t n, char *room, uint32_t size, hf_answer *answer) {
	int32_t got = hf_import_http(request, n, room, size);
	if (got < 0) return got == -1 ? HF_DENIED : got == -2 ? HF_UNREACHABLE : HF_DOUBT;
	*answer = (hf_answer){.head = room, .body = room + got};
	for (int32_t i = 0; i < 3 && i < got; i++) answer->status = answer->status * 10 + (room[i] - '0');
	for (int32_t i = 0; i + 1 < got; i++)
		if (room[i] == '\n' && room[i + 1] == '\n') {
			answer->head_len = i + 1;
			answer->body = room + i + 2;
			answer->body_len = got - i - 2;
			break;
		}
	return HF_OK;
}

static inline const char *hf_header(const hf_answer *answer, const char *name, uint32_t *n) {
	const char *end = answer->head + answer->head_len;
	for (const char *line = answer->head; line < end;) {
		const char *stop = memchr(line, '\n', end - line), *l = line, *c = name;
		while (*c && l < stop && (*l | 32) == (*c | 32)) l++, c++; /* no matter in which case */
		if (!*c && stop - l >= 2 && l[0] == ':' && l[1] == ' ') {
			*n = stop - l - 2;
			return l + 2;
		}
		line = stop + 1;
	}
	return NULL;
}

/* Ends an export: what it returns says where the reply lies. */
static inline int64_t hf_reply(int32_t code) {
	hf_output.code = (uint32_t)code;
	return (int64_t)((uint64_t)(hf_output_len + 4) << 32 | (uint32_t)(uintptr_t)&hf_output);
}

/* This header speaks version 1 of the interface and no other. */
HF_EXPORT("holdfast_abi") int64_t hf_export_abi(void) { return (int64_t)1 << 32 | 1; }

HF_EXPORT("holdfast_buffer") char *hf_export_buffer(uint32_t n) { return n <= sizeof hf_input ? hf_input : NULL; }

HF_EXPORT("holdfast_about") int64_t hf_export_about(void) {
	hf_output_len = 0;
	for (const char *const *p = plugin_about; *p; p++) hf_put(*p, strlen(*p) + 1);
	return hf_reply(HF_OK);
}

HF_EXPORT("holdfast_open") int64_t hf_export_open(int32_t version, uint32_t n) {
	(void)version; /* 1: there is no other that both speak */
	hf_output_len = 0;
	if (n > sizeof hf_config) return hf_reply(hf_fail(HF_INVALID, "there are too many parameters"));
	memcpy(hf_config, hf_input, n);
	hf_config_len = n;
	const char *end = hf_config + n;
	/* The first pair is the database. */
	for (const char *p = n ? hf_next(hf_config) : end; p < end; p = hf_next(p))
		if (!hf_known(p)) return hf_reply(hf_fail(HF_INVALID, "unknown parameter ", p, "="));
	return hf_reply(plugin_open());
}

HF_EXPORT("holdfast_read") int64_t hf_export_read(void) {
	hf_output_len = 0;
	return hf_reply(plugin_read());
}

HF_EXPORT("holdfast_swap") int64_t hf_export_swap(uint32_t old_len, uint32_t value_len) {
	hf_output_len = 0;
	return hf_reply(plugin_swap(hf_input, old_len, hf_input + old_len, value_len));
}

#endif

/* PLUGIN: a plugin of Holdfast that keeps a lock in one key of an HTTP server. The server must
 * have a strong ETag for what it stores, and obey If-Match and If-None-Match.
 *
 * To keep the lock elsewhere, change plugin_open, look and plugin_swap. */
#include <unistd.h>

#include "holdfast.h"

const char *const plugin_about[] = {
	"name", "PLUGIN",
	"version", "0.1",
	"about", "a lock in a key of an HTTP server that has ETag and If-Match",
	"parameter", "url: of the key, such as http://127.0.0.1:8080/app",
	"parameter", "token: sent as Authorization: Bearer; as a secret",
	"wants", "allow: the origin of url=",
	NULL,
};

/* The key holds the version, which is random so that none ever comes back, a line feed and the
 * value. Other instances use it at the same time: nothing of it is remembered between calls. */
#define VERSION_SIZE 32

static const char *url, *token;
static char request[8192 + VERSION_SIZE + 1 + HF_MAX_VALUE];
static uint32_t request_len;
static char room[16384 + VERSION_SIZE + 1 + HF_MAX_VALUE];

/* What look found. It lies in room, until the next request. */
static struct {
	const char *version, *value, *etag;
	uint32_t version_len, value_len, etag_len;
} now;

static void add(const char *bytes, uint32_t n) {
	if (n > sizeof request - request_len) __builtin_trap();
	memcpy(request + request_len, bytes, n);
	request_len += n;
}

static void add_text(const char *text) { add(text, strlen(text)); }

/* Begins a request: what is added next are further lines of its head, and then its body. */
static void begin(const char *method) {
	request_len = 0;
	add_text(method);
	add_text(" ");
	add_text(url);
	add_text("\n");
	if (*token) {
		add_text("Authorization: Bearer ");
		add_text(token);
		add_text("\n");
	}
}

/* Ends with the code of a status that is no success; failed is what a failure of the server means. */
static int32_t refused(int status, int32_t failed) {
	char digits[4] = {(char)('0' + status / 100), (char)('0' + status / 10 % 10), (char)('0' + status % 10), 0};
	int32_t code = status == 401 || status == 403 ? HF_DENIED : status == 429 ? HF_UNREACHABLE : status >= 500 ? failed : HF_INVALID;
	return hf_fail(code, url, ": status ", digits);
}

/* Reads the key. */
static int32_t look(void) {
	hf_answer answer;
	memset(&now, 0, sizeof now);
	begin("GET");
	add_text("Cache-Control: no-cache\n\n");
	int32_t code = hf_http(request, request_len, room, sizeof room, &answer);
	if (code == HF_DOUBT) code = HF_UNREACHABLE; /* a read changes nothing */
	if (code != HF_OK) return hf_fail(code, "GET ", url);
	if (answer.status == 404) return HF_OK;
	if (answer.status != 200) return refused(answer.status, HF_UNREACHABLE);
	if (answer.body_len < VERSION_SIZE + 1 || answer.body[VERSION_SIZE] != '\n')
		return hf_fail(HF_FOREIGN, url, " was not written by this plugin");
	now.etag = hf_header(&answer, "ETag", &now.etag_len);
	if (!now.etag || now.etag_len == 0 || now.etag[0] == 'W')
		return hf_fail(HF_INVALID, "the server has no strong ETag for ", url, ", which a lock needs");
	now.version = answer.body;
	now.version_len = VERSION_SIZE;
	now.value = answer.body + VERSION_SIZE + 1;
	now.value_len = answer.body_len - VERSION_SIZE - 1;
	return HF_OK;
}

/* Gets the parameters. One that plugin_about does not have was refused before. */
int32_t plugin_open(void) {
	url = hf_param("url", "");
	token = hf_param("token", "");
	if (!*url) return hf_fail(HF_INVALID, "url= is missing: it is that of the key, such as http://127.0.0.1:8080/app");
	if (strlen(url) + strlen(token) > 4096) return hf_fail(HF_INVALID, "url= or token= is too long");
	return HF_OK;
}

int32_t plugin_read(void) {
	int32_t code = look();
	if (code != HF_OK) return code;
	return hf_reply_read(now.version, now.version_len, now.value, now.value_len);
}

/* Makes a random version. */
static int new_version(char *version) {
	static const char hex[] = "0123456789abcdef";
	unsigned char random[VERSION_SIZE / 2];
	if (getentropy(random, sizeof random) != 0) return 0;
	for (uint32_t i = 0; i < sizeof random; i++) {
		version[2 * i] = hex[random[i] >> 4];
		version[2 * i + 1] = hex[random[i] & 15];
	}
	return 1;
}

/* That the server compares the ETag is what makes it atomic; comparing the version here only
 * tells which ETag that is. */
int32_t plugin_swap(const char *old, uint32_t old_len, const char *value, uint32_t value_len) {
	char version[VERSION_SIZE];
	hf_answer answer;
	int32_t code = look();
	if (code != HF_OK) return code;
	if (now.version_len != old_len || (old_len > 0 && memcmp(now.version, old, old_len) != 0)) return hf_fail(HF_CONFLICT, "");
	if (!new_version(version)) return hf_fail(HF_UNREACHABLE, "there are no random bytes");
	begin("PUT");
	if (old_len == 0) {
		add_text("If-None-Match: *\n");
	} else {
		add_text("If-Match: ");
		add(now.etag, now.etag_len);
		add_text("\n");
	}
	add_text("Content-Type: application/octet-stream\n\n");
	add(version, VERSION_SIZE);
	add_text("\n");
	add(value, value_len);
	code = hf_http(request, request_len, room, sizeof room, &answer);
	if (code != HF_OK) return hf_fail(code, "PUT ", url); /* if the answer was lost: never try again here */
	if (answer.status == 200 || answer.status == 201 || answer.status == 204) return hf_reply_swap(version, VERSION_SIZE);
	if (answer.status != 412 && !(answer.status == 404 && old_len > 0))
		return refused(answer.status, HF_DOUBT); /* it may have been written before it failed */
	/* It was refused because of another swap, or because of this one, which a proxy on the way
	 * has sent twice. If this one is not there it may also have been, and been replaced. */
	if (look() == HF_OK && now.version_len == VERSION_SIZE && memcmp(now.version, version, VERSION_SIZE) == 0)
		return hf_reply_swap(version, VERSION_SIZE);
	return hf_fail(HF_DOUBT, "PUT ", url, ": another swap came first, or this one came twice");
}

/* dir: a plugin that keeps a lock in a directory of this host, and an example of one in C.
 *
 *     lock=wasm:///path/to/dir.wasm?dir=/data
 *
 * The lock of /data/app.db is then the directory /data/app.db.lock, or another: path=/data/x.
 * NFS and SMB answer from caches: for those there is lock=leasefile:, which gets around them.
 *
 * The directory holds
 *
 *     000000000000012.5ZTUJ4A6KQRBX2MD.token    an empty file, the only one of its kind
 *     000000000000012.5ZTUJ4A6KQRBX2MD.value    the value of that version
 *
 * The name of the token is the version: a number that grows by one with every swap, and
 * something random. To swap is to write the value of the next version, and to rename the token
 * to that version's name. That is why the rules hold:
 *
 *  - Atomic: a rename consumes its source. Of all from one version, one finds it.
 *  - Whole: a value is complete before its token is there, and is never written again.
 *  - Monotonic: what is random never comes back, not after the directory was deleted either.
 *    A rename that comes late finds no source.
 *  - Fresh: a read lists the directory. Nothing is remembered from one call to the next.
 *  - Doubt: if a rename fails, the directory is looked at. Only what proves that it took
 *    effect is a success, and only what proves that it never will is a conflict or an error.
 *
 * It calls WASI by itself, since open() and readdir() of the C library make it five times as
 * large. A plugin that need not be small may use those.
 */
#include <wasi/api.h>

#include "../../c/holdfast.h"

const char *const plugin_about[] = {
	"name", "dir",
	"version", "1",
	"about", "a lock in a directory of this host",
	"parameter", "path: directory of the lock, which is made (default: that of the database, with .lock behind it)",
	"wants", "dir: a directory that path= lies in",
	NULL,
};

enum {
	NUMBER = 15,                  /* digits; they sort like what they count */
	NONCE = 16,                   /* characters of 5 bits */
	VERSION = NUMBER + 1 + NONCE, /* bytes of 000000000000012.5ZTUJ4A6KQRBX2MD */
	PATH = 1000,                  /* bytes of a path */
	TRIES = 50,                   /* of what a swap by somebody else spoils: for 0.2 s */
};

typedef char version[VERSION + 1]; /* "" is that of a lock that was never written */
typedef char path[PATH + 3 * VERSION];
typedef __wasi_errno_t error; /* 0 is none */
typedef __wasi_fd_t file;

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/* What the lock is. Nothing else outlives a call. */
static file granted;     /* the directory that was granted */
static path root;        /* its path */
static path dir, parent; /* of the lock, and what it lies in: within granted */

/* ---- Texts. ---- */

/* Puts texts together. */
#define join(to, ...) join_all(to, (const char *const[]){__VA_ARGS__, NULL})
static const char *join_all(char *to, const char *const *texts) {
	char *end = to;
	for (; *texts; texts++) end = stpcpy(end, *texts);
	return to;
}

/* Whether n bytes are a version with a suffix behind it. */
static int is_version(const char *text, size_t n, const char *suffix) {
	if (n != VERSION + strlen(suffix) || text[NUMBER] != '.' || memcmp(text + VERSION, suffix, n - VERSION)) return 0;
	for (int i = 0; i < VERSION; i++)
		if (i < NUMBER ? text[i] < '0' || text[i] > '9' : i > NUMBER && !memchr(alphabet, text[i], 32)) return 0;
	return 1;
}

/* Makes a version that may follow another, and never was. */
static error follow(version next, const char *old) {
	uint8_t random[NONCE];
	error bad = __wasi_random_get(random, NONCE);
	if (bad) return bad;
	if (*old) memcpy(next, old, NUMBER);
	else memset(next, '0', NUMBER);
	char *digit = next + NUMBER - 1;
	for (; digit > next && *digit == '9'; digit--) *digit = '0';
	if (++*digit > '9') return __WASI_ERRNO_OVERFLOW; /* nobody swaps so often */
	next[NUMBER] = '.';
	for (int i = 0; i < NONCE; i++) next[NUMBER + 1 + i] = alphabet[random[i] % 32];
	next[VERSION] = 0;
	return 0;
}

static int compare_numbers(const char *a, const char *b) { return memcmp(a, b, NUMBER); }

/* ---- Errors. ---- */

/* Whether an error is an answer, and not the loss of one: nothing was done, nor will be. */
static int refused(error bad) { return bad == __WASI_ERRNO_ACCES || bad == __WASI_ERRNO_PERM || bad == __WASI_ERRNO_ROFS; }

/* Fails with an error. Nothing may have been changed. */
static int32_t cannot(const char *what, error bad) {
	const char number[] = {'0' + bad / 10, '0' + bad % 10, 0};
	switch (bad) {
	case __WASI_ERRNO_ROFS:
		return hf_fail(HF_READ_ONLY, "cannot ", what, " ", root, "/", dir, ": it may only be read; grant its directory by dir= and not by rodir=");
	case __WASI_ERRNO_ACCES:
	case __WASI_ERRNO_PERM:
		return hf_fail(HF_DENIED, "cannot ", what, " ", root, "/", dir, ": this process may not, or a link leads out of what dir= grants");
	case __WASI_ERRNO_NOENT:
		return hf_fail(HF_UNREACHABLE, "cannot ", what, " ", root, "/", dir, ": the directory that it lies in is missing");
	case __WASI_ERRNO_IO:
		return hf_fail(HF_UNREACHABLE, "cannot ", what, " ", root, "/", dir, ": the storage is full or fails");
	}
	return hf_fail(HF_UNREACHABLE, "cannot ", what, " ", root, "/", dir, ": WASI error ", number);
}

static int32_t in_doubt(void) { return hf_fail(HF_DOUBT, "the rename of the token in ", root, "/", dir, " brought no answer"); }

/* Fails because what is there is no lock. */
static int32_t foreign(const char *why) {
	return hf_fail(HF_FOREIGN, root, "/", dir, " ", why, "; if no process has the database open, move it away");
}

/* Lets whoever spoils a try get on. */
static void give_way(int try) {
	if (try < 2) return;
	__wasi_subscription_t wait = {.u = {.tag = __WASI_EVENTTYPE_CLOCK, .u.clock = {.id = __WASI_CLOCKID_MONOTONIC}}};
	wait.u.u.clock.timeout = (try < 4 ? try : 4) * 1000000;
	__wasi_event_t event;
	size_t n;
	(void)__wasi_poll_oneoff(&wait, &event, 1, &n);
}

/* ---- Files. ---- */

static error open_file(const char *name, __wasi_oflags_t flags, __wasi_rights_t rights, file *f) {
	return __wasi_path_open(granted, __WASI_LOOKUPFLAGS_SYMLINK_FOLLOW, name, flags, rights, 0, 0, f);
}

/* Writes a new file, and has it at the storage. */
static error store(const char *name, const char *bytes, size_t n) {
	file f;
	error bad = open_file(name, __WASI_OFLAGS_CREAT | __WASI_OFLAGS_EXCL, __WASI_RIGHTS_FD_WRITE, &f);
	if (bad) return bad;
	while (n > 0 && !bad) {
		size_t put = 0;
		bad = __wasi_fd_write(f, &(__wasi_ciovec_t){(const uint8_t *)bytes, n}, 1, &put);
		if (!bad && !put) bad = __WASI_ERRNO_IO;
		bytes += put;
		n -= put;
	}
	if (!bad) bad = __wasi_fd_sync(f);
	error last = __wasi_fd_close(f);
	return bad ? bad : last;
}

/* Reads up to *n bytes of a file, and says how many there are. */
static error load(const char *name, char *bytes, size_t *n) {
	file f;
	error bad = open_file(name, 0, __WASI_RIGHTS_FD_READ, &f);
	if (bad) return bad;
	size_t all = 0, got;
	do {
		got = 0;
		bad = __wasi_fd_read(f, &(__wasi_iovec_t){(uint8_t *)bytes + all, *n - all}, 1, &got);
		all += got;
	} while (!bad && got > 0);
	*n = all;
	(void)__wasi_fd_close(f);
	return bad;
}

/* Has the names in a directory at the storage, where directories can be synced. */
static error sync_names(const char *name) {
	file f;
	error bad = open_file(name, __WASI_OFLAGS_DIRECTORY, __WASI_RIGHTS_FD_READ, &f);
	if (bad) return bad;
	bad = __wasi_fd_sync(f);
	(void)__wasi_fd_close(f);
	return refused(bad) || bad == __WASI_ERRNO_INVAL || bad == __WASI_ERRNO_NOTSUP ? 0 : bad;
}

/* ---- Looking. ---- */

/* What one listing of the directory showed. */
struct view {
	int tokens, values, others; /* how many there are */
	version present;            /* of the token; "" if there is no lock */
	version some[32];           /* versions that have a value, though not of all */
};

static void see(struct view *v, const char *name, size_t n) {
	if (is_version(name, n, ".token")) {
		v->tokens++;
		memcpy(v->present, name, VERSION);
	} else if (is_version(name, n, ".value")) {
		if (v->values < 32) memcpy(v->some[v->values++], name, VERSION);
	} else if (*name != '.') {
		v->others++;
	}
}

static error list(struct view *v) {
	static uint8_t names[4096];
	file f;
	error bad = open_file(dir, __WASI_OFLAGS_DIRECTORY, __WASI_RIGHTS_FD_READDIR, &f);
	if (bad) return bad;
	*v = (struct view){0};
	__wasi_dircookie_t next = 0;
	size_t n = sizeof names;
	while (n == sizeof names && !(bad = __wasi_fd_readdir(f, names, sizeof names, next, &n))) {
		__wasi_dirent_t entry;
		for (size_t i = 0; i + sizeof entry <= n; i += sizeof entry + entry.d_namlen) {
			memcpy(&entry, names + i, sizeof entry);
			if (i + sizeof entry + entry.d_namlen > n) break; /* it comes once more, as a whole */
			see(v, (const char *)names + i + sizeof entry, entry.d_namlen);
			next = entry.d_next;
		}
	}
	(void)__wasi_fd_close(f);
	return bad;
}

/* Finds the present version: the token. */
static int32_t look(struct view *v) {
	for (int try = 0; try < TRIES; try++) {
		give_way(try);
		error bad = list(v);
		if (bad == __WASI_ERRNO_NOENT) {
			__wasi_filestat_t info;
			if ((bad = __wasi_path_filestat_get(granted, 0, parent, &info))) return cannot("look at", bad);
			*v = (struct view){0};
			if (__wasi_path_filestat_get(granted, 0, dir, &info)) return HF_OK;
			continue; /* it was made meanwhile */
		}
		if (bad == __WASI_ERRNO_NOTDIR) return foreign("is not a directory");
		if (bad) return cannot("look at", bad);
		/* A rename that is under way may show the token twice or not at all. */
		if (v->tokens == 1) return HF_OK;
	}
	return foreign(v->tokens ? "has two tokens: somebody copied files into it" : v->values || v->others ? "has no token" : "is empty");
}

int32_t plugin_read(void) {
	static char value[HF_MAX_VALUE + 1];
	error bad = 0;
	for (int try = 0; try < TRIES; try++) {
		give_way(try);
		struct view v;
		path name;
		size_t n = sizeof value;
		int32_t code = look(&v);
		if (code != HF_OK) return code;
		if (!*v.present) return hf_reply_read("", 0, "", 0);
		bad = load(join(name, dir, "/", v.present, ".value"), value, &n);
		if (!bad && n > HF_MAX_VALUE) return foreign("has a value that is too long: somebody changed it");
		if (!bad) return hf_reply_read(v.present, VERSION, value, n);
		/* Whoever swapped since has removed it. */
	}
	return bad == __WASI_ERRNO_NOENT ? foreign("lacks a value: somebody removed it") : cannot("read", bad);
}

/* ---- Swapping. ---- */

static void remove_value(const char *of) {
	path value;
	(void)__wasi_path_unlink_file(granted, join(value, dir, "/", of, ".value"));
}

/* Removes values that crashes left, whose swaps have no source any more: those that are not
 * ahead of the token. Both are of one listing: the lock may be deleted and made anew. */
static void sweep(void) {
	struct view v;
	if (look(&v) != HF_OK) return;
	for (int i = 0; i < v.values; i++)
		if (compare_numbers(v.some[i], v.present) <= 0 && strcmp(v.some[i], v.present)) remove_value(v.some[i]);
}

/* Ends a swap whose rename took effect. */
static int32_t took_effect(const char *old, const char *next) {
	if (sync_names(*old ? dir : parent)) return in_doubt();
	/* Only now: a crash may not bring back a token whose value is gone. */
	if (*old) remove_value(old);
	if (!memcmp(next + NUMBER - 2, "00", 2)) sweep(); /* every hundredth swap */
	return hf_reply_swap(next, VERSION);
}

/* Ends a swap that went wrong before its rename, which others may have brought about. */
static int32_t spoiled(const char *old, error bad) {
	struct view v;
	int32_t code = look(&v);
	if (code != HF_OK) return code;
	return strcmp(v.present, old) ? HF_CONFLICT : cannot("write in", bad);
}

/* Says what came of a rename from old to next that failed, and whether it is over: then what it
 * was for may be removed. */
static int32_t judge(const char *old, const char *next, error bad, int *over) {
	struct view v;
	*over = 0;
	if (look(&v) != HF_OK) return in_doubt();
	/* It was sent twice, since the first answer was lost, and the second found no source. */
	if (!strcmp(v.present, next)) return took_effect(old, next);
	if (!strcmp(v.present, old)) {
		if (!refused(bad)) return in_doubt(); /* it may be on its way */
		*over = 1;
		return cannot("swap", bad);
	}
	/* Its source is gone, or its target taken, for good. Somebody else made this step; but
	 * after more steps, or a deletion, it may have been this one that was made first. */
	*over = 1;
	return *v.present && !compare_numbers(v.present, next) ? HF_CONFLICT : in_doubt();
}

/* Makes a directory that is complete, and renames it to that of the lock. This fails if there
 * is one. A crash on the way leaves a directory that ends in .new, and may be removed. */
static int32_t create(const char *bytes, uint32_t n) {
	version next;
	path scratch, value, token;
	error bad = follow(next, "");
	if (bad) return cannot("make a version for", bad);
	join(scratch, dir, ".", next + NUMBER + 1, ".new");
	join(value, scratch, "/", next, ".value");
	join(token, scratch, "/", next, ".token");
	if ((bad = __wasi_path_create_directory(granted, scratch))) return spoiled("", bad);
	int over = 1;
	int32_t code;
	if ((bad = store(value, bytes, n)) || (bad = store(token, "", 0)) || (bad = sync_names(scratch))) code = spoiled("", bad);
	else if (!(bad = __wasi_path_rename(granted, scratch, granted, dir))) return took_effect("", next);
	else if (bad == __WASI_ERRNO_EXIST || bad == __WASI_ERRNO_NOTEMPTY) code = HF_CONFLICT;
	else code = judge("", next, bad, &over);
	if (over) {
		(void)__wasi_path_unlink_file(granted, value);
		(void)__wasi_path_unlink_file(granted, token);
		(void)__wasi_path_remove_directory(granted, scratch);
	}
	return code;
}

int32_t plugin_swap(const char *old_bytes, uint32_t old_len, const char *bytes, uint32_t n) {
	version old = "", next;
	struct view v;
	path from, to, value;
	if (old_len && !is_version(old_bytes, old_len, "")) return HF_CONFLICT;
	memcpy(old, old_bytes, old_len);
	/* Whoever is late is told so while that is still beyond doubt. */
	int32_t code = look(&v);
	if (code != HF_OK) return code;
	if (strcmp(v.present, old)) return HF_CONFLICT;
	if (!*old) return create(bytes, n);
	error bad = follow(next, old);
	if (bad) return cannot("make a version for", bad);
	join(from, dir, "/", old, ".token");
	join(to, dir, "/", next, ".token");
	join(value, dir, "/", next, ".value");
	int over = 1;
	if ((bad = store(value, bytes, n))) code = spoiled(old, bad);
	else if (!(bad = __wasi_path_rename(granted, from, granted, to))) return took_effect(old, next);
	else code = judge(old, next, bad, &over);
	if (over) (void)__wasi_path_unlink_file(granted, value);
	return code;
}

/* ---- Opening. ---- */

/* Finds the granted directory that a path lies in, and returns the rest of the path. WASI has
 * them as files that are open from the beginning, from number 3 on. */
static const char *find_granted(const char *wanted) {
	const char *rest = NULL;
	__wasi_prestat_t is;
	for (file f = 3; !__wasi_fd_prestat_get(f, &is); f++) {
		path name = "";
		size_t n = is.u.dir.pr_name_len;
		if (n > PATH || __wasi_fd_prestat_dir_name(f, (uint8_t *)name, n)) continue;
		if (n && name[n - 1] == '/') name[--n] = 0;
		/* The nearest, should one lie in another. */
		if (strncmp(wanted, name, n) || wanted[n] != '/' || (rest && n < strlen(root))) continue;
		rest = wanted + n + 1;
		granted = f;
		join(root, name);
	}
	return rest;
}

int32_t plugin_open(void) {
	path wanted;
	const char *given = hf_param("path", NULL), *from = given ? given : hf_param("database", "");
	size_t n = strlen(from);
	if (*from != '/' || n > PATH || from[n - 1] == '/') return hf_fail(HF_INVALID, "path=", from, ": want an absolute path that does not end in /");
	const char *rest = find_granted(join(wanted, from, given ? "" : ".lock"));
	if (!rest) return hf_fail(HF_DENIED, "no access to ", wanted, ": grant the directory that it lies in by dir=");
	join(dir, rest);
	char *slash = strrchr(join(parent, "./", rest), '/');
	*slash = 0;
	return HF_OK;
}

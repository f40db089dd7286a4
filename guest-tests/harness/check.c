/* check.c - records checks. Every check is sent to the parent, which counts them, passes on the failed ones and keeps
 * the last passed one: so the stream also says how far a case came that hung or crashed. */
#include "internal.h"

/* What a line may hold of each text. Together under 512 bytes, the smallest PIPE_BUF: lines of several processes of
 * one case do not mix. */
enum { WHAT_MAX = 150, VALUE_MAX = 80, PLACE_MAX = 50 };

static void shorten(char *to, size_t size, const char *text)
{
    size_t length = strlen(text);
    if (length < size) {
        memcpy(to, text, length + 1);
        return;
    }
    memcpy(to, text, size - 4);
    memcpy(to + size - 4, "...", 4);
}

static const char *file_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

bool rig_check_got(struct rig_at at, bool held, const char *got, const char *want)
{
    char what[WHAT_MAX], got_short[VALUE_MAX], want_short[VALUE_MAX], place[PLACE_MAX];
    shorten(what, sizeof what, at.what);
    shorten(got_short, sizeof got_short, got);
    shorten(want_short, sizeof want_short, want);
    snprintf(place, sizeof place, "%.36s:%d", file_name(at.file), at.line);
    RIG_LINE(line, 2048);
    rig_line_begin(&line, "check");
    rig_line_str(&line, "case", rig_current_case);
    rig_line_bool(&line, "ok", held);
    rig_line_str(&line, "what", what);
    rig_line_str(&line, "got", got_short);
    rig_line_str(&line, "want", want_short);
    rig_line_str(&line, "at", place);
    rig_line_send(&line);
    return held;
}

bool rig_check_true(struct rig_at at, bool held) { return rig_check_got(at, held, held ? "true" : "false", "true"); }

bool rig_check_int(struct rig_at at, long long got, const char *op, long long want, bool held)
{
    char got_text[24], want_text[32];
    snprintf(got_text, sizeof got_text, "%lld", got);
    snprintf(want_text, sizeof want_text, "%s%s%lld", rig_streq(op, "==") ? "" : op, rig_streq(op, "==") ? "" : " ", want);
    return rig_check_got(at, held, got_text, want_text);
}

bool rig_check_str(struct rig_at at, const char *got, const char *want)
{
    bool held = got && want ? rig_streq(got, want) : got == want;
    return rig_check_got(at, held, got ? got : "NULL", want ? want : "NULL");
}

static void spell_bytes(char *text, size_t size, const unsigned char *bytes, size_t n, size_t from)
{
    size_t used = (size_t)snprintf(text, size, "[%zu]", from);
    for (size_t i = from; i < n && i < from + 8 && used + 4 < size; i++)
        used += (size_t)snprintf(text + used, size - used, " %02x", bytes[i]);
}

bool rig_check_bytes(struct rig_at at, const void *got, const void *want, size_t n)
{
    const unsigned char *a = got, *b = want;
    size_t i = 0;
    while (i < n && a[i] == b[i])
        i++;
    char got_text[48], want_text[48];
    size_t from = i < n ? i : 0; /* the first that differs */
    spell_bytes(got_text, sizeof got_text, a, n, from);
    spell_bytes(want_text, sizeof want_text, b, n, from);
    return rig_check_got(at, i == n, got_text, want_text);
}

bool rig_check_ok(struct rig_at at, bool failed, int err)
{
    return rig_check_got(at, !failed, failed ? rig_errno_name(err) : "success", "success");
}

bool rig_check_errno(struct rig_at at, bool failed, long long got, int err, int want)
{
    char success[40];
    snprintf(success, sizeof success, "success (%lld)", got);
    return rig_check_got(at, failed && err == want, failed ? rig_errno_name(err) : success, rig_errno_name(want));
}

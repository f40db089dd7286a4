/* relay.c - the parent's reading of a case's pipe: whole, well-formed events go on to stdout; control lines are kept;
 * anything else is rubbish, of which the first lines are passed on as notes. */
#include "internal.h"

enum { RUBBISH_SHOWN = 5, RUBBISH_WIDTH = 200 };

void rig_relay_init(struct rig_relay *relay, const char *case_name)
{
    memset(relay, 0, sizeof *relay);
    relay->case_name = case_name;
    relay->buffer = malloc(RIG_LINE_MAX);
#ifdef __APPLE__
    snprintf(relay->via, sizeof relay->via, "libsystem");
#else
    snprintf(relay->via, sizeof relay->via, "libc");
#endif
}

static void say_rubbish(struct rig_relay *relay, const char *text, size_t length)
{
    if (relay->rubbish++ >= RUBBISH_SHOWN)
        return;
    char shown[RUBBISH_WIDTH + 32];
    snprintf(shown, sizeof shown, "rubbish on stdout: %.*s", (int)(length < RUBBISH_WIDTH ? length : RUBBISH_WIDTH), text);
    RIG_LINE(line, 4096);
    rig_line_begin(&line, "note");
    rig_line_str(&line, "case", relay->case_name);
    rig_line_str(&line, "text", shown);
    rig_line_send(&line);
}

/* Nobody reads any more: the runner stops and tidies. */
static void pass_on(const char *line, size_t length)
{
    if (!rig_write_all(STDOUT_FILENO, line, length))
        rig_stop_signal = SIGPIPE;
}

/* Splits off the text before the next tab; returns the rest ("" at the end). */
static char *cut(char *text)
{
    size_t n = strcspn(text, "\t");
    char *rest = text[n] ? text + n + 1 : text + n;
    text[n] = '\0';
    return rest;
}

static void own(struct rig_relay *relay, enum rig_kind kind, const char *name)
{
    struct rig_owned *more = realloc(relay->owned, (relay->owned_count + 1) * sizeof *more);
    if (!more)
        return;
    relay->owned = more;
    more[relay->owned_count].kind = kind;
    snprintf(more[relay->owned_count].name, sizeof more->name, "%s", name);
    relay->owned_count++;
    rig_keeper_owns(kind, name);
}

static void disown(struct rig_relay *relay, enum rig_kind kind, const char *name)
{
    for (size_t i = 0; i < relay->owned_count; i++) {
        if (relay->owned[i].kind == kind && rig_streq(relay->owned[i].name, name)) {
            relay->owned[i] = relay->owned[--relay->owned_count];
            rig_keeper_disowns(kind, name);
            return;
        }
    }
}

static void end(struct rig_relay *relay, char *text)
{
    char *returned = cut(text), *reason = cut(returned);
    /* an outcome said by a child stands, though the case process then ends without one */
    if (*text || !relay->outcome[0]) {
        snprintf(relay->outcome, sizeof relay->outcome, "%s", text);
        snprintf(relay->reason, sizeof relay->reason, "%s", reason);
    }
    relay->returned = *returned == '1';
    relay->reported = true;
}

/* How far from the library a way into the kernel is. A case that goes several is told with the farthest. */
static int distance(const char *way)
{
    static const char *const ways[] = {"libc", "libsystem", "syscall", "mach"};
    int far = (int)RIG_COUNT(ways);
    while (far > 0 && !rig_streq(ways[far - 1], way))
        far--;
    return far;
}

static void control(struct rig_relay *relay, char *text)
{
    char *rest = cut(text);
    if (rig_streq(text, "end")) {
        end(relay, rest);
    } else if (rig_streq(text, "via")) {
        if (distance(rest) >= distance(relay->via))
            snprintf(relay->via, sizeof relay->via, "%s", rest);
    } else if (rig_streq(text, "uses")) {
        cut(rest);
        rig_sysv_used(rig_kind_of(rest));
    } else if (rig_streq(text, "own") || rig_streq(text, "disown")) {
        char *name = cut(rest);
        enum rig_kind kind = rig_kind_of(rest);
        if (kind != RIG_KINDS)
            (*text == 'o' ? own : disown)(relay, kind, name);
    }
}

static bool starts(const char *text, size_t length, const char *with)
{
    size_t n = strlen(with);
    return length >= n && memcmp(text, with, n) == 0;
}

/* The writer's fixed order of keys makes this enough: {"t":"check","case":"NAME","ok":true, */
static void check_event(struct rig_relay *relay, const char *text, size_t length)
{
    char passed[192];
    snprintf(passed, sizeof passed, "{\"t\":\"check\",\"case\":\"%s\",\"ok\":true,", relay->case_name);
    relay->checks++;
    free(relay->last_ok);
    relay->last_ok = NULL;
    if (starts(text, length, passed)) {
        relay->last_ok = malloc(length + 2);
        if (relay->last_ok)
            snprintf(relay->last_ok, length + 2, "%.*s\n", (int)length, text);
        return;
    }
    relay->failed++;
    pass_on(text, length + 1);
}

/* text ends with its newline at text[length] */
static void whole_line(struct rig_relay *relay, char *text, size_t length)
{
    if (length == 0)
        return;
    if (text[0] == '\x02') {
        text[length] = '\0';
        control(relay, text + 1);
        return;
    }
    bool event = rig_is_json_object(text, length);
    if (event && starts(text, length, "{\"t\":\"check\",")) {
        check_event(relay, text, length);
    } else if (event && (starts(text, length, "{\"t\":\"note\",") || starts(text, length, "{\"t\":\"fact\",") ||
                         starts(text, length, "{\"t\":\"metric\","))) {
        pass_on(text, length + 1);
    } else {
        say_rubbish(relay, text, length);
    }
}

static void add_part(struct rig_relay *relay, const char *data, size_t length)
{
    if (relay->skipping)
        return;
    if (relay->length + length >= RIG_LINE_MAX) {
        say_rubbish(relay, relay->buffer, relay->length);
        relay->skipping = true;
        return;
    }
    memcpy(relay->buffer + relay->length, data, length);
    relay->length += length;
}

static void end_line(struct rig_relay *relay)
{
    if (!relay->skipping) {
        relay->buffer[relay->length] = '\n';
        whole_line(relay, relay->buffer, relay->length);
    }
    relay->length = 0;
    relay->skipping = false;
}

void rig_relay_feed(struct rig_relay *relay, const char *data, size_t length)
{
    while (relay->buffer && length > 0) {
        const char *newline = memchr(data, '\n', length);
        size_t part = newline ? (size_t)(newline - data) : length;
        add_part(relay, data, part);
        if (newline) {
            end_line(relay);
            part++;
        }
        data += part;
        length -= part;
    }
}

void rig_relay_finish(struct rig_relay *relay)
{
    if (relay->length > 0 && !relay->skipping)
        say_rubbish(relay, relay->buffer, relay->length); /* half a line: its writer died in it */
    relay->length = 0;
    if (relay->last_ok)
        pass_on(relay->last_ok, strlen(relay->last_ok));
}

void rig_relay_free(struct rig_relay *relay)
{
    free(relay->buffer);
    free(relay->last_ok);
    free(relay->owned);
}

/* stream.c - writes the event stream: one JSON object a line, ASCII only, one write(2) a line. */
#include "internal.h"

#include <poll.h>
#include <stdarg.h>

static void put(struct rig_line *line, const char *text, size_t length)
{
    /* room is kept for the closing brace and newlines */
    if (line->length + length + 8 > line->size) {
        line->overflow = true;
        return;
    }
    memcpy(line->text + line->length, text, length);
    line->length += length;
}

void rig_line_raw(struct rig_line *line, const char *text) { put(line, text, strlen(text)); }

/* Bytes outside printable ASCII become \u00XX, each for itself: the stream stays ASCII whatever a kernel says. */
void rig_line_quoted(struct rig_line *line, const char *value)
{
    put(line, "\"", 1);
    for (const unsigned char *p = (const unsigned char *)value; *p && !line->overflow; p++) {
        char escaped[8];
        if (*p == '"' || *p == '\\') {
            escaped[0] = '\\';
            escaped[1] = (char)*p;
            put(line, escaped, 2);
        } else if (*p < 0x20 || *p > 0x7e) {
            int n = snprintf(escaped, sizeof escaped, "\\u%04x", *p);
            put(line, escaped, (size_t)n);
        } else {
            put(line, (const char *)p, 1);
        }
    }
    put(line, "\"", 1);
}

void rig_line_begin(struct rig_line *line, const char *type)
{
    line->length = 0;
    line->overflow = false;
    /* A newline first: what a case printed without one cannot spoil the event after it. Readers skip empty lines. */
    if (rig_options.case_name)
        put(line, "\n", 1);
    put(line, "{\"t\":", 5);
    rig_line_quoted(line, type);
}

void rig_line_key(struct rig_line *line, const char *key)
{
    put(line, ",", 1);
    rig_line_quoted(line, key);
    put(line, ":", 1);
}

void rig_line_str(struct rig_line *line, const char *key, const char *value)
{
    if (!value)
        return;
    rig_line_key(line, key);
    rig_line_quoted(line, value);
}

void rig_line_int(struct rig_line *line, const char *key, long long value)
{
    char text[24];
    snprintf(text, sizeof text, "%lld", value);
    rig_line_key(line, key);
    rig_line_raw(line, text);
}

void rig_line_bool(struct rig_line *line, const char *key, bool value)
{
    rig_line_key(line, key);
    rig_line_raw(line, value ? "true" : "false");
}

void rig_line_double(struct rig_line *line, const char *key, double value, int decimals)
{
    char text[64];
    if (!(value > -1e18 && value < 1e18)) /* NaN and infinities are no JSON */
        return;
    snprintf(text, sizeof text, "%.*f", decimals, value);
    rig_line_key(line, key);
    rig_line_raw(line, text);
}

/* A pipe that someone made non-blocking is waited for: an event is never dropped for that. */
bool rig_write_all(int fd, const char *data, size_t length)
{
    while (length > 0) {
        ssize_t n = write(fd, data, length);
        if (n > 0) {
            data += n;
            length -= (size_t)n;
        } else if (n < 0 && errno == EAGAIN) {
            struct pollfd ready = {.fd = fd, .events = POLLOUT};
            poll(&ready, 1, 100);
        } else if (n < 0 && errno != EINTR) {
            return false;
        }
    }
    return true;
}

void rig_line_send(struct rig_line *line)
{
    int saved = errno; /* an event must not disturb the errno under test */
    if (line->overflow)
        return;
    line->text[line->length++] = '}';
    line->text[line->length++] = '\n';
    if (!rig_write_all(STDOUT_FILENO, line->text, line->length) && !rig_options.case_name)
        rig_stop_signal = SIGPIPE;
    errno = saved;
}

void rig_uses(enum rig_kind kind)
{
    static bool told[RIG_KINDS];
    if (told[kind])
        return;
    told[kind] = true;
    rig_control("uses", "%s", rig_kind_name(kind));
}

void rig_control(const char *verb, const char *format, ...)
{
    if (!rig_options.case_name)
        return; /* the parent has nobody to tell */
    int saved = errno;
    char text[480];
    int n = snprintf(text, sizeof text, "\n\x02%s\t", verb);
    va_list arguments;
    va_start(arguments, format);
    int m = vsnprintf(text + n, sizeof text - (size_t)n - 1, format, arguments);
    va_end(arguments);
    size_t length = (size_t)n + ((size_t)m < sizeof text - (size_t)n - 1 ? (size_t)m : sizeof text - (size_t)n - 2);
    for (size_t i = 1; i < length; i++)
        if (text[i] == '\n')
            text[i] = ' ';
    text[length++] = '\n';
    rig_write_all(STDOUT_FILENO, text, length);
    errno = saved;
}

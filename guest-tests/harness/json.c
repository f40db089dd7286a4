/* json.c - is this text one complete JSON object? The parent relays nothing else from a case. */
#include "internal.h"

struct cursor {
    const char *at, *end;
    int depth;
};

static bool value(struct cursor *c);

static bool take(struct cursor *c, char wanted)
{
    if (c->at < c->end && *c->at == wanted) {
        c->at++;
        return true;
    }
    return false;
}

static void blanks(struct cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\t'))
        c->at++;
}

static bool is_hex(char x) { return (x >= '0' && x <= '9') || (x >= 'a' && x <= 'f') || (x >= 'A' && x <= 'F'); }

static bool escape(struct cursor *c)
{
    if (c->at >= c->end)
        return false;
    char kind = *c->at++;
    if (kind == 'u') {
        for (int i = 0; i < 4; i++)
            if (c->at >= c->end || !is_hex(*c->at++))
                return false;
        return true;
    }
    for (const char *known = "\"\\/bfnrt"; *known; known++)
        if (kind == *known)
            return true;
    return false;
}

static bool string(struct cursor *c)
{
    if (!take(c, '"'))
        return false;
    while (c->at < c->end) {
        char x = *c->at++;
        if (x == '"')
            return true;
        if (x < 0x20 || x > 0x7e) /* control bytes, and (char being signed) all above ASCII */
            return false;
        if (x == '\\' && !escape(c))
            return false;
    }
    return false;
}

static bool digits(struct cursor *c)
{
    const char *start = c->at;
    while (c->at < c->end && *c->at >= '0' && *c->at <= '9')
        c->at++;
    return c->at > start;
}

static bool number(struct cursor *c)
{
    take(c, '-');
    if (take(c, '0')) { /* no further digit may follow */
    } else if (!digits(c)) {
        return false;
    }
    if (take(c, '.') && !digits(c))
        return false;
    if (take(c, 'e') || take(c, 'E')) {
        if (!take(c, '+'))
            take(c, '-');
        return digits(c);
    }
    return true;
}

static bool word(struct cursor *c, const char *text)
{
    for (; *text; text++)
        if (!take(c, *text))
            return false;
    return true;
}

static bool members(struct cursor *c, char close, bool keyed)
{
    blanks(c);
    if (take(c, close))
        return true;
    do {
        blanks(c);
        if (keyed) {
            if (!string(c))
                return false;
            blanks(c);
            if (!take(c, ':'))
                return false;
        }
        if (!value(c))
            return false;
        blanks(c);
    } while (take(c, ','));
    return take(c, close);
}

static bool value(struct cursor *c)
{
    blanks(c);
    if (c->at >= c->end || c->depth > 16)
        return false;
    bool good;
    switch (*c->at) {
    case '{':
    case '[': {
        char open = *c->at++;
        c->depth++;
        good = members(c, open == '{' ? '}' : ']', open == '{');
        c->depth--;
        return good;
    }
    case '"':
        return string(c);
    case 't':
        return word(c, "true");
    case 'f':
        return word(c, "false");
    case 'n':
        return word(c, "null");
    default:
        return number(c);
    }
}

bool rig_is_json_object(const char *text, size_t length)
{
    struct cursor c = {.at = text, .end = text + length, .depth = 0};
    return length > 1 && *text == '{' && value(&c) && c.at == c.end;
}

/*
 * A root shell, as far as the rig's own console lines and a script's commands need one: commands set apart by ; && ||,
 * quotes, variables, $?, echo, printf %s, redirections (whose output goes nowhere). What the script answers for comes
 * first: a whole line (for answers with a ; or & in them), then a single command.
 */
#include "fake.h"

enum { VARIABLES = 16, NAME_SIZE = 16, VALUE_SIZE = 256, WORDS = 32, ROOM = 2 * LINE_SIZE };

struct variable {
    char name[NAME_SIZE], value[VALUE_SIZE];
};

static struct variable variables[VARIABLES];
static char line[LINE_SIZE], command[LINE_SIZE], room[ROOM];
static char *words[WORDS];
static uint32_t status;
static bool silent; /* the command's output is redirected */
static const uint8_t *answers;
static uint32_t answer_count;
static struct text newline;

static bool same(const char *one, const char *other)
{
    for (; *one && *one == *other; one++)
        other++;
    return *one == *other;
}

static bool in_name(char c)
{
    return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Size of the name that a string begins with. */
static uint32_t name_at(const char *string)
{
    uint32_t size = 0;
    while (in_name(string[size]))
        size++;
    return size;
}

static struct variable *variable(const char *name, uint32_t size)
{
    for (int i = 0; i < VARIABLES; i++) {
        struct variable *one = &variables[i];
        for (uint32_t c = 0; !one->name[0] && c < size && c < NAME_SIZE - 1; c++)
            one->name[c] = name[c];
        uint32_t c = 0;
        while (c < size && one->name[c] == name[c])
            c++;
        if (c == size && !one->name[c])
            return one;
    }
    return &variables[0];
}

static void say(const char *string)
{
    for (; !silent && *string; string++)
        if (*string == '\n')
            write_text(TO_SERIAL, newline);
        else
            serial_put(*string);
}

static char *append_number(char *to, uint32_t value)
{
    if (value > 9)
        to = append_number(to, value / 10);
    *to = (char)('0' + value % 10);
    return to + 1;
}

/* What a dollar sign at `*from` stands for, put at `to`; returns its end. */
static char *expand(const char **from, char *to)
{
    uint32_t size = name_at(*from + 1);
    if ((*from)[1] == '?') {
        *from += 2;
        return append_number(to, status);
    }
    if (!size) {
        *to = *(*from)++;
        return to + 1;
    }
    for (const char *value = variable(*from + 1, size)->value; *value && to < room + ROOM - 8; value++)
        *to++ = *value;
    *from += size + 1;
    return to;
}

/* Splits the command into words without quotes; redirections are taken off. Returns how many there are. */
static int split(void)
{
    const char *from = command;
    char *to = room, quote = 0;
    int count = 0;
    bool target = false;
    silent = false;
    while (*from && count < WORDS - 1) {
        while (*from == ' ')
            from++;
        if (!*from)
            break;
        char *word = to;
        if (*from == '>' || (from[0] == '2' && from[1] == '>')) {
            silent = silent || *from == '>';
            from += *from == '2' ? 2 : 1;
            from += *from == '>';
            target = *from != '&';
            from += *from == '&' ? 2 : 0;
            continue;
        }
        while (*from && (quote || (*from != ' ' && *from != '>')) && to < room + ROOM - 8) {
            if (quote ? *from == quote : *from == '\'' || *from == '"') {
                quote = quote ? 0 : *from;
                from++;
            } else if (*from == '$' && quote != '\'')
                to = expand(&from, to);
            else
                *to++ = *from++;
        }
        *to++ = 0;
        if (!target)
            words[count++] = word;
        target = false;
    }
    words[count] = NULL;
    return count;
}

static void assign(const char *word, uint32_t size)
{
    char *to = variable(word, size)->value;
    for (uint32_t i = 0; i < VALUE_SIZE - 1 && word[size + 1 + i]; i++)
        *to++ = word[size + 1 + i];
    *to = 0;
}

static void built_in(void)
{
    int count = split(), first = 0;
    while (first < count) {
        uint32_t size = name_at(words[first]);
        if (!size || words[first][size] != '=')
            break;
        assign(words[first++], size);
    }
    if (first == count) {
        status = 0;
        return;
    }
    const char *name = words[first];
    bool echo = same(name, "echo"), print = same(name, "printf");
    if (echo || print) {
        for (int i = first + (echo ? 1 : 2); i < count; i++) {
            say(words[i]);
            say(echo && i + 1 < count ? " " : "");
        }
        say(echo ? "\n" : "");
        status = 0;
    } else if (same(name, ":") || same(name, "true") || same(name, "false")) {
        status = same(name, "false");
    } else {
        silent = false;
        say("sh: ");
        say(name);
        say(": not found\n");
        status = 127;
    }
}

/* Whether an answer is to a line of several commands. */
static bool for_lines(struct text glob)
{
    for (uint32_t i = 0; i < glob.size; i++)
        if (glob.at[i] == ';' || glob.at[i] == '&')
            return true;
    return false;
}

/* What the script says to a line or a command: whether it says anything; `*place` is where it leads, if anywhere. */
static bool answered(const char *string, bool whole_line, int64_t *place)
{
    const uint8_t *at = answers;
    for (uint32_t i = 0; i < answer_count; i++) {
        struct text glob = text(&at);
        uint32_t leads = number(&at), value = number(&at);
        struct text said = text(&at);
        if (for_lines(glob) != whole_line || !matches(glob, string))
            continue;
        if (leads)
            *place = value;
        else
            status = value;
        write_text(TO_SERIAL, said);
        return true;
    }
    return false;
}

/* The next command of the line at `from`, into `command`; returns what stands behind it. */
static const char *next_command(const char *from)
{
    char quote = 0;
    uint32_t size = 0;
    while (*from == ' ')
        from++;
    for (; *from; from++) {
        if (quote ? *from == quote : *from == '\'' || *from == '"')
            quote = quote ? 0 : *from;
        else if (!quote && (*from == ';' || (*from == '&' && from[1] == '&') || (*from == '|' && from[1] == '|')))
            break;
        command[size++] = *from;
    }
    while (size && command[size - 1] == ' ')
        size--;
    command[size] = 0;
    return from;
}

static int64_t run_line(void)
{
    int64_t place = -1;
    if (answered(line, true, &place))
        return place;
    bool wanted = true;
    for (const char *from = line; *from;) {
        from = next_command(from);
        if (wanted && command[0] && !answered(command, false, &place))
            built_in();
        if (place >= 0)
            return place;
        wanted = *from == '&' ? !status : *from == '|' ? status != 0 : true;
        from += *from == ';' ? 1 : *from ? 2 : 0;
    }
    return -1;
}

int64_t shell(const uint8_t **at)
{
    int habits = (int)number(at);
    struct text prompt = text(at);
    newline = text(at);
    answer_count = number(at);
    answers = *at;
    for (uint32_t i = 0; i < answer_count; i++) {
        text(at);
        number(at);
        number(at);
        text(at);
    }
    for (;;) {
        write_text(TO_SERIAL, prompt);
        uint32_t columns = 0;
        for (uint32_t i = 0; i < prompt.size; i++)
            columns = prompt.at[i] == '\r' || prompt.at[i] == '\n' ? 0 : columns + 1;
        if (!read_line_serial(line, habits, columns))
            continue;
        int64_t place = run_line();
        if (place >= 0)
            return place;
    }
}

/*
 * Plays the rig's agent (guest-tests/agent) on the serial line: its frames are made and read by the agent's own code,
 * its commands are answered by the script. What lies on the payload disk is not read: commands must come in the frame.
 */
#include "fake.h"

#include <unistd.h>

#include "../../../../guest-tests/agent/agent.h"

enum { WINDOW = 512 };

struct sent {
    char type;
    uint8_t size;
    uint8_t payload[FRAME_PAYLOAD];
};

static struct sent window[WINDOW];
static struct frame_reader reader;
static struct frame request;
static uint32_t job, next, known; /* as in guest-tests/agent/job.c */

int errno;

ssize_t write(int fd, const void *data, size_t size)
{
    (void)fd;
    for (size_t i = 0; i < size; i++)
        serial_put(((const char *)data)[i]);
    return (ssize_t)size;
}

int select(int count, fd_set *readable, fd_set *writable, fd_set *odd, void *time)
{
    (void)count, (void)readable, (void)writable, (void)odd, (void)time;
    return 0;
}

void _exit(int status)
{
    (void)status;
    power_off();
}

char *strchr(const char *string, int c)
{
    for (; *string; string++)
        if (*string == (char)c)
            return (char *)string;
    return c ? NULL : (char *)string;
}

static uint32_t length(const char *string)
{
    uint32_t size = 0;
    while (string[size])
        size++;
    return size;
}

static char *in_hex(char *to, uint32_t value)
{
    if (value > 15)
        to = in_hex(to, value / 16);
    *to = "0123456789abcdef"[value % 16];
    to[1] = 0;
    return to + 1;
}

static uint32_t from_hex(const uint8_t **at)
{
    uint32_t value = 0;
    while (**at == ' ')
        (*at)++;
    for (;; (*at)++) {
        if (**at >= '0' && **at <= '9')
            value = value << 4 | (**at - '0');
        else if (**at >= 'a' && **at <= 'f')
            value = value << 4 | (**at - 'a' + 10);
        else
            return value;
    }
}

static void hello(uint32_t nonce)
{
    static const char words[] = "1 /dev/rdisk1 /dev/rdisk2";
    frame_write(1, 'p', nonce, 0, words, sizeof words - 1);
}

static void say_again(uint32_t number)
{
    struct sent *slot = &window[number % WINDOW];
    frame_write(1, slot->type, job, number, slot->payload, slot->size);
}

static void acknowledged(void)
{
    const uint8_t *at = request.payload, *end = at + request.length;
    char words[9];
    if (request.job != job || !job) {
        frame_write(1, 'n', request.job, 0, "", 0);
        return;
    }
    if (request.number > known && request.number <= next)
        known = request.number;
    while (at < end) {
        uint32_t first = from_hex(&at), last = from_hex(&at);
        for (first = first < known ? known : first; first <= last && first < next; first++)
            say_again(first);
    }
    if (request.length) {
        in_hex(words, next);
        frame_write(1, 'h', job, 0, words, length(words));
    }
}

/* Takes what the host says; true for a command that is new, or (-1) for somebody who wants the shell back. */
static int heard(void)
{
    int c = serial_get();
    if (c == 3 || c == 4)
        return -1;
    if (c < 0) {
        chatter_now();
        doze();
        return 0;
    }
    if (!frame_byte(&reader, (char)c, &request))
        return 0;
    if (request.type == 'P')
        hello(request.job);
    else if (request.type == 'A')
        acknowledged();
    else if (request.type == 'K')
        frame_write(1, 'k', request.job, 0, "", 0);
    else if (request.type == 'S' && request.job == job && next)
        say_again(0);
    else
        return request.type == 'S';
    return 0;
}

static void tell(char type, const void *payload, uint32_t size)
{
    while (next - known >= WINDOW - 8)
        heard();
    struct sent *slot = &window[next % WINDOW];
    slot->type = type;
    slot->size = (uint8_t)size;
    memcpy(slot->payload, payload, size);
    say_again(next++);
}

/* The command's text: behind three semicolons. */
static const char *command(void)
{
    const char *at = (const char *)request.payload;
    for (int fields = 3; fields && *at; at++)
        fields -= *at == ';';
    return at;
}

static int64_t carry_out(const uint8_t *at, uint32_t count)
{
    char words[9];
    uint32_t status = 0;
    job = request.job;
    next = known = 0;
    tell('a', "", 0);
    for (; count; count--) {
        struct text glob = text(&at);
        uint32_t leads = number(&at), value = number(&at);
        struct text said = text(&at);
        if (!matches(glob, command()))
            continue;
        for (uint32_t done = 0; done < said.size; done += FRAME_PAYLOAD)
            tell('o', said.at + done, said.size - done < FRAME_PAYLOAD ? said.size - done : FRAME_PAYLOAD);
        if (leads)
            return value;
        status = value;
        break;
    }
    in_hex(words, status);
    tell('x', words, length(words));
    tell('z', "0,0,0,0", 7);
    return -1;
}

int64_t agent(const uint8_t **at)
{
    uint32_t count = number(at);
    const uint8_t *answers = *at;
    for (uint32_t i = 0; i < count; i++) {
        text(at);
        number(at);
        number(at);
        text(at);
    }
    job = 0;
    hello(0);
    for (;;) {
        int what = heard();
        if (what < 0)
            return -1;
        int64_t place = what ? carry_out(answers, count) : -1;
        if (place >= 0)
            return place;
    }
}

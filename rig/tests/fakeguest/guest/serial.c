/* The first serial line: what is sent has a pace, what comes too fast is lost, and the kernel talks in between. */
#include "fake.h"

enum { PORT = 0x3f8 };

static uint32_t pace;
static uint64_t paced_until;
static uint32_t rate, burst;
static uint64_t credit_at, credit; /* credit in millionths of a byte */

static bool tears;
static uint32_t every_ms, line_count;
static const uint8_t *first_line, *next_line;
static uint32_t next_number;
static uint64_t next_at;
static bool chattering;

void serial_begin(void)
{
    static const uint8_t setup[][2] = {{3, 0x80}, {0, 1}, {1, 0}, {3, 3}, {2, 7}, {4, 0x0b}, {1, 1}};
    for (size_t i = 0; i < sizeof setup / sizeof *setup; i++)
        outb(PORT + setup[i][0], setup[i][1]);
}

static void send(char c)
{
    while (!(inb(PORT + 5) & 0x20))
        ;
    outb(PORT, (uint8_t)c);
}

void serial_put(char c)
{
    if (tears)
        chatter_now();
    send(c);
    if (!pace)
        return;
    uint64_t now = microseconds();
    paced_until = (paced_until > now ? paced_until : now) + 1000000 / pace;
    while (paced_until > microseconds() + 4000)
        doze();
}

void serial_pace(uint32_t bytes_a_second) { pace = bytes_a_second; }

void serial_input(uint32_t bytes_a_second, uint32_t at_once)
{
    rate = bytes_a_second;
    burst = at_once;
    credit = (uint64_t)burst * 1000000;
    credit_at = microseconds();
}

/* Whether a byte that is there now is taken: as a queue that is emptied so many times a second has no room for more. */
static bool taken(void)
{
    if (!rate)
        return true;
    uint64_t now = microseconds();
    credit += (now - credit_at) * rate;
    credit_at = now;
    if (credit > (uint64_t)burst * 1000000)
        credit = (uint64_t)burst * 1000000;
    if (credit < 1000000)
        return false;
    credit -= 1000000;
    return true;
}

int serial_get(void)
{
    while (inb(PORT + 5) & 1) {
        uint8_t c = inb(PORT);
        if (taken())
            return c;
    }
    return -1;
}

void chatter(bool in_lines, uint32_t interval, uint32_t count, const uint8_t *lines)
{
    tears = in_lines;
    every_ms = interval;
    line_count = count;
    first_line = next_line = lines;
    next_number = 0;
    next_at = microseconds() + (uint64_t)interval * 1000;
}

void chatter_now(void)
{
    if (!line_count || chattering || microseconds() < next_at)
        return;
    chattering = true;
    struct text line = text(&next_line);
    for (uint32_t i = 0; i < line.size; i++)
        send(line.at[i]);
    if (++next_number == line_count) {
        next_number = 0;
        next_line = first_line;
    }
    next_at = microseconds() + (uint64_t)every_ms * 1000;
    chattering = false;
}

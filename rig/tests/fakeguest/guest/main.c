/*
 * The fake guest: does what the script behind it on the disk says. The script is a row of operations, made by
 * rig/tests/fakeguest/code.py: a byte that tells which, then its numbers (32 bits, little-endian) and texts (their
 * size as a number, then their bytes). A place in the script is a number: bytes from its beginning.
 */
#include "fake.h"

static const uint8_t *const origin = (const uint8_t *)0x20000;
extern char zeros[], zeros_end[];

static char line[LINE_SIZE]; /* that was read last */
static uint32_t counters[256];

void put(int where, char c)
{
    if (where & TO_SERIAL)
        serial_put(c);
    if (where & TO_SCREEN)
        screen_put(c);
}

void write_text(int where, struct text words)
{
    for (uint32_t i = 0; i < words.size; i++)
        put(where, words.at[i]);
}

void write_string(int where, const char *string)
{
    while (*string)
        put(where, *string++);
}

void wait_ms(uint32_t ms)
{
    uint64_t until = microseconds() + (uint64_t)ms * 1000;
    while (microseconds() < until) {
        chatter_now();
        doze();
    }
}

uint32_t number(const uint8_t **at)
{
    uint32_t value = 0;
    for (int shift = 0; shift < 32; shift += 8)
        value |= (uint32_t) * (*at)++ << shift;
    return value;
}

struct text text(const uint8_t **at)
{
    uint32_t size = number(at);
    struct text found = {(const char *)*at, size};
    *at += size;
    return found;
}

/* Whether all of a string fits; a star in the glob stands for anything. */
bool matches(struct text glob, const char *string)
{
    for (; glob.size; glob.at++, glob.size--, string++) {
        if (*glob.at == '*') {
            struct text rest = {glob.at + 1, glob.size - 1};
            for (;; string++) {
                if (matches(rest, string))
                    return true;
                if (!*string)
                    return false;
            }
        }
        if (!*string || *glob.at != *string)
            return false;
    }
    return !*string;
}

/* ms, count, {key, place}...: goes to the place of the key that is pressed, on when none is. 0 ms: waits for ever. */
static const uint8_t *keys(const uint8_t *at)
{
    uint32_t ms = number(&at), count = number(&at);
    const uint8_t *table = at, *after = at + 8 * count;
    uint64_t until = microseconds() + (uint64_t)ms * 1000;
    while (!ms || microseconds() < until) {
        int pressed = key_pressed();
        at = table;
        for (uint32_t i = 0; pressed >= 0 && i < count; i++) {
            uint32_t key = number(&at), place = number(&at);
            if (key == (uint32_t)pressed || key == 0) /* 0: any */
                return origin + place;
        }
        if (pressed < 0) {
            chatter_now();
            doze();
        }
    }
    return after;
}

/* count, {glob, place}...: goes to the place of the first glob that the line fits, on when it fits none. */
static const uint8_t *choose(const uint8_t *at)
{
    const uint8_t *found = NULL;
    for (uint32_t count = number(&at); count; count--) {
        struct text glob = text(&at);
        uint32_t place = number(&at);
        if (!found && matches(glob, line))
            found = origin + place;
    }
    return found ? found : at;
}

static const uint8_t *talk(const uint8_t *at)
{
    uint32_t in_lines = number(&at), interval = number(&at), count = number(&at);
    chatter(in_lines, interval, count, at);
    for (; count; count--)
        text(&at);
    return at;
}

static _Noreturn void end(char how)
{
    for (;;)
        switch (how) {
        case 'i': /* idle: alive, with nothing to do */
            chatter_now();
            doze();
            break;
        case 'h':
            __asm__ volatile("cli; hlt");
            break;
        case 's':
            __asm__ volatile("cli; 1: jmp 1b");
            break;
        case 'k':
            spin_in_kernel();
        case 't':
            triple_fault();
        case 'r':
            reset();
        default:
            power_off();
        }
}

_Noreturn void start(void)
{
    for (char *zero = zeros; zero < zeros_end; zero++)
        *zero = 0;
    machine_begin();
    serial_begin();
    screen_clear();
    const uint8_t *at = origin;
    for (;;) {
        uint8_t operation = *at++;
        uint32_t first;
        switch (operation) {
        case 'P': /* print: where, text */
            first = number(&at);
            write_text((int)first, text(&at));
            break;
        case 'L': /* print the line: where */
            write_string((int)number(&at), line);
            break;
        case 'W': /* wait: ms */
            wait_ms(number(&at));
            break;
        case 'K':
            at = keys(at);
            break;
        case 'R': /* read a line: habits; 256: from the keyboard */
            first = number(&at);
            if (first & 256)
                read_line_keyboard(line);
            else
                read_line_serial(line, (int)first, 0);
            break;
        case 'C':
            at = choose(at);
            break;
        case 'G': /* go: place */
            at = origin + number(&at);
            break;
        case 'N': /* set a counter: which, to what */
            first = number(&at);
            counters[first & 255] = number(&at);
            break;
        case 'A': /* again: counter, place */
            first = number(&at) & 255;
            if (--counters[first])
                at = origin + number(&at);
            else
                number(&at);
            break;
        case 'T':
            at = talk(at);
            break;
        case 'S':
            at = origin + shell(&at);
            break;
        case 'J': { /* the rig's agent */
            int64_t place = agent(&at);
            at = place < 0 ? at : origin + place;
            break;
        }
        case 'B': /* pace: bytes a second */
            serial_pace(number(&at));
            break;
        case 'I': { /* input: bytes a second, at once */
            uint32_t rate = number(&at);
            serial_input(rate, number(&at));
            break;
        }
        case 'D': { /* graphics: width, height, colour */
            uint32_t width = number(&at), height = number(&at);
            screen_graphics((uint16_t)width, (uint16_t)height, number(&at));
            break;
        }
        case 'Z':
            screen_clear();
            break;
        case 'E': /* end: how */
            end((char)number(&at));
        default:
            write_string(TO_SERIAL | TO_SCREEN, "\r\nfake guest: this script is damaged\r\n");
            end('h');
        }
    }
}

/* What the compiler calls for itself. */
void *memcpy(void *to, const void *from, size_t size)
{
    for (size_t i = 0; i < size; i++)
        ((volatile char *)to)[i] = ((const char *)from)[i];
    return to;
}

void *memset(void *to, int value, size_t size)
{
    for (size_t i = 0; i < size; i++)
        ((volatile char *)to)[i] = (char)value;
    return to;
}

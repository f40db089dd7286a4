/* Reading a line: from the serial line as a terminal or a line editor does, or from the keyboard to the screen. */
#include "fake.h"

enum { WIDTH = 80 };

static void say(const char *string) { write_string(TO_SERIAL, string); }

static void echo(const char *line, uint32_t size, int habits, uint32_t used_columns)
{
    if (habits & SILENT)
        return;
    if (!(habits & REDRAWS) || (used_columns + size) % (WIDTH - 1)) {
        serial_put(line[size - 1]);
        return;
    }
    /* Past the right edge the Darwin 20 shell draws the line anew, from further on, and steps back to its end. */
    uint32_t shown = size < WIDTH / 2 + 16 ? size : WIDTH / 2 + 16, blank = WIDTH - 2 - shown;
    serial_put('\r');
    for (uint32_t i = size - shown; i < size; i++)
        serial_put(line[i]);
    for (uint32_t i = 0; i < blank; i++)
        serial_put(' ');
    serial_put('<');
    for (uint32_t i = 0; i <= blank; i++)
        serial_put('\b');
}

bool read_line_serial(char line[LINE_SIZE], int habits, uint32_t used_columns)
{
    const char *line_end = habits & REDRAWS ? "\r\r\r\n" : "\r\n";
    uint32_t size = 0;
    for (;;) {
        int c = serial_get();
        if (c < 0) {
            chatter_now();
            doze();
        } else if (c == '\r' || c == '\n' || c == 3) {
            say(c == 3 && !(habits & SILENT) ? "^C" : "");
            say(line_end);
            line[c == 3 ? 0 : size] = 0;
            return c != 3;
        } else if (c == '\b' || c == 0x7f) {
            size -= size > 0;
            say(habits & SILENT ? "" : "\b \b");
        } else if (c == 0x15) { /* ^U */
            for (; size; size--)
                say(habits & SILENT ? "" : "\b \b");
        } else if (c >= ' ' && size < LINE_SIZE - 1) {
            line[size++] = (char)c;
            echo(line, size, habits, used_columns);
        }
    }
}

bool read_line_keyboard(char line[LINE_SIZE])
{
    uint32_t size = 0;
    for (;;) {
        int c = key_character(key_pressed());
        if (c < 0) {
            chatter_now();
            doze();
        } else if (c == '\n') {
            screen_put('\n');
            line[size] = 0;
            return true;
        } else if (c == '\b') {
            if (size) {
                size--;
                write_string(TO_SCREEN, "\b \b");
            }
        } else if (c >= ' ' && size < LINE_SIZE - 1) {
            line[size++] = (char)c;
            screen_put((char)c);
        }
    }
}

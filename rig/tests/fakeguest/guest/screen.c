/* The screen: text of 80 by 25, and a picture of one colour. */
#include "fake.h"

enum { COLUMNS = 80, ROWS = 25 };

static volatile uint16_t *const cells = (volatile uint16_t *)0xb8000;
static uint32_t row, column;

static void cursor(void)
{
    uint32_t at = row * COLUMNS + column;
    outw(0x3d4, 0x0f | (at & 0xff) << 8);
    outw(0x3d4, 0x0e | (at & 0xff00));
}

void screen_clear(void)
{
    for (uint32_t i = 0; i < COLUMNS * ROWS; i++)
        cells[i] = 0x0720;
    row = column = 0;
    cursor();
}

static void new_row(void)
{
    column = 0;
    if (++row < ROWS)
        return;
    row = ROWS - 1;
    for (uint32_t i = 0; i < COLUMNS * row; i++)
        cells[i] = cells[i + COLUMNS];
    for (uint32_t i = 0; i < COLUMNS; i++)
        cells[COLUMNS * row + i] = 0x0720;
}

void screen_put(char c)
{
    if (c == '\n')
        new_row();
    else if (c == '\r')
        column = 0;
    else if (c == '\b')
        column -= column > 0;
    else {
        if (column == COLUMNS)
            new_row();
        cells[row * COLUMNS + column++] = 0x0700 | (uint8_t)c;
    }
    cursor();
}

static void display(uint16_t index, uint16_t value)
{
    outw(0x1ce, index);
    outw(0x1cf, value);
}

/* By the registers of Bochs' and QEMU's standard VGA; a machine with another card stays in text. */
void screen_graphics(uint16_t width, uint16_t height, uint32_t colour)
{
    volatile uint32_t *pixels = NULL;
    for (uint32_t device = 0; device < 32 && !pixels; device++) {
        outl(0xcf8, 0x80000000u | device << 11);
        if (inl(0xcfc) == 0x11111234) {
            outl(0xcf8, 0x80000000u | device << 11 | 0x10);
            pixels = (volatile uint32_t *)(inl(0xcfc) & ~15u);
        }
    }
    if (!pixels)
        return;
    display(4, 0);
    display(1, width);
    display(2, height);
    display(3, 32);
    display(4, 0x41);
    for (uint32_t i = 0; i < (uint32_t)width * height; i++)
        pixels[i] = colour;
}

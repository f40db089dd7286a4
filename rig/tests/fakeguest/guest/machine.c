/* The machine: time by the ACPI timer, interrupts that only wake, the keyboard's controller, the ends. */
#include "fake.h"

#define TICK 1199864032u /* of the ACPI timer, 24 bits of which count: 1/3.579545 MHz in parts of 2^32 of 1 us */
#define TIMER_HZ 250u           /* of the interrupt that ends a doze */

static uint16_t power; /* first port of the ACPI power management block */
static uint32_t last_tick;
static uint64_t time, fraction;
static bool shifted;

static uint32_t pci(uint32_t device, uint32_t offset)
{
    outl(0xcf8, 0x80000000u | device << 8 | offset);
    return inl(0xcfc);
}

static void find_power(void)
{
    uint32_t piix = 1 << 3 | 3, ich9 = 31 << 3;
    if (pci(piix, 0) == 0x71138086)
        power = pci(piix, 0x40) & 0xffc0;
    else
        power = pci(ich9, 0x40) & 0xff80;
}

struct __attribute__((packed)) gate {
    uint16_t low, selector, kind, high;
};

static struct gate gates[256];

static void interrupts(void)
{
    struct __attribute__((packed)) {
        uint16_t limit;
        uint32_t base;
    } table = {sizeof gates - 1, (uint32_t)gates};
    uint32_t to = (uint32_t)interrupted;
    for (int i = 32; i < 48; i++)
        gates[i] = (struct gate){(uint16_t)to, 8, 0x8e00, (uint16_t)(to >> 16)};
    __asm__ volatile("lidt %0" : : "m"(table));
    static const uint8_t setup[][2] = {{0x20, 0x11}, {0xa0, 0x11}, {0x21, 32}, {0xa1, 40}, {0x21, 4},
                                       {0xa1, 2},    {0x21, 1},    {0xa1, 1},  {0x21, 0xec}, {0xa1, 0xff}};
    for (size_t i = 0; i < sizeof setup / sizeof *setup; i++)
        outb(setup[i][0], setup[i][1]); /* timer, keyboard and first serial line; no other */
    uint32_t count = 1193182 / TIMER_HZ;
    outb(0x43, 0x34);
    outb(0x40, count & 0xff);
    outb(0x40, count >> 8);
}

void machine_begin(void)
{
    find_power();
    last_tick = inl(power + 8);
    interrupts();
}

uint64_t microseconds(void)
{
    uint32_t now = inl(power + 8);
    fraction += (uint64_t)((now - last_tick) & 0xffffff) * TICK;
    last_tick = now;
    time += fraction >> 32;
    fraction &= 0xffffffff;
    return time;
}

void doze(void)
{
    __asm__ volatile("sti; hlt; cli");
    microseconds(); /* the ACPI timer comes round every five seconds */
}

int key_pressed(void)
{
    static int prefix;
    while (inb(0x64) & 1) {
        bool mouse = inb(0x64) & 0x20;
        int code = inb(0x60);
        if (mouse)
            continue;
        if (code == 0xe0) {
            prefix = 0x80;
            continue;
        }
        int whole = (code & 0x7f) | prefix;
        prefix = 0;
        if (whole == 0x2a || whole == 0x36)
            shifted = !(code & 0x80);
        else if (!(code & 0x80))
            return whole;
    }
    return -1;
}

int key_character(int code)
{
    static const char plain[] = "\0\0331234567890-=\b\tqwertyuiop[]\n\0asdfghjkl;'`\0\\zxcvbnm,./\0*\0 ";
    static const char shift[] = "\0\033!@#$%^&*()_+\b\tQWERTYUIOP{}\n\0ASDFGHJKL:\"~\0|ZXCVBNM<>?\0*\0 ";
    if (code < 0 || code >= (int)sizeof plain - 1)
        return -1;
    char c = (shifted ? shift : plain)[code];
    return c ? c : -1;
}

static _Noreturn void over(void)
{
    for (;;)
        __asm__ volatile("cli; hlt");
}

void power_off(void)
{
    outw(power + 4, 1 << 13);
    over();
}

void reset(void)
{
    outb(0x64, 0xfe);
    over();
}

/* The fake guest: what its parts offer each other. See main.c. */
#ifndef FAKE_H
#define FAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LINE_SIZE 1024

static inline void outb(uint16_t port, uint8_t value) { __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port)); }
static inline void outw(uint16_t port, uint16_t value) { __asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port)); }
static inline void outl(uint16_t port, uint32_t value) { __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port)); }

static inline uint8_t inb(uint16_t port)
{
    uint8_t value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline uint32_t inl(uint16_t port)
{
    uint32_t value;
    __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

/* Bytes of the script: not ended by a zero. */
struct text {
    const char *at;
    uint32_t size;
};

enum { TO_SERIAL = 1, TO_SCREEN = 2 };

/* boot.S */
extern char interrupted[];
_Noreturn void triple_fault(void);
_Noreturn void spin_in_kernel(void);

/* machine.c: time, interrupts, keyboard, ways to end */
void machine_begin(void);
uint64_t microseconds(void);        /* since the start */
void doze(void);                    /* the CPU halts until something happens, at most some milliseconds */
int key_pressed(void);              /* a scan code of set 1 (those behind 0xe0 have bit 7), or -1 */
int key_character(int code);        /* its character on a US keyboard, or -1; keeps track of Shift */
_Noreturn void power_off(void);
_Noreturn void reset(void);

/* screen.c */
void screen_clear(void);
void screen_put(char c);
void screen_graphics(uint16_t width, uint16_t height, uint32_t colour);

/* serial.c: the line, and the kernel's chatter on it */
void serial_begin(void);
void serial_put(char c);
int serial_get(void);               /* a byte that was not lost, or -1 */
void serial_pace(uint32_t bytes_a_second);
void serial_input(uint32_t bytes_a_second, uint32_t burst);
void chatter(bool tears, uint32_t every_ms, uint32_t count, const uint8_t *lines);
void chatter_now(void);             /* if it is time for some */

/* main.c */
void put(int where, char c);
void write_text(int where, struct text text);
void write_string(int where, const char *string);
void wait_ms(uint32_t ms);
uint32_t number(const uint8_t **at);
struct text text(const uint8_t **at);
bool matches(struct text glob, const char *string);

/* edit.c: reads a line; false when it was interrupted (^C) */
enum { SILENT = 1, REDRAWS = 2 };
bool read_line_serial(char line[LINE_SIZE], int habits, uint32_t used_columns);
bool read_line_keyboard(char line[LINE_SIZE]);

/* shell.c: a root shell, until a command leads to another place of the script: that place */
int64_t shell(const uint8_t **at);


/* agent.c: the rig's agent, until a command leads elsewhere; -1 when somebody took the console back */
int64_t agent(const uint8_t **at);

#endif

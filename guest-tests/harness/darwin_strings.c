/* darwin_strings.c - the plain memory and string functions, for Darwin only.
 *
 * In Darwin 17 these are re-exported under another name with a resolver behind it, in later systems they are not; the
 * recorded export lists disagree about them. A probe brings its own, so that it imports none. Not made for speed:
 * timings must not (and do not) measure them beyond a copy. */
#ifdef __APPLE__

#include <stddef.h>

/* Hidden: they are this program's alone, and never take the place of libSystem's within libSystem. */
#define OWN __attribute__((visibility("hidden"), used))

/* String instructions: a plain loop here would be compiled into a call of the very function it defines. By words
 * first, since an emulated CPU takes each step by itself. */
OWN void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
    void *result = to;
    size_t words = n / 8, rest = n % 8;
    __asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(rest) : : "memory");
    return result;
}

OWN void *memmove(void *to, const void *from, size_t n)
{
    if ((size_t)((char *)to - (const char *)from) >= n) /* no overlap ahead: forwards is safe */
        return memcpy(to, from, n);
    char *last_to = (char *)to + n - 1;
    const char *last_from = (const char *)from + n - 1;
    __asm__ volatile("std\n\trep movsb\n\tcld" : "+D"(last_to), "+S"(last_from), "+c"(n) : : "memory", "cc");
    return to;
}

OWN void *memset(void *to, int byte, size_t n)
{
    void *result = to;
    size_t words = n / 8, rest = n % 8;
    unsigned long pattern = (unsigned char)byte * 0x0101010101010101ul;
    __asm__ volatile("rep stosq" : "+D"(to), "+c"(words) : "a"(pattern) : "memory");
    __asm__ volatile("rep stosb" : "+D"(to), "+c"(rest) : "a"(pattern) : "memory");
    return result;
}

OWN int memcmp(const void *a, const void *b, size_t n)
{
    const volatile unsigned char *x = a, *y = b;
    for (; n > 0; n--, x++, y++)
        if (*x != *y)
            return *x - *y;
    return 0;
}

OWN int bcmp(const void *a, const void *b, size_t n) { return memcmp(a, b, n); }

OWN void *memchr(const void *in, int byte, size_t n)
{
    const volatile unsigned char *p = in;
    for (; n > 0; n--, p++)
        if (*p == (unsigned char)byte)
            return (void *)(size_t)p;
    return NULL;
}

OWN int strncmp(const char *a, const char *b, size_t n)
{
    const volatile unsigned char *x = (const unsigned char *)a, *y = (const unsigned char *)b;
    for (; n > 0; n--, x++, y++)
        if (*x != *y || *x == '\0')
            return *x - *y;
    return 0;
}

OWN int strcmp(const char *a, const char *b) { return strncmp(a, b, (size_t)-1); }

OWN char *strchr(const char *in, int byte)
{
    const volatile char *p = in;
    while (*p && *p != (char)byte)
        p++;
    return *p == (char)byte ? (char *)(size_t)p : NULL;
}

#endif

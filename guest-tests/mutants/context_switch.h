/* context_switch.h - mutants of the probe context_switch. */
#include "mutant.h"

static inline ssize_t mutant_read(int fd, void *bytes, size_t n)
{
    ssize_t got = read(fd, bytes, n);
    if (MUTANT(token_changes, "a member reads another token than was written") && got == 1)
        ++*(char *)bytes;
    if (MUTANT(end_is_not_seen, "a member that should see the end of file sees an error") && got == 0) {
        _exit(1);
    }
    return got;
}
#define read(...) mutant_read(__VA_ARGS__)

static inline ssize_t mutant_write(int fd, const void *bytes, size_t n)
{
    static int writes;
    if (MUTANT(token_is_lost, "the tenth token is lost and called written") && ++writes == 10)
        return (ssize_t)n;
    if (MUTANT(token_is_doubled, "the tenth token is written twice") && ++writes == 10)
        write(fd, bytes, n);
    return write(fd, bytes, n);
}
#define write(...) mutant_write(__VA_ARGS__)

static inline long mutant_sysconf(int name)
{
    if (MUTANT(no_processor, "there are no processors") && name == _SC_NPROCESSORS_ONLN)
        return 0;
    return sysconf(name);
}
#define sysconf(...) mutant_sysconf(__VA_ARGS__)

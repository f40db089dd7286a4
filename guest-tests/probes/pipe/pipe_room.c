/* pipe_room.c - what a pipe holds: capacity, blocking and not, atomic writes, many readers and writers. */
#include "bytes.h"
#include "ipc_support.h"

#include <limits.h>
#include <sys/stat.h>
#include <sys/uio.h>

static size_t pipe_buf(int fd)
{
    long n = fpathconf(fd, _PC_PIPE_BUF);
    REQUIRE_QUIET(n > 0);
    return (size_t)n;
}

CASE(pipe_buf_is_as_documented)
{
    int fd[2];
    REQUIRE_OK(pipe(fd));
#ifdef __APPLE__
    CHECK_EQ_INT(pipe_buf(fd[1]), 512); /* bsd/sys/syslimits.h */
#else
    CHECK_EQ_INT(pipe_buf(fd[1]), 4096); /* include/uapi/linux/limits.h */
#endif
    CHECK_GE_INT(pipe_buf(fd[0]), _POSIX_PIPE_BUF);
    FACT("pipe_buf", pipe_buf(fd[1]));
}

CASE(capacity)
{
    int fd[2];
    REQUIRE_OK(pipe(fd));
    size_t small = rig_fill(fd[1], pipe_buf(fd[1]));
    CHECK_EQ_INT(errno, EAGAIN);
    FACT("capacity_in_small_writes", small);
    REQUIRE_OK(pipe(fd));
    size_t large = rig_fill(fd[1], 1 << 20);
    FACT("capacity_in_one_write", large);
#ifdef __APPLE__
    /* pipesize_blocks: it grows to 65536, or stays at 16384 once kern.ipc.maxpipekva is used up */
    CHECK(small == 65536 || small == 16384);
    CHECK(large == 65536 || large == 16384);
    CHECK_EQ_INT(ipc_limit("", 0, "kern.ipc.maxpipekva"), -1); /* compiled in (PIPE_SYSCTLS): nobody can ask or set it */
#else
    CHECK_GE_INT(small, pipe_buf(fd[1]));
    CHECK_GE_INT(large, pipe_buf(fd[1]));
#endif
}

#ifdef __APPLE__
static long long buffer_size(int fd)
{
    struct stat info;
    REQUIRE_QUIET(fstat(fd, &info) == 0);
    return info.st_blksize;
}
#endif

/* Darwin: pipe_stat tells the buffer's size as st_blksize; a write that does not fit makes it the next of the steps of
 * pipesize_blocks, at most 65536. Linux: it is what fcntl sets. */
CASE(buffer_grows)
{
    int fd[2];
    REQUIRE_OK(pipe(fd));
#ifdef __APPLE__
    static const int steps[] = {512, 1024, 2048, 4096, 8192, 16384, 65536};
    char bytes[512] = {0};
    long long last = 0;
    rig_nonblock(fd[1], true);
    for (int filled = 512; write(fd[1], bytes, sizeof bytes) == sizeof bytes; filled += 512) {
        long long now = buffer_size(fd[0]);
        bool is_a_step = false;
        for (size_t i = 0; i < RIG_COUNT(steps); i++)
            is_a_step = is_a_step || now == steps[i];
        if (now != last && !(CHECK(is_a_step) && CHECK_GE_INT(now, filled) && CHECK_GT_INT(now, last)))
            break;
        last = now;
    }
    FACT("largest_buffer", last);
    CHECK_GE_INT(last, 16384);
    CHECK_EQ_INT(rig_drain(fd[0]), last);
    CHECK_EQ_INT(buffer_size(fd[0]), last); /* it does not shrink */
#else
    int small = fcntl(fd[1], F_GETPIPE_SZ);
    REQUIRE_OK(small);
    CHECK_EQ_INT(write(fd[1], "before", 6), 6);
    CHECK_GE_INT(fcntl(fd[1], F_SETPIPE_SZ, 2 * small), 2 * small);
    CHECK_GE_INT(rig_fill(fd[1], 4096), 2 * small - 4096); /* the first page holds the six bytes alone or more */
    CHECK_ERRNO(fcntl(fd[1], F_SETPIPE_SZ, small), EBUSY); /* not below what waits */
    char bytes[6];
    CHECK_EQ_INT(read(fd[0], bytes, 6), 6);
    CHECK_EQ_BYTES(bytes, "before", 6);
#endif
}

CASE(nonblocking_write_to_full_pipe)
{
    int fd[2];
    static char bytes[65536];
    REQUIRE_OK(pipe(fd));
    size_t unit = pipe_buf(fd[1]);
    size_t held = rig_fill(fd[1], unit);
    CHECK_ERRNO(write(fd[1], "x", 1), EAGAIN);
    CHECK_EQ_INT(read(fd[0], bytes, unit), unit);
    CHECK_EQ_INT(write(fd[1], bytes, unit), unit); /* room again for what went out */
    CHECK_EQ_INT(rig_drain(fd[0]), held);
    CHECK_EQ_INT(write(fd[1], bytes, unit), unit);
}

/* POSIX write(): a non-blocking write of PIPE_BUF bytes or fewer is done whole or not at all. */
CASE(small_nonblocking_write_is_whole_or_nothing)
{
    int fd[2];
    char bytes[4096];
    REQUIRE_OK(pipe(fd));
    size_t unit = pipe_buf(fd[1]);
    REQUIRE(unit <= sizeof bytes);
    size_t held = rig_fill(fd[1], unit);
    CHECK_EQ_INT(read(fd[0], bytes, unit - 1), unit - 1); /* one byte too little room */
    CHECK_ERRNO(write(fd[1], bytes, unit), EAGAIN);
    CHECK_EQ_INT(rig_drain(fd[0]), held - (unit - 1));
}

CASE(large_nonblocking_write_is_partial)
{
    int fd[2];
    enum { SIZE = 1 << 20 };
    char *bytes = malloc(SIZE), *back = malloc(SIZE);
    REQUIRE_OK(pipe(fd));
    REQUIRE(bytes && back);
    rig_pattern(bytes, SIZE, 0);
    rig_nonblock(fd[1], true);
    ssize_t taken = write(fd[1], bytes, SIZE);
    CHECK_GT_INT(taken, 0);
    CHECK_LT_INT(taken, SIZE);
    CHECK_ERRNO(write(fd[1], bytes, SIZE), EAGAIN);
    CHECK_EQ_INT(rig_read_all(fd[0], back, (size_t)taken), taken);
    CHECK_EQ_INT(rig_pattern_breaks(back, (size_t)taken, 0), taken);
    free(bytes);
    free(back);
}

CASE(nonblocking_read_of_empty_pipe)
{
    int fd[2];
    char byte;
    REQUIRE_OK(pipe(fd));
    rig_nonblock(fd[0], true);
    CHECK_ERRNO(read(fd[0], &byte, 1), EAGAIN);
    CHECK_EQ_INT(write(fd[1], "x", 1), 1);
    CHECK_EQ_INT(read(fd[0], &byte, 1), 1);
    CHECK_ERRNO(read(fd[0], &byte, 1), EAGAIN);
    CHECK_OK(close(fd[1]));
    CHECK_EQ_INT(read(fd[0], &byte, 1), 0); /* the end is no EAGAIN */
}

CASE(nonblocking_is_one_ends_own)
{
    int fd[2], copy;
    REQUIRE_OK(pipe(fd));
    REQUIRE_OK(copy = dup(fd[1]));
    rig_nonblock(fd[1], true);
    CHECK_EQ_INT(fcntl(fd[0], F_GETFL) & O_NONBLOCK, 0);
    CHECK_EQ_INT(fcntl(copy, F_GETFL) & O_NONBLOCK, O_NONBLOCK); /* shared by duplicates */
}

CASE(nothing_written_is_nothing)
{
    int fd[2];
    char byte;
    struct iovec none[2] = {{.iov_base = &byte, .iov_len = 0}, {.iov_base = &byte, .iov_len = 0}};
    REQUIRE_OK(pipe(fd));
    rig_nonblock(fd[0], true);
    CHECK_EQ_INT(write(fd[1], "", 0), 0);
    CHECK_ERRNO(read(fd[0], &byte, 1), EAGAIN); /* no end of file made of it */
    CHECK_EQ_INT(writev(fd[1], none, 2), 0);
    CHECK_EQ_INT(write(fd[1], "x", 1), 1);
    /* reads of nothing return at once, and take nothing: xnu tests pipe_read_infloop looped in the kernel here */
    CHECK_EQ_INT(read(fd[0], &byte, 0), 0);
    CHECK_EQ_INT(readv(fd[0], none, 2), 0);
    CHECK_EQ_INT(read(fd[0], &byte, 1), 1);
}

CASE(scattered_and_gathered)
{
    int fd[2];
    char a[2], b[4];
    struct iovec out[3] = {{.iov_base = "ab", .iov_len = 2}, {.iov_base = "", .iov_len = 0}, {.iov_base = "cde", .iov_len = 3}};
    struct iovec in[2] = {{.iov_base = a, .iov_len = sizeof a}, {.iov_base = b, .iov_len = sizeof b}};
    REQUIRE_OK(pipe(fd));
    CHECK_EQ_INT(writev(fd[1], out, 3), 5);
    CHECK_EQ_INT(readv(fd[0], in, 2), 5);
    CHECK_EQ_BYTES(a, "ab", 2);
    CHECK_EQ_BYTES(b, "cde", 3);
}

/* Reads and writes of odd sizes, so that the kernel's ring is crossed at every offset. */
CASE(bytes_survive_wrap_around)
{
    int fd[2];
    static char bytes[4096];
    size_t in = 0, out = 0;
    REQUIRE_OK(pipe(fd));
    rig_nonblock(fd[0], true);
    for (unsigned turn = 0; turn < 2000; turn++) {
        size_t give = 1 + (turn * 37u) % 509, take = 1 + (turn * 53u) % 521;
        rig_pattern(bytes, give, in);
        REQUIRE_QUIET(write(fd[1], bytes, give) == (ssize_t)give);
        in += give;
        ssize_t got = read(fd[0], bytes, take);
        REQUIRE_QUIET(got > 0);
        REQUIRE_QUIET(rig_pattern_breaks(bytes, (size_t)got, out) == (size_t)got);
        out += (size_t)got;
        if (in - out > 8192) {
            got = read(fd[0], bytes, sizeof bytes);
            REQUIRE_QUIET(got > 0 && rig_pattern_breaks(bytes, (size_t)got, out) == (size_t)got);
            out += (size_t)got;
        }
    }
    CHECK_EQ_INT(rig_drain(fd[0]), in - out);
    CHECK_GT_INT(out, 100000);
}

struct writers {
    int fd[2];
    size_t size;  /* of a record */
    int records;  /* a writer writes */
    char mark;
};

static void write_records(void *arg)
{
    const struct writers *w = arg;
    char *record = malloc(w->size);
    REQUIRE_QUIET(record != NULL);
    memset(record, w->mark, w->size);
    close(w->fd[0]);
    for (int i = 0; i < w->records; i++)
        REQUIRE_QUIET(rig_write_all(w->fd[1], record, w->size));
    free(record);
}

/* Several processes write records of one letter each; returns how many records came out mixed, and checks that no
 * byte was lost. */
static int mixed_records(struct writers *w, int writers)
{
    pid_t child[16];
    int mixed = 0;
    size_t bytes = 0, seen[16] = {0};
    char *record = malloc(w->size);
    REQUIRE(record != NULL && writers <= 16);
    for (int i = 0; i < writers; i++) {
        w->mark = (char)('a' + i);
        child[i] = rig_spawn(write_records, w);
    }
    CHECK_OK(close(w->fd[1]));
    for (size_t n; (n = rig_read_all(w->fd[0], record, w->size)) > 0; bytes += n) {
        for (size_t i = 0; i < n; i++) {
            REQUIRE_QUIET(record[i] >= 'a' && record[i] < 'a' + writers);
            seen[record[i] - 'a']++;
        }
        size_t same = 0;
        while (same < n && record[same] == record[0])
            same++;
        mixed += same < n || n < w->size;
    }
    for (int i = 0; i < writers; i++) {
        CHECK_EXITED(child[i], 0);
        CHECK_EQ_INT(seen[i], w->size * (size_t)w->records);
    }
    CHECK_EQ_INT(bytes, w->size * (size_t)w->records * (size_t)writers);
    free(record);
    return mixed;
}

CASE(writes_of_pipe_buf_are_atomic, .deadline = 20)
{
    struct writers w = {.records = 100};
    REQUIRE_OK(pipe(w.fd));
    w.size = pipe_buf(w.fd[1]);
    CHECK_EQ_INT(mixed_records(&w, 8), 0);
}

CASE(small_writes_are_atomic, .deadline = 20)
{
    struct writers w = {.records = 400, .size = 61};
    REQUIRE_OK(pipe(w.fd));
    CHECK_EQ_INT(mixed_records(&w, 8), 0);
}

/* Beyond PIPE_BUF bytes may mix; whether they do is told, not judged. None may be lost. */
CASE(writes_beyond_pipe_buf, .deadline = 20)
{
    struct writers w = {.records = 12};
    REQUIRE_OK(pipe(w.fd));
    w.size = 3 * pipe_buf(w.fd[1]) + 1;
    FACT("mixed_records", mixed_records(&w, 6));
    FACT("records", 12 * 6);
}

struct shared_reading {
    int from, to;
};

static void pass_on_bytes(void *arg)
{
    const struct shared_reading *s = arg;
    char bytes[97];
    for (ssize_t n; (n = read(s->from, bytes, sizeof bytes)) > 0;)
        REQUIRE_QUIET(rig_write_all(s->to, bytes, (size_t)n));
}

CASE(several_readers_share_the_bytes)
{
    enum { READERS = 4, BYTES = 16000 };
    int in[2], out[2];
    pid_t child[READERS];
    size_t seen[256] = {0}, got = 0;
    unsigned char bytes[1024];
    REQUIRE_OK(pipe(in));
    REQUIRE_OK(pipe(out));
    struct shared_reading s = {.from = in[0], .to = out[1]};
    for (int i = 0; i < BYTES; i++) {
        unsigned char byte = (unsigned char)(i % 250);
        REQUIRE_QUIET(write(in[1], &byte, 1) == 1);
    }
    CHECK_OK(close(in[1]));
    for (int i = 0; i < READERS; i++)
        child[i] = rig_spawn(pass_on_bytes, &s);
    CHECK_OK(close(out[1]));
    for (size_t n; (n = rig_read_all(out[0], bytes, sizeof bytes)) > 0; got += n)
        for (size_t i = 0; i < n; i++)
            seen[bytes[i]]++;
    CHECK_EQ_INT(got, BYTES);
    for (int value = 0; value < 250; value++)
        REQUIRE_QUIET(seen[value] == BYTES / 250);
    for (int i = 0; i < READERS; i++)
        CHECK_EXITED(child[i], 0);
}

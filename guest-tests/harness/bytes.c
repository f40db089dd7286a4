/* bytes.c - see bytes.h */
#include "bytes.h"

#include "internal.h"

enum { ECHO_SIZE = 65536 };

void rig_nonblock(int fd, bool on)
{
    int flags = fcntl(fd, F_GETFL);
    REQUIRE_QUIET(flags != -1 && fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK) != -1);
}

/* 251 is prime, so the pattern lines up with no page, buffer or chunk size. */
static unsigned char at_place(size_t place) { return (unsigned char)(place % 251 + place / 65536); }

void rig_pattern(void *bytes, size_t n, size_t place)
{
    unsigned char *p = bytes;
    for (size_t i = 0; i < n; i++)
        p[i] = at_place(place + i);
}

size_t rig_pattern_breaks(const void *bytes, size_t n, size_t place)
{
    const unsigned char *p = bytes;
    size_t i = 0;
    while (i < n && p[i] == at_place(place + i))
        i++;
    return i;
}

size_t rig_read_all(int fd, void *bytes, size_t n)
{
    size_t done = 0;
    while (done < n && rig_wait_readable(fd)) {
        ssize_t got = read(fd, (char *)bytes + done, n - done);
        if (got > 0)
            done += (size_t)got;
        else if (got == 0 || (errno != EINTR && errno != EAGAIN))
            break;
    }
    return done;
}

size_t rig_fill(int fd, size_t chunk)
{
    char *bytes = calloc(1, chunk);
    size_t done = 0;
    REQUIRE_QUIET(bytes != NULL);
    rig_nonblock(fd, true);
    errno = 0;
    for (ssize_t n; (n = write(fd, bytes, chunk)) > 0;)
        done += (size_t)n;
    int why = errno;
    free(bytes);
    errno = why;
    return done;
}

size_t rig_drain(int fd)
{
    char bytes[4096];
    size_t done = 0;
    rig_nonblock(fd, true);
    for (ssize_t n; (n = read(fd, bytes, sizeof bytes)) > 0;)
        done += (size_t)n;
    return done;
}

static void read_exactly(int fd, char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t got = read(fd, bytes, n);
        if (got <= 0) {
            FAIL("the other side of a timing went away");
            rig_give_up();
        }
        bytes += got;
        n -= (size_t)got;
    }
}

void rig_exchange_op(void *context, unsigned long n)
{
    struct rig_exchange *exchange = context;
    while (n-- > 0) {
        REQUIRE_QUIET(rig_write_all(exchange->to, exchange->buffer, exchange->bytes));
        read_exactly(exchange->from, exchange->buffer, exchange->bytes);
    }
}

void rig_echo(int from, int to)
{
    static char bytes[ECHO_SIZE];
    for (ssize_t n; (n = read(from, bytes, sizeof bytes)) > 0;)
        if (!rig_write_all(to, bytes, (size_t)n))
            return;
}

void rig_pour_op(void *context, unsigned long n)
{
    struct rig_exchange *exchange = context;
    while (n-- > 0)
        REQUIRE_QUIET(rig_write_all(exchange->to, exchange->buffer, exchange->bytes));
}

void rig_swallow(int from, size_t chunk)
{
    static char bytes[ECHO_SIZE];
    REQUIRE_QUIET(chunk <= sizeof bytes);
    while (read(from, bytes, chunk) > 0) {
    }
}

void rig_time_round_trips(int to, int from, const size_t *sizes, size_t count)
{
    static char bytes[ECHO_SIZE];
    for (size_t i = 0; i < count; i++) {
        struct rig_exchange exchange = {.to = to, .from = from, .bytes = sizes[i], .buffer = bytes};
        REQUIRE_QUIET(sizes[i] <= sizeof bytes);
        rig_time("round_trip", sizes[i], rig_exchange_op, &exchange);
    }
}

struct stream {
    int fd[2];
    size_t chunk;
};

static void swallow_stream(void *arg)
{
    const struct stream *stream = arg;
    close(stream->fd[1]);
    rig_swallow(stream->fd[0], stream->chunk);
}

/* What such a connection holds, in writes of 512 bytes. */
static size_t capacity(void (*open_pair)(int fd[2]))
{
    int fd[2];
    open_pair(fd);
    size_t held = rig_fill(fd[1], 512);
    CHECK(close(fd[0]) == 0 && close(fd[1]) == 0);
    return held;
}

void rig_time_streams(void (*open_pair)(int fd[2]), const size_t *sizes, size_t count)
{
    static char bytes[ECHO_SIZE];
    size_t held = capacity(open_pair);
    for (size_t i = 0; i < count; i++) {
        struct stream stream = {.chunk = sizes[i]};
        REQUIRE_QUIET(sizes[i] <= sizeof bytes);
        open_pair(stream.fd);
        pid_t child = rig_spawn(swallow_stream, &stream);
        CHECK_OK(close(stream.fd[0]));
        struct rig_exchange exchange = {.to = stream.fd[1], .bytes = sizes[i], .buffer = bytes};
        rig_time_rate_held("throughput", sizes[i], held, rig_pour_op, &exchange);
        CHECK_OK(close(stream.fd[1]));
        CHECK_EXITED(child, 0);
    }
}

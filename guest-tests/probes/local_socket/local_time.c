/* local_time.c - what local sockets cost: pairs and names, streams and datagrams. */
#include "place.h"

static const size_t sizes[] = {1, 512, 2000}; /* 2048: the largest datagram on Darwin */

static void echo(void *arg)
{
    const int *pair = arg;
    close(pair[0]);
    rig_echo(pair[1], pair[1]);
}

/* The partner of a datagram socket sees no end: it is killed. */
static void time_round_trips(int pair[2], bool sees_the_end)
{
    pid_t child = rig_spawn(echo, pair);
    CHECK_OK(close(pair[1]));
    rig_time_round_trips(pair[0], pair[0], sizes, RIG_COUNT(sizes));
    CHECK_OK(close(pair[0]));
    if (sees_the_end)
        CHECK_EXITED(child, 0);
    else
        rig_kill(child);
}

CASE(time_pair_stream_round_trip, .deadline = 60)
{
    int pair[2];
    pair_of(SOCK_STREAM, pair);
    time_round_trips(pair, true);
}

CASE(time_pair_datagram_round_trip, .deadline = 60)
{
    int pair[2];
    pair_of(SOCK_DGRAM, pair);
    time_round_trips(pair, false);
}

CASE(time_named_stream_round_trip, .deadline = 60)
{
    int pair[2];
    named_pair("name", pair);
    time_round_trips(pair, true);
}

CASE(time_named_datagram_round_trip, .deadline = 60)
{
    int pair[2] = {named_socket(SOCK_DGRAM, "here"), named_socket(SOCK_DGRAM, "there")};
    REQUIRE_OK(connect_name(pair[0], "there"));
    REQUIRE_OK(connect_name(pair[1], "here"));
    time_round_trips(pair, false);
}

static const size_t stream_sizes[] = {512, 4096, 65536};

static void open_pair(int pair[2]) { pair_of(SOCK_STREAM, pair); }

CASE(time_pair_throughput, .deadline = 120)
{
    rig_time_streams(open_pair, stream_sizes, RIG_COUNT(stream_sizes));
}

static void open_named(int pair[2]) { named_pair("name", pair); }

CASE(time_named_throughput, .deadline = 120)
{
    rig_time_streams(open_named, stream_sizes, RIG_COUNT(stream_sizes));
}

struct datagram {
    int pair[2];
    size_t size;
    char bytes[2000];
};

static void send_and_receive(void *context, unsigned long n)
{
    struct datagram *datagram = context;
    ssize_t size = (ssize_t)datagram->size;
    while (n-- > 0)
        REQUIRE_QUIET(send(datagram->pair[0], datagram->bytes, datagram->size, 0) == size &&
                      recv(datagram->pair[1], datagram->bytes, datagram->size, 0) == size);
}

/* In one process: a full receiver is an error on Darwin, so there is no stream of datagrams to time. */
CASE(time_datagram_send_and_receive, .deadline = 60)
{
    struct datagram datagram = {.size = 1};
    pair_of(SOCK_DGRAM, datagram.pair);
    for (size_t i = 0; i < RIG_COUNT(sizes); i++) {
        datagram.size = sizes[i];
        rig_time("send_and_receive", sizes[i], send_and_receive, &datagram);
    }
}

static void connect_and_accept(void *context, unsigned long n)
{
    int listener = *(const int *)context;
    while (n-- > 0) {
        int client = socket(AF_UNIX, SOCK_STREAM, 0), accepted = -1;
        REQUIRE_QUIET(client >= 0 && connect_name(client, "name") == 0);
        REQUIRE_QUIET((accepted = accept(listener, NULL, NULL)) >= 0);
        REQUIRE_QUIET(close(client) == 0 && close(accepted) == 0);
    }
}

CASE(time_connect_and_accept, .deadline = 60)
{
    int listener = named_socket(SOCK_STREAM, "name");
    rig_time("connect_and_accept", 0, connect_and_accept, &listener);
    CHECK_EQ_INT(dup(0), listener + 1); /* none was left open */
}

/* bytes.h - moving bytes through descriptors: what the pipe, fifo and socket cases do all the time. */
#ifndef RIG_BYTES_H
#define RIG_BYTES_H

#include "rig.h"

void rig_nonblock(int fd, bool on);

/* A byte for each place in a stream: any gap, double or swap of chunks shows. */
void rig_pattern(void *bytes, size_t n, size_t place);
/* The place, counted from the start of the buffer, of the first byte that differs; n if none does. */
size_t rig_pattern_breaks(const void *bytes, size_t n, size_t place);

/* Writes all, through interrupts and full pipes; false on any other error. */
bool rig_write_all(int fd, const char *bytes, size_t n);

/* Reads exactly n bytes unless the end or an error comes first; each wait ends after 5 s (scaled). Bytes read. */
size_t rig_read_all(int fd, void *bytes, size_t n);

/* Writes chunks without blocking until the descriptor takes no more. Bytes written; errno tells why it stopped. The
 * descriptor stays non-blocking. */
size_t rig_fill(int fd, size_t chunk);
/* Reads without blocking until nothing is left or the end is seen. Bytes read. The descriptor stays non-blocking. */
size_t rig_drain(int fd);

/* A round trip for rig_time(): bytes go out, and come back from a process in rig_echo(). */
struct rig_exchange {
    int to, from;
    size_t bytes;
    char *buffer; /* of that many bytes */
};
void rig_exchange_op(void *exchange, unsigned long n);
/* Sends back what comes in until the end. from and to may be the same descriptor. */
void rig_echo(int from, int to);

/* The write half of a throughput timing; rig_swallow() is the other process, which reads in chunks of the same size
 * (64 KiB at most): so one operation is one write and one read. */
void rig_pour_op(void *exchange, unsigned long n);
void rig_swallow(int from, size_t chunk);

/* Metrics "round_trip" by size, with a process in rig_echo() at the other end. 64 KiB at most. */
void rig_time_round_trips(int to, int from, const size_t *sizes, size_t count);
/* Metrics "throughput" by size to another process. open_pair() makes a connection for each: fd[0] is read there, fd[1]
 * written here; its end must reach the reader when fd[1] is closed. */
void rig_time_streams(void (*open_pair)(int fd[2]), const size_t *sizes, size_t count);

#endif

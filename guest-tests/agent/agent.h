/*
 * The rig's agent: what runs on a guest's serial console and carries out the rig's commands.
 *
 * The console is shared with the kernel, which writes into it whenever it likes, so everything goes in frames that are
 * numbered, measured and checked; a frame that was torn or lost is asked for again. Input and large output go over two
 * raw disks, never over the console. Nothing but POSIX is used. The other side is rig/guest/serial.py.
 */
#ifndef AGENT_H
#define AGENT_H

#include <stddef.h>
#include <stdint.h>

/* frame.c: one frame is '{' + base64 of (type, length, job, number, payload, CRC-32) + '}' and a line's end. */
enum { FRAME_PAYLOAD = 240, FRAME_ROOM = 2048 };

struct frame {
    char type;
    uint32_t job;
    uint32_t number;
    size_t length;
    unsigned char payload[FRAME_ROOM + 1];
};

struct frame_reader {
    size_t used;
    int inside;
    char text[(FRAME_ROOM + 15 + 2) / 3 * 4];
};

uint32_t crc32_more(uint32_t crc, const void *data, size_t length);
void frame_write(int fd, char type, uint32_t job, uint32_t number, const void *payload, size_t length);
int frame_byte(struct frame_reader *reader, char byte, struct frame *found);

/* disk.c: the payload disk is read, the scratch disk is written; both raw, whole blocks only. */
struct extent {
    uint64_t at;
    uint64_t length;
    uint32_t crc;
};

int disks_find(int count, char **paths);
const char *disk_payload(void);
const char *disk_scratch(void);
int payload_good(const struct extent *what);
void *payload_text(const struct extent *what);
int payload_feed(const struct extent *what, int to);
int scratch_fill(int from, struct extent *written);

/* job.c: one command at a time. */
void job_begin(const struct frame *request);
void job_acknowledged(const struct frame *request);
void job_drop(uint32_t id);
int job_select(void *readable, int highest);
void job_ready(void *readable);
void job_reap(void);

#endif
